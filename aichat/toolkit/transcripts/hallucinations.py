"""Filters hallucinations out of transcripts: notes on sounds, and credits of subtitles.

Recognisers are trained on subtitles. In silence they write notes on sounds (``[BLANK_AUDIO]``,
``(music)``, ``♪``) and the credits that end subtitles. Credits are removed only when they are the
whole utterance, so that "Thanks for watching my kids" stays.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import compress
from operator import not_

LONGEST = 10_000
"""Most characters of a transcript that is examined: a longer one holds words."""
LONGEST_CREDIT = 160
"""Most characters of a credit."""
MOST_SENTENCES = 6
"""Most sentences of an utterance that may consist of credits alone."""
LONGEST_NOTE = 80
"""Most characters of a note on a sound, between two brackets."""

WORD = re.compile(r"[^\W_]")


def _between(pairs: str, before: str = "", after: str = "") -> str:
    """Return a pattern for text between any of these *pairs*; an unclosed one runs to the end."""
    return "|".join(
        rf"{before}\{pair[0]}{after}[^\{pair[0]}\{pair[1]}]{{0,{LONGEST_NOTE}}}(?:\{pair[1]}|$)"
        for pair in pairs.split()
    )


ASIDE = re.compile(
    "|".join((_between("♪♪ ♫♫ ♬♬ ♩♩ 【】 ［］"), _between("[] {} <>", r"(?<!\w)", r"(?!\s)")))
    + rf"|(?<![\w*])\*+(?=[^\s*])[^*]{{0,{LONGEST_NOTE}}}(?:\*+(?!\w)|$)"
)
"""A note that may stand among words: a transcript uses these brackets for nothing else."""
NOTE = re.compile(f"{_between('() （） ** [] {} <>')}|{ASIDE.pattern}")
"""A note, if the utterance is nothing else: round brackets hold words of a sentence as well."""

NO_WORD = re.compile(r"[^\w'\u0900-\u0dff]+")
"""Vowel signs of Indic scripts are part of a word."""
SENTENCES = re.compile(r"(?<=[.!?…])(?<!\W\w\.)\s+|(?<=[。！？])|[\r\n]+")

CREDITS = re.compile(
    "|".join(
        (
            # English
            r"(many )?(thanks|thank you)( all| guys| everyone)?( so much| very much)?"
            r" for (watching|viewing)( (this|the|my|our) (video|channel|show))?"
            r"( everyone| everybody| guys)?( (and |please |don't forget ).{0,30}subscribe.{0,30})?"
            r"( (bye( bye)?|goodbye|see you( \w+){0,2}))?",
            r"(please |and |don't forget to |make sure to |like |comment |share )*subscribe"
            r"( (to|for) (my|our|the|this|more)( \w+)?)?( and .{0,40})?",
            r"(i'll )?see you( guys| all)? in the next (video|episode)",
            r"(www )?(mooji|amara) org|(transcribed|translated|captioned|subtitled) by "
            r"(?!(me|you|him|her|us|them|hand|now|then|whom|what|to\w+|next|this|\w+day|a|the|my)\b)"
            r".{2,60}",
            r"(english )?(subtitles|captions|captioning|transcription|transcript|translation|"
            r"closed captions?|closed captioning)( (created|provided|made|edited|done|sponsored))?"
            r" by (?!(me|you|him|her|us|them|now|then|whom|what|to\w+|next|this|\w+day)\b).{2,60}",
            # German
            r"untertitel(ung)? (im auftrag|aufgrund|von stephanie geiges|(von|der|des|durch|vom) "
            r"(der )?(amara|zdf|wdr|ndr|swr|mdr|rbb|ard|orf|srf|br|funk)\b).{0,60}",
            r"(untertitelung |copyright )?(wdr|swr|ndr|mdr|zdf|br|ard|orf|srf) 20\d\d",
            r"(vielen |herzlichen )?dank(e( \w+)?)? für(s| das) (zuschauen|zusehen)",
            r"(bitte )?abonniert (den|meinen|unseren) kanal.{0,40}",
            # French
            r"sous titrage (st'? ?\d*|fr\b.{0,20}|société radio canada)",
            r"sous titr\w* (réalis\w*|fait|par) .{0,60}|par soustitreur ?com",
            r"merci (beaucoup )?d'avoir (regardé|visionné)( \w+){0,3}",
            r"(n'oubliez pas de )?(vous abonner|abonnez vous)( à (la|ma|notre) chaîne)?",
            # Spanish, Portuguese, Italian, Romanian
            r"subt[ií]tulos (realizados |creados |hechos )?por (la comunidad|amara).{0,60}",
            r"(muchas )?gracias por ver (el|este|mi) v[ií]deo",
            r"suscríbete( al? (mi |este )?canal)?",
            r"legendas? (de |por )?adriana zanotto",
            r"(legendas|legendado) (pela|por) .{2,60}|(transcrição|tradução) e legendas .{2,60}",
            r"(muito )?obrigad[oa] por assistir( \w+){0,3}|inscreva se no (meu |nosso )?canal",
            r"sottotitoli (creati dalla|e revisione a cura|a cura) .{2,60}",
            r"grazie (a tutti )?per (aver guardato|la visione)( (il|questo) video)?",
            r"iscri(vetevi|viti) al (mio |nostro )?canale",
            r"(vă )?mulțum\w+ pentru vizionare|nu uitați să dați like.*",
            # Dutch, Swedish, Danish, Norwegian, Finnish
            r"ondertitel(d|s|ing)( ingediend)? door .{2,60}|tv gelderland 20\d\d",
            r"bedankt voor het kijken|tack (så mycket )?för att (ni|du) (har )?titta(de|t)",
            r"(textning|tekstitys) \w+ \w+( svensk medietext ab)?",
            r"(danske tekster|undertekster|tekstning|teksting|tekstet) (af|av) .{2,80}",
            # Polish, Czech, Hungarian, Turkish, Greek
            r"napisy (stworzone|wykonane) przez .{2,60}|dzięk\w+ za (oglądanie|obejrzenie)",
            r"titulky vytvořil .{2,40}|děkuj(i|eme) za sledování|köszön(jük|öm) hogy megnézt\w*",
            r"altyazı m ?k|izlediğiniz için teşekkür( \w+){0,2}|υπότιτλοι authorwave",
            # Russian, Ukrainian
            r"субтитры (сделал|создавал|подогнал|делал)а? .{2,60}|редактор субтитров .{2,80}",
            r"продолжение следует|далі буде|(спасибо за|дякую за) (просмотр|перегляд)",
            r"(ставьте лайки и )?(подписывайтесь|подпишитесь) на (наш |мой |этот )?канал",
            # Arabic, Hebrew, Hindi, Indonesian, Vietnamese
            r"ترجمة نانسي قنقر|(لا تنسوا )?(اشتركوا|الاشتراك) في القناة|شكرا (على|لل) ?(ال)?مشاهدة",
            r"תודה (רבה )?על הצפייה|देखने के लिए धन्यवाद|terima kasih (telah|sudah) menonton",
            r"(hãy )?(subscribe|đăng ký) cho kênh .*|cảm ơn các bạn đã (theo dõi|xem)( video)?",
            # Japanese, Korean, Chinese
            r"(最後まで)?ご[視清]聴(いただき)? ?(誠に)?ありがとうござい(ました|ます)",
            r"(よろしければ)?(高評価と?)?チャンネル登録(を|よろしく|お願い).{0,20}",
            r"(끝까지 )?시청 ?해 ?주셔서 (대단히 |정말 )?감사합니다|한글 ?자막 by .{1,20}",
            r"구독과 좋아요.{0,20}(부탁|눌러).{0,10}|(mbc|kbs|sbs) 뉴스 .{2,12}입니다",
            r"[请請]不吝[点點][赞讚贊].*|(中文)?字幕(由|志愿者|志願者|by).{1,40}",
            r"由 ?amara ?org ?(社[区區群]|社群).{0,20}|(优优独播剧场|優優獨播劇場).*",
            r"(感[谢謝]|[谢謝]{2})(大家|您)?的?([观觀收][看賞]|收[听聽])",
            # of any language
            r"(\w+ )?\w{0,8}(titel|titul|titl|titr|титр|legend|napis|altyaz|tekst|caption|"
            r"undertext).{0,60}amara ?org\b.{0,40}",
        )
    ),
    re.IGNORECASE,
)
"""Sentences, as :func:`_plain` returns them, that end subtitles and do not occur in speech."""

BESIDE = re.compile(
    r"(thanks|thank you|bye|bye bye|goodbye|see you( \w+){0,2}|"
    r"untertitelung|(vielen )?dank|danke|tschüss|bis zum nächsten mal|merci|(muchas )?gracias|"
    r"hasta la próxima|grazie|obrigad[oa]|"
    r"спасибо|до новых встреч|谢谢(大家)?|再见|"
    r"ありがとうございました|감사합니다)( (so|very) much| guys| all)?",
    re.IGNORECASE,
)
"""Sentences that occur in speech, and in subtitles next to their credits."""


def spoken(transcript: str) -> str:
    """Return the spoken words of a *transcript*; empty if there are none.

    Notes on sounds are left out, and text without a word, and an utterance that consists of the
    credits of subtitles. Its time is linear. Do not use it for typed text.
    """
    if len(transcript) > LONGEST:
        return transcript.strip()
    if not WORD.search(NOTE.sub(" ", transcript)) or _is_credit(transcript):
        return ""
    if not ASIDE.search(transcript):
        return transcript.strip()
    left = " ".join(ASIDE.sub(" ", transcript).split()).lstrip(":;,. ")  # [Speaker 1]: Hello.
    return left if WORD.search(left) else ""


def _is_credit(text: str) -> bool:
    """Return whether *text* is nothing but credits and what goes with them."""
    if len(text) > MOST_SENTENCES * LONGEST_CREDIT or "?" in text:
        return False
    text = NOTE.sub(" ", text)
    sentences = [one for one in map(_plain, SENTENCES.split(text)) if one]
    is_credit = [_ends_subtitles(one) for one in sentences]
    return any(is_credit) and all(map(BESIDE.fullmatch, compress(sentences, map(not_, is_credit))))


def _ends_subtitles(plain: str) -> bool:
    return len(plain) <= LONGEST_CREDIT and CREDITS.fullmatch(plain) is not None


def _plain(sentence: str) -> str:
    """Return its words in lower case, separated by single spaces, apostrophes kept."""
    text = unicodedata.normalize("NFKC", sentence).replace("’", "'").replace("İ", "i").lower()
    return " ".join(NO_WORD.sub(" ", text).split())
