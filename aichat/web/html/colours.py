"""Assigns each character one of six colours, whatever the order and the rest of the cast."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

COLOURS = 6
"""The style sheets name them voice-0 to voice-5."""


@lru_cache(maxsize=256)
def colours(ids: tuple[str, ...]) -> dict[str, int]:
    """Give each id the colour that its letters ask for, or the next one that is free.

    The order of the ids changes nothing. With more than six, some share a colour.
    """
    given: dict[str, int] = {}
    for id in sorted(set(ids)):
        wanted = crc32(id.encode()) % COLOURS
        nearest = ((wanted + step) % COLOURS for step in range(COLOURS))
        taken = set(given.values())
        given[id] = next((one for one in nearest if one not in taken), wanted)
    return given


def colour_of(ids: list[str], id: str) -> str:
    """Return the class of a character's colour; who is not here has none."""
    given = colours(tuple(ids)).get(id)
    return "voice-none" if given is None else f"voice-{given}"
