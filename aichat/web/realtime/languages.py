"""The languages that a client's user is likely to speak."""

from __future__ import annotations

import re

MOST = 8
"""Most languages of one user."""
RANGE = re.compile(r"\s*([a-z]{2,3})(?:-[a-z0-9]+)*\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?", re.ASCII)
"""One language of a list, such as ``de-DE`` or ``de;q=0.8``."""


def languages(text: str) -> tuple[str, ...]:
    """Return the languages in ``Accept-Language``, as codes such as "de", the favourite first.

    What is no language is left out, and so are regions and scripts.
    """
    found = [RANGE.fullmatch(one) for one in text.lower().split(",")]
    weighed = [(float(one[2] or 1), one[1]) for one in found if one]
    weighed.sort(key=lambda pair: -pair[0])  # equals stay in their order
    return tuple(dict.fromkeys(code for weight, code in weighed if weight))[:MOST]
