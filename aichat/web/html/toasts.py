"""Toasts: short messages after an action, kept in a cookie over the redirect and shown once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, unquote

import msgspec
from attrs import frozen

COOKIE = "aichat-toast"
SECONDS = 60
LONGEST = 300
"""Most letters of a toast; a cookie has room for 4,096 bytes."""
Kind = Literal["good", "bad"]
GONE = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
"""The header that takes it away, once it was shown."""


_decoder = msgspec.json.Decoder(tuple[Kind, str])


@frozen
class Toast:
    """What happened, in a sentence, and whether that is good."""

    text: str
    kind: Kind = "good"

    def cookie(self) -> str:
        """Write the header that carries it to the next page."""
        value = quote(json.dumps([self.kind, self.text[:LONGEST]], ensure_ascii=False))
        return f"{COOKIE}={value}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax"


def toast(cookies: Mapping[str, str]) -> Toast | None:
    """Read the one that a browser carries; None where it carries none that we wrote."""
    try:
        kind, text = _decoder.decode(unquote(cookies.get(COOKIE, "")))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return Toast(text[:LONGEST], kind)
