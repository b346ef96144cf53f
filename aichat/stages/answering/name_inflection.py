"""Names with the endings of their languages (민지야, Маше, @Kasię), and where a word ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Scripts that put no space between words (Thai to Khmer, Japanese, Chinese)."""
HANGUL = re.compile("[\uac00-\ud7a3]")
CYRILLIC, LATIN_WORD = re.compile("[\u0400-\u04ff]+"), re.compile("[a-z]+")
KATAKANA, HIRAGANA = re.compile("[\u30a1-\u30fc]+"), re.compile("[\u3041-\u309f]+")

INSIDE = r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""A letter or digit of a spaced script. Others may follow a name at once: "Mark你好", "Mark은"."""
BEGIN, END = rf"(?<!{INSIDE})(?<!@)(?<!\w-)", rf"(?!{INSIDE}|@)(?!-\w)"
BEGIN_AT = r"(?<![a-z0-9_.])@"

HONORIFICS = "씨|님|양|군|누나|형|언니|오빠|선배|쌤|선생님|박사님|교수님|아저씨|이"
PARTICLES = (
    "야|아|여|이여|은|는|이|가|을|를|의|에|에게|에게서|한테|한테서|께|께서|께서는|도|만|와|과|랑|이랑|"
    "하고|부터|까지|처럼|보다|라고|이라고|라는|이라는|나|이나|조차|마저|밖에|에게는|한테는|에게도|한테도|"
    "이는|이가|이를|이도|이야|이의|로|으로|라면|이라면|인데|네|이네|요|이요|입니다|인가|인가요|니|이니"
)
KOREAN = rf"(?:{HONORIFICS})?(?:{PARTICLES})?(?![\uac00-\ud7a3])"

AFTER_KANA = r"(?=さん|ちゃん|くん|君|様|さま|先生|先輩|[はがをにへとものよ、。!?…\s]|って|$)"
BEFORE_KANA = (
    r"(?:(?<![ぁ-ん])|(?<=ねえ)|(?<=ねぇ)|(?<=おい)|(?<=あの)|(?<=じゃ)|(?<=じゃあ)|(?<=はい))"
)

Cases = re.Pattern[str]
HARD = re.compile("а|у|ом|е|ем|ою|ы|ов|ам|ами|ах|и|і|ові|еві|о|ю|я|ев|еи")
VOWEL = re.compile("ы|и|і|е|у|ю|ои|еи|ою|ею|ам|ям|ами|ями|ах|ях|о|ї|є|ь")
SOFT = re.compile("я|ю|ем|е|и|еи|ев|ям|ями|ях|ё|ієм|єм|ї")
"""й is folded to и."""
LATIN = re.compile(
    "s|es|a|as|e|i|o|u|y|ie|om|em|iem|owi|ovi|ou|ich|ami|ego|emu|im|ym|ej|nak|nek|val|vel|ra|re|"
    "ban|ben|hoz|hez|ot|et|t|lle|lta|lla|n|ssa|sta|yi|ya|da|de|dan|den"
)
LATIN_VOWEL = re.compile(f"{LATIN.pattern}|")
SHORTEST = 3
"""Letters. Shorter stems are in too many other words."""


def literal(said: str) -> str:
    """Return a pattern for these words."""
    return r"\s+".join(re.escape(word) for word in said.split())


def stems(said: str) -> Iterator[tuple[str, Cases]]:
    """Yield what the folded name *said*, of one word, begins with in other cases, and the ends."""
    if len(said) < SHORTEST:
        return
    if CYRILLIC.fullmatch(said):
        yield from _cyrillic(said)
    elif LATIN_WORD.fullmatch(said):
        if said[-1] in "aeiou" and len(said) > SHORTEST:
            yield said[:-1], LATIN_VOWEL
        yield said, LATIN
        if re.fullmatch(r".{2,}[^aeiou]e[^aeiou]", said):  # Marek, Marka
            yield said[:-2] + said[-1], LATIN


def _cyrillic(said: str) -> Iterator[tuple[str, Cases]]:
    if said[-1] in "ая":
        yield said[:-1], VOWEL
    elif said[-1] in "иь":
        yield said[:-1], SOFT
    else:
        yield said, HARD
        if re.fullmatch(r".+[^аеиоуыэюя][еоё][^аеиоуыэюя]", said):  # Павел, Павла
            yield said[:-2] + said[-1], HARD


def before(said: str, *, at: bool) -> str:
    """Return a pattern for what stands before the name *said*."""
    if at:
        return BEGIN_AT if not UNSPACED.match(said[-1]) else "@"
    if HANGUL.match(said[0]) and HANGUL.match(said[-1]):
        return r"(?<![\uac00-\ud7a3@])"
    if not UNSPACED.match(said[-1]):
        return BEGIN
    if KATAKANA.fullmatch(said):
        return r"(?<![ァ-ー])"
    return BEFORE_KANA if _is_short_kana(said) else ""


def after(said: str, *, at: bool) -> str:
    """Return a pattern for what follows the name *said*."""
    if HANGUL.match(said[-1]):
        return KOREAN
    if not UNSPACED.match(said[-1]):
        return END
    if at:
        return ""
    if KATAKANA.fullmatch(said):
        return r"(?![ァ-ー])"
    return AFTER_KANA if _is_short_kana(said) else ""


def _is_short_kana(said: str) -> bool:
    return len(said) <= SHORTEST and HIRAGANA.fullmatch(said) is not None
