"""A tool: dice, as 2d6+1. No network."""

from __future__ import annotations

import re
from collections.abc import Callable
from secrets import randbelow
from typing import Annotated

from aichat.core import BadValue, Tool, hookimpl, tool

MOST_DICE = 100
MOST_SIDES = 1_000
DICE = re.compile(r"\s*(\d{0,3})\s*[dD]\s*(\d{1,4}|%)\s*(?:([+-])\s*(\d{1,4}))?\s*", re.ASCII)


async def dice(
    dice: Annotated[str, "How many of how many sides, as 2d6, d20 or 3d8-2"] = "1d6",
) -> str:
    """Roll dice, and tell what fell and the sum."""
    return rolled(dice)


def rolled(dice: str, fall: Callable[[int], int] = lambda sides: randbelow(sides) + 1) -> str:
    """Roll *dice*; *fall* throws one with the given number of sides. Raises :class:`BadValue`."""
    count, sides, added = parsed(dice)
    fallen = [fall(sides) for _ in range(count)]
    terms = " + ".join(map(str, fallen))
    more = f" {'+' if added > 0 else '-'} {abs(added)}" if added else ""
    return f"{count}d{sides}{more.replace(' ', '')}: {terms}{more} = {sum(fallen) + added}"


def parsed(dice: str) -> tuple[int, int, int]:
    """Read "NdM+K" as N, M and K; d% has 100 sides. Raises :class:`BadValue`."""
    match = DICE.fullmatch(dice)
    if match is None:
        raise BadValue(f"{dice[:40]!r} are no dice.", "Write them as 2d6, d20 or 3d8-2.")
    count, sides = int(match[1] or 1), 100 if match[2] == "%" else int(match[2])
    if not (1 <= count <= MOST_DICE and 2 <= sides <= MOST_SIDES):
        raise BadValue(
            f"{count}d{sides} cannot be rolled.",
            f"Use 1 to {MOST_DICE} dice of 2 to {MOST_SIDES} sides.",
        )
    return count, sides, int(match[3] + match[4]) if match[3] else 0


@hookimpl
def tools() -> list[Tool]:
    """Offer the dice."""
    return [tool(dice)]
