"""A model with its voices: Kokoro's or KittenTTS's, which are asked in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, frozen

from aichat.core import CannotStart
from aichat.toolkit.onnx_models import OnnxModel, Stop, opened
from aichat.toolkit.voices.onnx_voice import Wave, begins
from aichat.toolkit.voices.phonemes import Phonemes
from aichat.toolkit.voices.stock import StockVoice

from .catalogue import kitten_voice, kokoro_voice
from .spelling import KITTEN_SPELLING, KOKORO_SPELLING, Spelling

RATE = 24_000
HOP = 600
"""Samples of one frame, in which the models count how long a sound is."""
DURATIONS = "Round"
"""The operation whose result are the frames of each sound."""
STYLE = 256
"""Numbers in a style."""
KITTEN_TAIL = 5_000
"""Samples at the end of what KittenTTS makes that are no speech."""


@frozen
class Timbre:
    """One voice: its *styles*, one for each length of text, and how fast it is by nature."""

    stock: StockVoice
    styles: Any
    speed: float = 1.0


@define(eq=False)
class StyleModel:
    """A model with its voices, by name."""

    model: OnnxModel
    voices: Mapping[str, Timbre]
    spelling: Spelling
    is_kitten: bool

    def say(self, phonemes: Phonemes, voice: str, speed: float, stop: Stop) -> Wave:
        """Return the sound of a text."""
        timbre = self.voices[voice]
        ids, places = self.spelling.ids(phonemes.sounds)
        length = len(phonemes.text) if self.is_kitten else len(ids) - 3
        feeds = {
            name: np.array([ids], np.int64)
            for name in self.model.inputs
            if name not in ("style", "speed")
        }
        feeds["style"] = timbre.styles[min(max(length, 0), len(timbre.styles) - 1)].reshape(1, -1)
        whole = "int" in self.model.inputs["speed"]
        feeds["speed"] = np.array([speed * timbre.speed], np.int32 if whole else np.float32)
        samples, *inner = self.model.run(feeds, stop)
        samples = samples.reshape(-1)
        starts = begins(inner, len(ids), len(samples), HOP)[places]
        return Wave(samples[:-KITTEN_TAIL] if self.is_kitten else samples, starts)


def load(folder: Path, runtime: Any, threads: int, mend: str) -> StyleModel:
    """Open the model in *folder*. Raises :class:`CannotStart`, which says how to *mend* it."""
    try:
        is_kitten = (folder / "voices.npz").is_file()
        voices = _kitten_voices(folder) if is_kitten else _kokoro_voices(folder)
        (file,) = folder.glob("*.onnx" if is_kitten else "onnx/*.onnx")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotStart(
            f"{folder} does not hold one ONNX model with its voices ({type(error).__name__}).", mend
        ) from error
    if not voices:
        raise CannotStart(f"{folder} holds no voice.", mend)
    model = opened(file, runtime, threads, DURATIONS, mend)
    if not {"style", "speed"} < model.inputs.keys():
        raise CannotStart(f"{file} is no model of Kokoro or KittenTTS.", mend)
    spelling = KITTEN_SPELLING if is_kitten else KOKORO_SPELLING
    made = StyleModel(model, voices, spelling, is_kitten)
    made.say(spelling.phonemes("Hello.", "en-us"), next(iter(voices)), 1.0, Stop())
    return made


def _kokoro_voices(folder: Path) -> Mapping[str, Timbre]:
    return {
        file.stem: Timbre(stock, np.fromfile(file, "<f4").reshape(-1, STYLE))
        for file in sorted(folder.glob("voices/*.bin"))
        if (stock := kokoro_voice(file.stem))
    }


def _kitten_voices(folder: Path) -> Mapping[str, Timbre]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = {key: name for name, key in config.get("voice_aliases", {}).items()}
    paces = config.get("speed_priors", {})
    with np.load(folder / "voices.npz") as styles:
        return {
            names.get(key, key): Timbre(
                kitten_voice(names.get(key, key), key),
                styles[key].astype(np.float32).reshape(-1, STYLE),
                float(paces.get(key, 1.0)),
            )
            for key in styles.files
        }
