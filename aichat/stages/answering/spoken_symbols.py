"""Operators, units and other signs in words, where a voice would leave them out or misread them.

English words, or those of the language the text seems to be in: known by its script, or by its
small words; a clause that shows no language is in that of the reply so far. In a language that is
not listed the sign stays, for the voice to read; what mark-up would swallow (``*``, ``^``, ``~``)
becomes a sign that it does not. Money, percent, degrees and fractions stay as well: voices read
them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SIGNS = ("×", "÷", "^", "~", "<", ">", "≤", "≥", "≠", "=", "±", "≈")
"""What a language has words for, in this order."""
WORDS = {
    "en": "times|divided by|to the|to|less than|greater than|less than or equal to"
    "|greater than or equal to|is not equal to"
    "|equals|plus or minus|about",
    "de": "mal|geteilt durch|hoch|bis|kleiner als|größer als|höchstens|mindestens|ungleich"
    "|gleich|plus minus|ungefähr",
    "fr": "fois|divisé par|puissance|à|inférieur à|supérieur à|au plus|au moins|différent de"
    "|égale|plus ou moins|environ",
    "es": "por|dividido por|elevado a|a|menor que|mayor que|como máximo|como mínimo"
    "|distinto de|igual a|más menos|aproximadamente",
    "it": "per|diviso|alla|a|minore di|maggiore di|al massimo|almeno|diverso da|uguale a"
    "|più o meno|circa",
    "pt": "vezes|dividido por|elevado a|a|menor que|maior que|no máximo|no mínimo|diferente de"
    "|igual a|mais ou menos|cerca de",
    "nl": "keer|gedeeld door|tot de macht|tot|kleiner dan|groter dan|hoogstens|minstens"
    "|ongelijk aan|is|plus of min|ongeveer",
    "ru": "умножить на|разделить на|в степени|до|меньше|больше|не больше|не меньше|не равно"
    "|равно|плюс-минус|около",
    "zh": "乘以|除以|的幂|到|小于|大于|至多|至少|不等于|等于|正负|大约",
    "ja": "かける|割る|の累乗|から|小なり|大なり|以下|以上|ノットイコール|イコール"
    "|プラスマイナス|約",
}
POWER_AFTER = {"zh": "的{}次方", "ja": "の{}乗"}
"""What is said behind a number for its power, where no word stands between the two."""
SMALL_WORDS = {
    "en": "the and is are of to in that it you for with was on have if this but not i",
    "de": "der die das und ist nicht ich ein eine mit von auf für wir sie sind wenn kostet es zu",
    "fr": "le la les et est une un des pas je vous pour dans que qui il elle nous coûte ça",
    "es": "el los las es una que por con para se del yo muy está pero cuesta tiene",
    "it": "il lo gli una che per con non di sono del della mi ma questo costa",
    "pt": "os uma que por com para não da eu muito está mas custa",
    "nl": "de het een en is niet ik van op voor met zijn wij dat te er maar kost",
}
SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("", re.compile("[\uac00-\ud7af\u0590-\u0dff\u0e00-\u0fff\u10a0-\u10ff\u1200-\u137f]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("", re.compile("[\u0370-\u03ff]{3}")),
)
FIRST_NOT_LATIN = "\u0250"
LOOKED_AT = 600
"""Letters of a text from which its language is detected."""
WORD = re.compile(r"[^\W\d_]+")

SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
RAISED = re.compile("(?<=[\\w)])([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9})")
UNIT_SIGNS = re.compile("[℃℉\u3300-\u33ff]")
NUMERO = re.compile(r"№\s?")
SIGNED = re.compile(
    r"\d\.?\d*[eE][+-]?\d|\d ?x ?\d"
    r"|[*^~<>=≤≥≠±×÷≈→⇒·⋅√∞∑²³#№½¼¾⅓⅔⅛℃℉～〜–\u3300-\u33ff\u2070-\u2089/|+-]"
)
"""Without one of these there is nothing to do."""

SCIENTIFIC = re.compile(r"(?<![\w.])(\d{1,9}(?:\.\d{1,9})?)[eE]([+-]?\d{1,3})(?!\w)")
BRACED = re.compile(r"\^\{([^{}\n]{1,20})\}")
POWER = re.compile(
    r"(?<=[\w)])\s?(?:\^|(?<=\d)\*\*(?=[\d(-]))\s?(?:\(([+−-]?\w{1,9})\)|([+−-]?\w{1,9}))"
)
TIMES = re.compile(
    r"(?<=[\d)])\s?[×✕⋅·]\s?(?=[^\W_]|[(√])|(?<=\w)\s?[×✕⋅]\s?(?=\w)"
    r"|(?<=[\d)])(\s?)\*\1(?=[^\W_]|[(√])|(?<=[^\W_])(\s?)\*\2(?=\d)|(?<=[^\W_])\*(?=\()"
    r"|(?<=\d)\s?\*\s?(?=\d)"
)
STAR_KEY = re.compile(r"(?<!\d )(?<![^\s(\"“])\*(?=\d)")
STARS = re.compile(r"(?<![^\s(\"“])([1-7])\*(?=[\s,.;!?)])(?!\s?\d)")
"""As on a telephone, and of hotels."""
LETTERS_TIMES = re.compile(r"(?<![^\W_])([^\W\d_])\s?\*\s?(?=[^\W\d_](?![^\W_]))")
BY = re.compile(r"(?<=\d)x(?=\d)|(?<=\d) x (?=\d)")
RANGE = re.compile(r"(?:(?<=[\d%°])|(?<=°[CF]))\s?[~～〜]\s?(?=[+-]?\d)|(?<=\d)\s?–\s?(?=\d)")
ABOUT = re.compile(r"(?<!about )(?<![\w~～])[~～]\s?(?=[\d$€£])|≈\s?")
ARROW = re.compile(r"\s?(?:<?[-=]{1,3}>|→|⇒)\s?")
COMPARED = re.compile(
    r"(?<=[\w)\]%²³°!])(\s?)(<=|>=|!=|==|≤|≥|≠|=(?![=>])|<(?![-=<])|>(?![=>]))\s?(?=[^\W_]|[(√−.+$€£-])"
)
PLUS_MINUS = re.compile(r"\s?(?:\+/-|±)\s?(?=[\d.])")
DIVIDED = re.compile(r"(?<=[\w)])\s?÷\s?(?=[\w(√])")
SHARP = re.compile(r"(?<![\w#])([A-G]|[CFJ])#(?![\w#])")
NUMBER = re.compile(r"(?<![\w#&])#(?=\d)")
AREA = re.compile(r"\s?(?<![^\W\d_])(k|c|m)?m([²³])")
PER = re.compile(r"(?<=\d)\s?(km|m|mi|kb|mb|gb)/(h|s)\b", re.IGNORECASE)
HALVES = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
MIXED = re.compile(r"(?<=\d)([½¼¾⅓⅔⅛])")
ROOT = re.compile(r"√\s?")

UNITS = {"k": "kilometres", "c": "centimetres", "m": "millimetres", "": "metres"}
SPEEDS = {"km": "kilometres", "m": "metres", "mi": "miles"}
EACH = {"h": "hour", "s": "second"}
SAME = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "="}


reply_language: ContextVar[str] = ContextVar("reply_language", default="en")
"""The language of the reply that is being read out."""


@contextmanager
def reply_in(language: str) -> Iterator[None]:
    """Read out clauses of a reply in *language*."""
    token = reply_language.set(language)
    try:
        yield
    finally:
        reply_language.reset(token)


def language_of(text: str, otherwise: str = "en") -> str:
    """Detect the language of a text, by its script or its small words; "" for one not listed.

    Without more signs of another language it is *otherwise*.
    """
    text = text[:LOOKED_AT]
    for language, script in () if text.isascii() else SCRIPTS:
        if script.search(text):
            return language
    counts = dict.fromkeys(SMALL_WORDS, 0)
    for word in WORD.findall(text.casefold()):
        for name in _LANGUAGES.get(word, ()):
            counts[name] += 1
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > counts.get(otherwise, 0) else otherwise


def language_after(clause: str, before: str) -> str:
    """Return a reply's language after a clause; *before*: until then.

    A word that is quoted in another script changes nothing.
    """
    clause = clause[:LOOKED_AT]
    if clause.isascii():
        return language_of(clause, before)
    own = "".join(c for c in clause if c < FIRST_NOT_LATIN or not c.isalpha())
    letters = sum(c.isalpha() for c in clause)
    is_foreign = 2 * (len(clause) - len(own)) > letters
    return language_of(clause if is_foreign else own, before)


_LANGUAGES = {
    word: [name for name, small in SMALL_WORDS.items() if word in small.split()]
    for words in SMALL_WORDS.values()
    for word in words.split()
}
"""The languages that have a small word."""
_WORDS = {name: dict(zip(SIGNS, words.split("|"), strict=True)) for name, words in WORDS.items()}


def in_words(text: str) -> str:
    """Return *text* with its signs in words; takes time for each letter, whatever they are."""
    if not SIGNED.search(text):
        return text
    language = language_of(text, reply_language.get())
    text = _units(text, language)
    text = _powers(text, language)
    return _operators(text, _saying(language))


def _saying(language: str) -> Callable[[str], str]:
    """Return what says a sign between two things."""
    words = _WORDS.get(language)
    kept = {"~": "–", "^": "^"}
    return lambda sign: f" {words[sign] if words else kept.get(sign, sign)} "


def _units(text: str, language: str) -> str:
    text = UNIT_SIGNS.sub(_compatible, text).translate(SUBSCRIPTS)
    if language == "en":
        text = AREA.sub(_area, text)
        text = PER.sub(_speed, text)
        text = MIXED.sub(lambda found: f" and {HALVES[found[1]]}", text)
        text = STARS.sub(r"\1 star", STAR_KEY.sub("star ", text))
        text = SHARP.sub(r"\1 sharp", text)
        text = NUMBER.sub("number ", text)
        text = ROOT.sub("the square root of ", text)
    text = NUMERO.sub("номер " if language == "ru" else "No. ", text)
    for sign, fraction in HALVES.items():
        text = text.replace(sign, fraction)
    return text


def _compatible(found: re.Match[str]) -> str:
    """Return the letters of a unit that is one character: ㎏ is kg, ㎡ m²."""
    plain = unicodedata.normalize("NFKC", found[0])
    if "°" in plain:
        before = found.string[: found.start()][-1:]
        return f" {plain}" if before and not before.isspace() else plain
    return plain[:-1] + "²³"[int(plain[-1]) - 2] if plain[-1] in "23" else plain


def _area(found: re.Match[str]) -> str:
    return f" {'square' if found[2] == '²' else 'cubic'} {UNITS[found[1] or '']}"


def _speed(found: re.Match[str]) -> str:
    unit = found[1].lower()
    return f" {SPEEDS.get(unit, found[1])} per {EACH[found[2].lower()]}"


def _powers(text: str, language: str) -> str:
    say = _saying(language)
    text = SCIENTIFIC.sub(lambda found: f"{found[1]} × 10^{found[2].lstrip('+')}", text)
    text = RAISED.sub(lambda found: f"^{found[1].translate(SUPERSCRIPTS)}", text)
    text = BRACED.sub(r"^\1", text)

    def power(found: re.Match[str]) -> str:
        exponent = (found[1] or found[2]).replace("−", "-")
        if language in POWER_AFTER:
            return POWER_AFTER[language].format(exponent)
        if language == "en" and exponent in ("2", "3"):
            return " squared" if exponent == "2" else " cubed"
        if language == "en" and exponent.startswith("-"):
            exponent = f"minus {exponent[1:]}"
        return f"{say('^')}{exponent}"

    return POWER.sub(power, text)


def _operators(text: str, say: Callable[[str], str]) -> str:
    text = BY.sub(say("×"), text)
    text = TIMES.sub(say("×"), text)
    text = LETTERS_TIMES.sub(lambda found: f"{found[1]}{say('×')}", text)
    text = RANGE.sub(say("~"), text)
    text = ABOUT.sub(lambda _: say("≈").lstrip(), text)
    text = PLUS_MINUS.sub(lambda _: say("±"), text)
    text = DIVIDED.sub(say("÷"), text)
    text = COMPARED.sub(lambda found: say(SAME.get(found[2], found[2])), text)
    return ARROW.sub(", ", text)
