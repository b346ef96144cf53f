"""Recognising stage directions in brackets: ``(smiling)`` is done, ``(about ten euros)`` is said.

Brackets hold what is said far more often than stars do, so the words must show that something is
done: what a face or a voice does, a movement with where it goes or what it moves, a sound, a
manner. Expressions are known in some twenty languages, movements in English only. In doubt it is
read out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aichat.toolkit.voices.sound_tags import SOUND_TAGS

from .direction_words import (
    BODIES,
    EAST_ASIAN,
    FOREIGN,
    FOREIGN_LEADS,
    FOREIGN_NAMES,
    LOUD_NOTES,
    MANNERS,
    MOODS,
    NEVER_NAMES,
    PARTICLES,
    PEOPLE,
    REFLEXIVES,
    SCHEDULED,
    SOUNDING,
    VOICES,
    WRITTEN_TOGETHER,
)
from .markup_spans import begins_sentence
from .narration_words import DONE, EXPRESSED, EXPRESSIONS, IRREGULAR, NOTES, word_set

EDGES = " \t\n.,;:!?…\"'“”‘’«»()[]（）*_~。、"
WORD = re.compile(r"\S+")
MOST_WORDS = 25
"""Words of a stage direction, at most."""
UNSAID = re.compile(r"[\d=/@<>|{}\\:?？]")
"""What is not in a stage direction."""
GLOSSED = re.compile(r"[\"'”’»*_`][ \t]*\Z")
"""The word before is quoted, and what follows in brackets is what it means."""
FACES = word_set(EXPRESSIONS)
JOINERS = word_set("and but then while as at to with under over from behind into for")
OF_THINGS = word_set("of are is was were per from")
LEADS = word_set("still again all both then just almost")
POSSESSIVES = word_set("his her their my its your")
ARTICLES = word_set("a an the one another") | POSSESSIVES


def is_direction(before: str, source: str, after: str) -> bool:
    """Return whether *source*, with its brackets, is a stage direction, and not to be read out.

    *before* and *after* are the text around it, from the start of its clause to the end.
    """
    inner = source[1:-1]
    if source in SOUND_TAGS or UNSAID.search(inner) or GLOSSED.search(before):
        return False
    shown = [word.strip(EDGES) for word in WORD.findall(inner)]
    shown = [word for word in shown if word]
    if not 0 < len(shown) <= MOST_WORDS:
        return False
    is_apart = source[0] in "[［" or begins_sentence(before)
    if shown[0][0] >= EAST_ASIAN:
        return _is_written_together(shown)
    said = [word.casefold() for word in shown]
    at_end = not after.strip()
    if _is_expressed_abroad(said, is_apart) or _is_expressed(said, is_apart or at_end):
        return True
    return is_apart and (_is_note(said) or _is_manner(said) or _is_movement(said, shown))


def _is_written_together(shown: Sequence[str]) -> bool:
    words = {shown[0].removeprefix(who) for who in ("", "她", "他", "彼女は", "彼は")}
    return len(shown) <= 3 and not words.isdisjoint(WRITTEN_TOGETHER)


def _is_expressed_abroad(said: Sequence[str], is_apart: bool) -> bool:
    """Recognise an expression in another language: "lächelt", "se ríe", "avec un sourire"."""
    for place, word in enumerate(said[:3]):
        if word in FOREIGN or (word in FOREIGN_NAMES and (place or is_apart)):
            return len(said) <= place + 4
        if word not in FOREIGN_LEADS:
            return False
    return False


def _is_expressed(said: Sequence[str], is_apart: bool) -> bool:
    """Recognise what a face or a voice does: "smiling", "sighs deeply", "with a grin"."""
    if said[0] == "with" and len(said) <= 4 and said[-1] in FACES:
        return said[1] in ARTICLES or len(said) == 2
    if len(said) <= 3 and said[-1] in LOUD_NOTES and is_apart:
        return True
    rest = _behind_manner(said)
    if said[0] in PEOPLE and len(said) <= 3:
        return said[-1] in EXPRESSED and said[-1].endswith("s")  # (he nods)
    if rest[0] not in EXPRESSED - IRREGULAR or _is_thing(rest):
        return False
    if rest[0] not in FACES:
        return True
    # its plain form is also a noun, "(cough syrup)", or what a word means, "(smile)"
    return is_apart and (len(rest) == 1 or rest[1].endswith("ly") or rest[1] in JOINERS)


def _is_thing(said: Sequence[str]) -> bool:
    """Return whether what looks like a verb is a noun: "waves of light"."""
    return len(said) > 1 and said[1] in OF_THINGS and not said[0].endswith("ing")


def _behind_manner(said: Sequence[str]) -> Sequence[str]:
    """Return the words behind those that say how: "softly smiles", "still laughing"."""
    is_manner = len(said) > 1 and (said[0].endswith("ly") or said[0] in LEADS)
    return said[1:] if is_manner else said


def _is_note(said: Sequence[str]) -> bool:
    """Recognise what is to be heard: "pause", "a long silence", "soft music"."""
    return len(said) <= 3 and said[-1] in NOTES and (said[0] not in POSSESSIVES)


def _is_manner(said: Sequence[str]) -> bool:
    """Recognise how it is said: "softly", "in a low voice", "to herself", "confused"."""
    if said[0] in MANNERS or said[0] in MOODS:
        return len(said) == 1 or said[1] in JOINERS
    if said[0] in ("in", "with", "under") and len(said) <= 6:
        return said[-1] in VOICES
    return len(said) == 2 and said[0] == "to" and said[1] in REFLEXIVES


def _is_movement(said: Sequence[str], shown: Sequence[str]) -> bool:
    """Recognise what somebody does: "looks up", "She shakes her head", "Her eyes light up"."""
    rest = _behind_manner(said)
    if rest[0] in DONE and rest[0].endswith(("s", "ing")):
        return _moves(rest)
    if said[0] in POSSESSIVES and len(said) > 2 and said[1] in BODIES:
        return any(word in DONE for word in said[2:5])
    if said[0] in ("the", "a", "an", *POSSESSIVES):
        return any(word in SOUNDING and word.endswith("s") for word in said[2:4])
    if said[0] not in PEOPLE and not (shown[0][0].isupper() and said[0] not in NEVER_NAMES):
        return False
    for place in (1, 2, 3):
        verb = said[place] if place < len(said) else ""
        if verb in DONE and (verb.endswith("s") or said[0] == "they"):
            return verb in EXPRESSED or _moves(said[place:])
        if not (verb.endswith("ly") or (place == 1 and shown[1:] and shown[1][0].isupper())):
            return False
    return False


def _moves(said: Sequence[str]) -> bool:
    """Return whether a verb has with it what shows that somebody moves, or what they move."""
    verb, rest = said[0], said[1:]
    if verb in EXPRESSED:
        return not _is_thing(said)
    is_body = any(word in BODIES for word in rest[:5])
    if verb in SCHEDULED:
        return is_body or bool(rest and rest[0] in ("over", "up", "away", "toward", "towards"))
    if not rest:
        return True
    return is_body or rest[0] in PARTICLES or rest[0].endswith("ly") or rest[0] in ("and", "then")
