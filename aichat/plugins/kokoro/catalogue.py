"""The models that speak Kokoro's way: where their files are, and which voices they have."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from aichat.core import CannotStart
from aichat.toolkit.voices.stock import StockVoice
from aichat.toolkit.weights import Weights

KOKORO_FILE = "onnx/model_quantized.onnx"
KITTEN_FILES = ("config.json", "*.onnx", "voices.npz")
MODELS: Mapping[str, Weights] = {
    one.name: one
    for one in (
        Weights(
            "kokoro-82m",
            "onnx-community/Kokoro-82M-v1.0-ONNX",
            (KOKORO_FILE, "voices/[abefhip][fm]_*.bin"),
            KOKORO_FILE,
        ),
        Weights("kitten-nano", "KittenML/kitten-tts-nano-0.8-fp32", KITTEN_FILES, "voices.npz"),
        Weights("kitten-micro", "KittenML/kitten-tts-micro-0.8", KITTEN_FILES, "voices.npz"),
        Weights("kitten-mini", "KittenML/kitten-tts-mini-0.8", KITTEN_FILES, "voices.npz"),
    )
}
"""All are under Apache-2.0."""
LANGUAGES = {
    "a": ("en-us", "American"),
    "b": ("en-gb", "British"),
    "e": ("es", "Spanish"),
    "f": ("fr", "French"),
    "h": ("hi", "Hindi"),
    "i": ("it", "Italian"),
    "p": ("pt-br", "Brazilian"),
}
"""The first letter of a voice of Kokoro's. espeak-ng cannot read Japanese or Chinese for it."""
TRAITS = {"af_nicole": ("whisper", "whispering"), "am_onyx": ("deep", "bass")}
WEAK = frozenset(
    {"af_jessica", "af_nicole", "af_river", "af_sky", "am_adam", "am_echo", "am_eric", "am_liam"}
    | {"am_onyx", "am_santa", "bf_alice", "bf_lily", "bm_daniel", "bm_lewis", "em_santa"}
    | {"pm_santa"}
)
"""Voices that its makers grade D or lower, and those that are no everyday voices."""


def weights_of(model: str) -> Weights:
    """Return the weights of a model: a name, or the path of a folder with the same files."""
    if model in MODELS:
        return MODELS[model]
    if Path(model).expanduser().is_dir():
        return Weights(model)
    close = get_close_matches(model, MODELS, n=1)
    raise CannotStart(
        f"There is no Kokoro model and no folder {model!r}.",
        f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(MODELS)}.",
    )


def kokoro_voice(name: str) -> StockVoice | None:
    """Return what is known of one of Kokoro's voices; None if its language cannot be read."""
    if name[:1] not in LANGUAGES:
        return None
    language, accent = LANGUAGES[name[0]]
    return StockVoice(
        name, language, _gender(name[1:2]), accent, TRAITS.get(name, ()), name in WEAK
    )


def kitten_voice(name: str, key: str) -> StockVoice:
    """Return what is known of one of KittenTTS's voices; *key* is as in ``expr-voice-2-f``."""
    return StockVoice(name, "en-us", _gender(key[-1:]), "American")


def _gender(letter: str) -> Literal["woman", "man", ""]:
    return "woman" if letter == "f" else "man" if letter == "m" else ""
