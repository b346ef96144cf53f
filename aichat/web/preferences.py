"""How a browser wants its pages: kept in a cookie, so that the server draws them right at once.

None of it is a secret, and none of it says who somebody is.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from attrs import asdict, fields, frozen

COOKIE = "aichat-preferences"
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
    """*announce*: what a screen reader is told; *voices*: who reads the answers out."""

    theme: str = CHOICES["theme"][0]
    rail: str = CHOICES["rail"][0]
    shortcuts: str = CHOICES["shortcuts"][0]
    announce: str = CHOICES["announce"][0]
    voices: str = CHOICES["voices"][0]

    def changed(self, wanted: Mapping[str, str]) -> Preferences:
        """Take over what *wanted* names, where that is a choice there is."""
        known = {k: v for k, v in wanted.items() if v in CHOICES.get(k, ())}
        return Preferences(**{**asdict(self), **known})

    def cookie(self) -> str:
        """Write the header that keeps them."""
        kept = {one.name: getattr(self, one.name) for one in fields(Preferences)}
        return f"{COOKIE}={urlencode(kept)}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax"


def preferences(cookies: Mapping[str, str]) -> Preferences:
    """Read a browser's; the defaults stand in for whatever it does not send, or sends wrong."""
    return Preferences().changed(dict(parse_qsl(cookies.get(COOKIE, "").strip('"'))))
