"""Checks that a character's pictures are on this server.

A picture elsewhere would show that site who views it, and when; and if the server fetched it, its
address could make the server call its own network (SSRF). So pictures are uploaded instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aichat.core import Character
from aichat.web.schemas.decoding import BadBody, Mistake

OWN = re.compile(
    r"/(?:images|avatars|static)(?:/(?!\.\.?(?:[/?]|$))[\w.-]+)+(?:\?[\w.%=&+-]*)?", re.ASCII
)
REFUSED = (
    "It is no picture of this server. Upload it, with POST /api/images or on the character's page, "
    "and name the address that comes back."
)


def is_own(address: str) -> bool:
    """Return whether an address is one of a picture on this server."""
    return OWN.fullmatch(address) is not None


def check_pictures(fields: Mapping[str, Any], known: Character | None = None) -> None:
    """Check ``image_url`` and ``images``. Raises :class:`BadBody`, which names each foreign one.

    Pictures that the character has already are allowed.
    """
    kept = {known.image_url, *known.images} if known else set()
    wrong = [Mistake(place, REFUSED) for place, address in _foreign(fields) if address not in kept]
    if wrong:
        raise BadBody(wrong)


def has_foreign(fields: Mapping[str, Any]) -> bool:
    """Return whether any of the pictures is on another server."""
    return next(_foreign(fields), None) is not None


def _foreign(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    face = fields.get("image_url")
    if face and not is_own(face):
        yield "image_url", face
    for place, address in enumerate(fields.get("images", ())):
        if not is_own(address):
            yield f"images[{place}]", address
