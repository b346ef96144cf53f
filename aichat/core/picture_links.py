"""Uploaded pictures in messages: ``![what it shows](/images/KEY)``, with the key of a clip."""

from __future__ import annotations

import re

IMAGES = "/images/"
"""Path under which pictures are served; the key of a clip follows."""

_PICTURE = re.compile(r"!\[((?:(?!!\[)[^\]\\]|\\.){0,1000}+)\]\(/images/[\w.-]{1,100}\)")
_KEY = re.compile(r"/images/([0-9a-f]{64}\.[a-z0-9]{1,8})(?![\w.-])")
_ESCAPED = re.compile(r"\\([^\w\s])")


def picture_keys(text: str) -> set[str]:
    """Return the keys of the clips that a text shows."""
    return set(_KEY.findall(text)) if IMAGES in text else set()


def in_words(text: str) -> str:
    """Return *text* with what each picture shows in place of the picture."""
    return _PICTURE.sub(_in_words, text) if IMAGES in text else text


def _in_words(picture: re.Match[str]) -> str:
    shows = " ".join(_ESCAPED.sub(r"\1", picture[1]).split())
    return f"[picture: {shows}]" if shows else "[picture]"
