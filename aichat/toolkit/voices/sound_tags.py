"""Tags of sounds, such as ``[laugh]``: some voices perform them, and the others must not read them.

A voice says which it performs in an attribute ``sounds``.
"""

from __future__ import annotations

SOUND_TAGS = (
    "[laugh]",
    "[cough]",
    "[applause]",
    "[cheering]",
    "[music]",
    "[music start]",
    "[music end]",
    "[humming start]",
    "[humming end]",
    "[sing start]",
    "[sing end]",
)


def performable(text: str, voice: object) -> str:
    """Return *text* with spaces in place of the tags that a voice does not perform.

    No letter moves, so that the times of words still refer to the same places.
    """
    if "[" not in text:
        return text
    for tag in SOUND_TAGS:
        if tag in text and tag not in getattr(voice, "sounds", ()):
            text = text.replace(tag, " " * len(tag))
    return text
