"""What Whisper makes up where nobody speaks: how to tell it from words that were said.

Whisper learnt from subtitles, so that on silence and noise it writes what subtitles end with.
"""

from __future__ import annotations

import re

NO_SPEECH, UNLIKELY = 0.6, -1.0
"""Any text is made up when it is at least so likely that nobody speaks, and at most so likely (mean
log-probability of a token) that these are the words. Whisper's own limits."""

DOUBT_SPEECH, DOUBT_WORDS = 0.3, -0.7
"""What people do say, but Whisper says in silence too, is made up when either is so doubtful."""

REPETITIVE = 2.4
"""Text that shrinks so much repeats itself: Whisper does that where it understands nothing."""

CREDITS = re.compile(
    r"amara\.org|(subtitles|captions|transcript(ion)?) by\b|"
    r"^\W*(thanks|thank you)( so much| very much)? for watching\W*$|"
    r"^\W*(please )?(like and )?subscribe( to (my|our|the) channel)?\W*$|"
    r"untertitel(ung)?\s.*(zdf|wdr|ndr|ard|20\d\d)|sous-titr(es|age)\s.*(par|st')|"
    r"subtítulos (realizados|por)|sottotitoli (creati|a cura)|legendas pela|"
    r"napisy stworzone|субтитры (сделал|создавал|делал)|редактор субтитров|"
    r"^\W*продолжение следует\W*$|ご視聴ありがとうございました|チャンネル登録|"
    r"字幕由|请不吝点赞|시청해 ?주셔서 감사합니다",
    re.IGNORECASE,
)
"""Credits of subtitles: nobody says these to a character."""

IN_SILENCE = {
    *("you", "thank you", "thanks", "thank you very much", "bye", "bye bye", "okay", "so", "oh"),
    *("the end", "vielen dank", "danke", "tschüss", "merci", "gracias", "grazie", "obrigado"),
    *("спасибо", "ありがとうございました", "谢谢", "감사합니다"),
}


def is_imagined(
    text: str, no_speech: float, log_probability: float, compression: float = 1.0
) -> bool:
    """Tell a segment that was made up from one that was said.

    *compression* is how much smaller the text gets when it is compressed.
    """
    if compression > REPETITIVE or (no_speech > NO_SPEECH and log_probability < UNLIKELY):
        return True
    plain = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    if plain in IN_SILENCE:
        return no_speech > DOUBT_SPEECH or log_probability < DOUBT_WORDS
    return CREDITS.search(text) is not None or not plain
