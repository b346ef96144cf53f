"""Compression of pages, as far as the browser accepts it."""

from __future__ import annotations

from gzip import compress

LEVEL = 1
"""A third of the time of the usual 6; pages of many messages shrink to a tenth all the same."""
WORTH = 2_000
"""Letters; shorter pages gain nothing."""


def accepts(header: str, encoding: str) -> bool:
    """Return whether an ``Accept-Encoding`` accepts *encoding*, with a weight above 0."""
    for one in header.lower().split(","):
        name, _, weight = one.strip().partition(";")
        if name.strip() == encoding:
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False


def packed(html: str, header: str) -> tuple[str | bytes, dict[str, str]]:
    """Return a page as it is sent to a browser with this ``Accept-Encoding``, and its headers."""
    vary = {"Vary": "Accept-Encoding"}
    if len(html) < WORTH or not accepts(header, "gzip"):
        return html, vary
    return compress(html.encode(), LEVEL, mtime=0), {**vary, "Content-Encoding": "gzip"}
