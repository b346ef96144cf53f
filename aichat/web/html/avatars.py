"""A drawn face for a character without a picture; the same name always has the same face.

Nothing is looked up: the address says all there is to draw, and so may be kept for good.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from aichat.core import slug

SIDE = 96
LONGEST = 100
GROUNDS = (
    ("#8f3a2a", "#f2b8a4"), ("#265a85", "#a9cdec"), ("#4f5e18", "#d2de95"), ("#733880", "#e2b9ec"),
    ("#17645a", "#93d8cb"), ("#7a500e", "#edc67d"), ("#84304f", "#f0aac2"), ("#3d4a8f", "#b9c3f4"),
)  # fmt: skip
"""Pairs of a dark ground and a light ink; white on the ground has a contrast of over 5."""


def address(name: str) -> str:
    """Return where the face of *name* is."""
    return f"/avatars/{slug(name)}.svg?{urlencode({'name': name[:LONGEST]}, errors='replace')}"


def svg(name: str) -> str:
    """Draw a face: a ground, one of four patterns in its light ink, and the initials."""
    dice = _dice(name)
    ground, ink = GROUNDS[dice[0] % len(GROUNDS)]
    pattern = PATTERNS[dice[1] % len(PATTERNS)](dice[2:])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" '
        f'width="{SIDE}" height="{SIDE}" role="img" aria-label="{escape(name)}">'
        f'<rect width="{SIDE}" height="{SIDE}" fill="{ground}"/>'
        f'<g fill="{ink}" opacity="0.24">{pattern}</g>'
        '<text x="48" y="48" text-anchor="middle" dominant-baseline="central" '
        'font-family="Georgia, serif" font-size="38" font-weight="600" fill="#ffffff">'
        f"{escape(initials(name))}</text></svg>"
    )


def ground_of(name: str) -> str:
    """Return the colour of the ground of *name*'s face."""
    return GROUNDS[_dice(name)[0] % len(GROUNDS)][0]


def _dice(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "replace")).digest()[3:]


def initials(name: str) -> str:
    """Return the first letters of the first and the last word."""
    words = [word for word in name.replace("-", " ").split() if word[0].isalpha()]
    chosen = [words[0], words[-1]] if len(words) > 1 else words
    return "".join(word[0].upper() for word in chosen) or "?"


def _rings(dice: Sequence[int]) -> str:
    x, y = dice[0] % SIDE, dice[1] % SIDE
    return "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="#fff" stroke-width="7"/>'
        for radius in range(14, 130, 22)
    )


def _dots(dice: Sequence[int]) -> str:
    return "".join(
        f'<circle cx="{12 + 24 * (n % 4)}" cy="{12 + 24 * (n // 4)}" r="{3 + dice[n] % 8}"/>'
        for n in range(16)
    )


def _rays(dice: Sequence[int]) -> str:
    turn, count = dice[0] / 40, 7 + dice[1] % 5
    wedges = []
    for n in range(count):
        at, width = turn + n * math.tau / count, math.pi / count
        (ax, ay), (bx, by) = (
            (48 + 90 * math.cos(a), 48 + 90 * math.sin(a)) for a in (at, at + width)
        )
        wedges.append(f'<path d="M48 48L{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}Z"/>')
    return "".join(wedges)


def _hills(dice: Sequence[int]) -> str:
    return "".join(
        f'<path d="M-8 {y}Q{24 + dice[n] % 16} {y - 14 - dice[n + 3] % 18} 52 {y}'
        f'T104 {y}V104H-8Z"/>'
        for n, y in enumerate((44, 62, 80))
    )


PATTERNS = (_rings, _dots, _rays, _hills)
