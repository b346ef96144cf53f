"""The picture of a character on our pages: its own if the CSP allows it, else a drawn face."""

from __future__ import annotations

import re

from aichat.core import Character

from . import avatars

OWN_PICTURE = re.compile(r"data:image/|/(?![/\\\s])")


def is_own(address: str) -> bool:
    """Return whether our pages may show a picture: their CSP allows none from other servers."""
    return OWN_PICTURE.match(address) is not None


def face_of(character: Character) -> str:
    """Return the address of a character's picture: its own, where our pages may show it."""
    return own_picture(character) or avatars.address(character.name)


def own_picture(character: Character) -> str | None:
    """Return the address of a character's own picture, if our pages may show it."""
    shown = character.image_url
    return shown if shown and is_own(shown) else None
