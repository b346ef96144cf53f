"""Pictures of our own in what somebody writes: ``![what it shows](/images/KEY)``, KEY a clip's."""

from __future__ import annotations

import re

IMAGES = "/images/"
"""Where pictures are served: this and the key of a clip."""

_PICTURE = re.compile(r"!\[((?:(?!!\[)[^\]\\]|\\.){0,1000}+)\]\(/images/[\w.-]{1,100}\)")
_KEY = re.compile(r"/images/([0-9a-f]{64}\.[a-z0-9]{1,8})(?![\w.-])")
_ESCAPED = re.compile(r"\\([^\w\s])")


def picture_keys(text: str) -> set[str]:
    """Return the keys of the clips that a text shows."""
    return set(_KEY.findall(text)) if IMAGES in text else set()


def in_words(text: str) -> str:
    """Return *text* for those who cannot see: what each picture shows, in place of its address."""
    return _PICTURE.sub(_told, text) if IMAGES in text else text


def _told(picture: re.Match[str]) -> str:
    shows = " ".join(_ESCAPED.sub(r"\1", picture[1]).split())
    return f"[picture: {shows}]" if shows else "[picture]"
