"""Which full stops end a sentence: not those of abbreviations, ordinals, initials and dates."""

from __future__ import annotations

import re

from .narration_words import word_set

WAIT = -1
"""Not known yet: that depends on what follows."""

NEVER_LAST = frozenset(
    [
        *("mr", "mrs", "ms", "mx", "dr", "prof", "rev", "st", "mt", "capt", "lt", "col", "gen"),
        *("sgt", "sen", "rep", "gov", "hon", "mme", "mlle", "mgr", "srta", "sra", "dra", "dña"),
        *("fr", "hr", "sig", "dott", "avv", "lic", "arq", "dipl", "ing", "str", "tel", "messrs"),
        *("vs", "cf", "approx", "ca", "bzw", "evtl", "ggf", "inkl", "exkl", "zzgl", "abzgl"),
        *("vgl", "sog", "mio", "mrd", "resp", "dhr", "mevr", "ul", "гг", "ул", "им", "проф"),
        *("тыс", "млн", "млрд", "напр", "viz", "ee", "feat", "ft", "t.ex", "f.eks", "bl.a", "p.ex"),
    ]
)
"""Abbreviations that no sentence ends with,"""
RARELY_LAST = frozenset(
    [
        *("etc", "inc", "ltd", "co", "corp", "usw", "a.m", "p.m", "u.s.w", "bros", "esq"),
        *("ph.d", "m.sc", "b.sc", "d.phil", "ed.d", "m.ed", "b.ed", "psy.d", "pharm.d", "ll.m"),
        *("ll.b", "m.phil", "др"),
    ]
)
"""those that do end one if a capital follows,"""
BEFORE_NUMBER = frozenset(
    [
        *("no", "nos", "nr", "vol", "fig", "p", "pp", "ch", "art", "sec", "v", "s", "bd", "abb"),
        *("kap", "abs", "núm", "pág", "стр", "рис", "гл", "ст", "eq", "ex", "lv", "ver", "al"),
        *("janv", "févr", "avr", "juil", "sept", "oct", "nov", "déc", "ene", "abr", "dic"),
        *("янв", "февр", "авг", "сент", "окт", "нояб", "дек", "д", "кв", "корп", "оф"),
    ]
)
"""those that are abbreviations only in front of a number,"""
DATES = word_set(
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Okt Dez Mon Tue Tues Wed Thu Thurs Fri Sat "
    "Sun"
)
"""those of dates, likewise,"""
AFTER_NAMES = frozenset(["sr", "jr"])
"""and those that stand behind a name, or as *Señor* before one."""

MONTHS = word_set(
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "january february march may june july october december janvier février mars avril juin juillet "
    "août septembre octobre novembre décembre gennaio febbraio marzo aprile maggio giugno luglio "
    "enero febrero abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "jahrhundert jahrhunderts jhd jh weltkrieg geburtstag stock platz klasse liga etage tag kapitel"
)
"""What follows a German ordinal, and a number of other languages, in a date."""
BEFORE_ORDINAL = word_set(
    "der das den dem des vom zum zur im beim jeder jeden jedem jedes ihr sein mein dein"
)
STARTERS = word_set(
    "he she it they we i you the a an this that these those his her their there then but and so in "
    "on at as if when while after before what who how why where no yes él ella ellos pero y"
)
"""Words with which sentences begin, and names do not."""

DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
LIST_NUMBER = re.compile(r"(?:\A|\n)[ \t]*+\d{1,3}\Z")
LAST_WORDS = re.compile(r"(?:(\S{1,20})\s{1,8})?(?:(\S{1,20})\s{1,8})?\Z")
BREAK = re.compile(r"[\s(\[\"“„«'*_-]")
NEXT_WORD = re.compile(r"\w{0,24}+")
LOOKED_AT = 48
"""Letters before a stop that are looked at."""


def ends_sentence(before: str, is_bare: bool, text: str, at: int, final: bool) -> int:
    """Return whether a full stop ends a sentence: 1 or 0; ``WAIT`` while that is not known.

    *before* it is this, of the same clause, and behind its white space *text* goes on at *at*. It
    *is_bare* when no quotation mark or bracket closes between the two.
    """
    if text[at].islower():
        return 0
    if not is_bare:
        return 1
    word = BREAK.split(before[-LOOKED_AT:])[-1]
    if LIST_NUMBER.search(before):
        return 0
    if word.isdecimal():
        return _after_number(word, before, text, at, final)
    if len(word) == 1 and word.isalpha():
        return _after_letter(word, before, text, at, final)
    return _after_word(word, before, text, at, final)


def _after_word(word: str, before: str, text: str, at: int, final: bool) -> int:
    said, follows = word.casefold(), text[at]
    if said in RARELY_LAST:
        return int(follows.isupper())
    if word in DATES or said in BEFORE_NUMBER:
        return int(not follows.isdecimal())
    if said in AFTER_NAMES:
        follower = _next_word(text, at, final)
        if follower is None:
            return WAIT
        return int(bool(_words_before(word, before)) and follower.casefold() in STARTERS)
    return int(said not in NEVER_LAST and not DOTTED.fullmatch(word))


def _after_number(word: str, before: str, text: str, at: int, final: bool) -> int:
    """Recognise dates and ordinals: "am 3. Mai", "der 2. Weltkrieg", "3. 5. 2024"."""
    if len(word) > 2:
        return 1
    if text[at].isdecimal():
        return 0
    words = _words_before(word, before)
    if words and words[-1].casefold() in BEFORE_ORDINAL:
        return 0
    follower = _next_word(text, at, final)
    if follower is None:
        return WAIT
    return int(follower.casefold() not in MONTHS)


def _after_letter(word: str, before: str, text: str, at: int, final: bool) -> int:
    """Recognise initials, and abbreviations with spaces in them: "z. B.", "J. K."."""
    if word.casefold() in BEFORE_NUMBER and text[at].isdecimal():
        return 0
    words = _words_before(word, before)
    if word.isupper() or not word.islower():
        return int((word == "I" and bool(words)) or ord(word) >= 0x2E80)
    if len(text) == at + 1 and not final:
        return WAIT
    if text[at].isalpha() and text[at + 1 : at + 2] == ".":
        return 0
    if word == "г":  # "в г. Москве", but "в 2020 г. Потом"
        return int(bool(words) and words[-1].isdecimal())
    is_second = bool(words) and len(words[-1]) == 2 and words[-1][1] == "."
    return int(not is_second or word in "дп")


def _words_before(word: str, before: str) -> list[str]:
    """Return up to two words in front of the last."""
    found = LAST_WORDS.search(before[-LOOKED_AT:].removesuffix(word))
    return [one for one in found.groups() if one] if found else []


def _next_word(text: str, at: int, final: bool) -> str | None:
    """Return the word at *at*, or None while more of it may come."""
    found = NEXT_WORD.match(text, at)
    if found is None or (found.end() == len(text) and not final):
        return None
    return found[0]
