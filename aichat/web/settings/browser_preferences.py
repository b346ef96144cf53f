"""How a browser wants its pages: kept in cookies, so that the server draws them right at once.

Each has a cookie of its own: two forms that are sent at once change both. None of it is a secret,
and none of it says who somebody is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from attrs import asdict, frozen

COOKIE = "aichat-preferences"
"""The cookie of older versions, with all preferences in one; it is only read."""
PREFIX = "aichat-prefers-"
SECONDS = 400 * 24 * 3600
"""Browsers keep no cookie for longer."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "theme": ("system", "light", "dark"),
    "rail": ("wide", "narrow"),
    "shortcuts": ("on", "off"),
    "announce": ("names", "whole", "off"),
    "voices": ("aloud", "reader"),
}
"""What each may be; the first is the default."""


@frozen
class Preferences:
    """*announce*: what a screen reader announces; *voices*: who reads the answers out."""

    theme: str = CHOICES["theme"][0]
    rail: str = CHOICES["rail"][0]
    shortcuts: str = CHOICES["shortcuts"][0]
    announce: str = CHOICES["announce"][0]
    voices: str = CHOICES["voices"][0]

    def changed(self, wanted: Mapping[str, str]) -> Preferences:
        """Return these preferences with the valid ones of *wanted*."""
        known = {k: v for k, v in wanted.items() if v in CHOICES.get(k, ())}
        return Preferences(**{**asdict(self), **known})

    def cookies(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return the name and the value of each cookie that keeps one of *names*."""
        return [(PREFIX + name, getattr(self, name)) for name in names if name in CHOICES]


def preferences(cookies: Mapping[str, str]) -> Preferences:
    """Read a browser's cookies; missing and wrong values are the defaults."""
    together = dict(parse_qsl(cookies.get(COOKIE, "").strip('"')))
    own = {name: cookies[PREFIX + name] for name in CHOICES if PREFIX + name in cookies}
    return Preferences().changed(together).changed(own)
