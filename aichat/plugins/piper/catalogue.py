"""Piper's voices: where a name is on the hub, and what is known of some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from attrs import frozen

from aichat.core import CannotStart
from aichat.toolkit.voices.stock import StockVoice
from aichat.toolkit.weights import Weights

REPOSITORY = "rhasspy/piper-voices"
_NAME = re.compile(r"(?P<family>[a-z]{2,3})_(?P<region>[A-Z]{2})-(?P<voice>\w+)-(?P<quality>\w+)")


KNOWN: Mapping[str, StockVoice] = {
    one.name: one
    for one in (
        StockVoice("en_GB-cori-medium", "en-gb", "woman", "British"),
        StockVoice("en_US-joe-medium", "en-us", "man", "American"),
        StockVoice("en_US-kristin-medium", "en-us", "woman", "American"),
        StockVoice("en_US-norman-medium", "en-us", "man", "American"),
    )
}
"""What their names do not say."""
DEFAULT = ("en_US-kristin-medium", "en_US-norman-medium", "en_GB-cori-medium")
"""Trained from nothing but recordings of LibriVox, which are in the public domain."""


@frozen
class Place:
    """A voice: an ONNX file with its configuration beside it."""

    name: str
    weights: Weights
    file: str
    """The ONNX file, below the folder of the weights."""

    def model(self, folder: Path) -> Path:
        """Return the path of the ONNX file; *folder* is where its weights are."""
        return folder / self.file if self.file else folder


def place_of(voice: str) -> Place:
    """Return where a voice is: a name of Piper's, or the path of an ONNX file."""
    if voice.endswith(".onnx"):
        return Place(Path(voice).stem, Weights(voice), "")
    if not (name := _NAME.fullmatch(voice)):
        close = get_close_matches(voice, KNOWN, n=1)
        raise CannotStart(
            f"{voice!r} is no name of a Piper voice.",
            f"Did you mean {close[0]!r}?"
            if close
            else 'Write it as "de_DE-thorsten-medium", or the path of its .onnx file.',
        )
    region = f"{name['family']}_{name['region']}"
    file = f"{name['family']}/{region}/{name['voice']}/{name['quality']}/{voice}.onnx"
    return Place(voice, Weights(voice, REPOSITORY, (file, f"{file}.json"), file), file)


def described(name: str, language: str) -> StockVoice:
    """Return what is known of a voice that speaks *language*."""
    return KNOWN.get(name) or StockVoice(name, language)
