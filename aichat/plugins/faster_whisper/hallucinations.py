"""Hallucinations: text that Whisper makes up where nobody speaks, and how to recognise it.

Its own probabilities show more than the text does. What the text alone shows holds for every
recogniser (:mod:`aichat.toolkit.transcripts.hallucinations`) and is asked here as well, for each
segment: Whisper puts a credit after words that were said.
"""

from __future__ import annotations

import re

from aichat.toolkit.transcripts.hallucinations import spoken

NO_SPEECH, UNLIKELY = 0.6, -1.0
"""Any text is made up when it is at least so likely that nobody speaks, and at most so likely (mean
log-probability of a token) that these are the words. Whisper's own limits."""

DOUBT_SPEECH, DOUBT_WORDS = 0.3, -0.7
"""What people do say, but Whisper says in silence too, is made up when either is so doubtful."""

REPETITIVE = 2.4
"""Compression ratio from which text repeats itself: Whisper understood nothing there."""

IN_SILENCE = {
    *("you", "thank you", "thanks", "thank you very much", "bye", "bye bye", "okay", "so", "oh"),
    *("the end", "vielen dank", "danke", "tschüss", "merci", "gracias", "grazie", "obrigado"),
    *("спасибо", "ありがとうございました", "谢谢", "감사합니다"),
}


def is_imagined(
    text: str, no_speech: float, log_probability: float, compression: float = 1.0
) -> bool:
    """Return whether a segment was made up.

    *compression* is how much smaller the text gets when it is compressed.
    """
    if compression > REPETITIVE or (no_speech > NO_SPEECH and log_probability < UNLIKELY):
        return True
    plain = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    if plain in IN_SILENCE:
        return no_speech > DOUBT_SPEECH or log_probability < DOUBT_WORDS
    return not spoken(text)
