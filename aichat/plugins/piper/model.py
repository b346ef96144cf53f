"""One voice of Piper's: a VITS model, and the numbers that it has for phonemes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from attrs import frozen

from aichat.core import CannotStart
from aichat.toolkit.onnx_models import OnnxModel, Stop, opened
from aichat.toolkit.voices import phonemes as espeak
from aichat.toolkit.voices.onnx_voice import Wave, begins
from aichat.toolkit.voices.phonemes import Phonemes

HOP = 256
"""Samples of one frame, in which the model counts how long a phoneme is."""
DURATIONS = "Ceil"
"""The operation whose result are the frames of each phoneme."""
MARKS = str.maketrans({"—": ",", "–": ",", "(": ",", "…": ".", "。": ".", "，": ",", "？": "?"})
"""Marks that no voice was trained on, and those that sound like them."""


@frozen
class PiperModel:
    """A model with its configuration; *rate* is what :meth:`say` returns."""

    model: OnnxModel
    ids: Mapping[str, Sequence[int]]
    language: str
    scales: tuple[float, float, float]
    """How much it varies, how slowly it speaks, how much durations vary."""
    own_rate: int
    rate: int

    def phonemes(self, text: str) -> Phonemes:
        """Return the sounds of *text*, each mark of an accent on its own."""
        return espeak.phonemes(text, self.language, lambda ipa: unicodedata.normalize("NFD", ipa))

    def say(self, phonemes: Phonemes, speed: float, speaker: int, stop: Stop) -> Wave:
        """Return the sound of phonemes."""
        ids, places = self._numbers(phonemes.sounds.translate(MARKS))
        varies, length, varies_length = self.scales
        feeds = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([varies, length / speed, varies_length], np.float32),
        }
        if "sid" in self.model.inputs:
            feeds["sid"] = np.array([speaker], np.int64)
        samples, *inner = self.model.run(feeds, stop)
        samples = samples.reshape(-1)
        starts = begins(inner, len(ids), len(samples), HOP)[places]
        if self.own_rate != self.rate:
            samples = soxr.resample(samples, self.own_rate, self.rate)
            starts = starts * (self.rate / self.own_rate)
        return Wave(samples, starts)

    def _numbers(self, sounds: str) -> tuple[list[int], list[int]]:
        """Return the numbers of *sounds*, a gap after each, and where each sound is in them."""
        gap = self.ids["_"]
        ids, places = [*self.ids["^"], *gap], []
        for sound in sounds:
            places.append(len(ids))
            if number := self.ids.get(sound):
                ids += [*number, *gap]
        return [*ids, *self.ids["$"]], places


def load(file: Path, runtime: Any, threads: int, rate: int, mend: str) -> PiperModel:
    """Open a voice. Raises :class:`CannotStart`, which says how to *mend* it."""
    model = opened(file, runtime, threads, DURATIONS, mend)
    try:
        config = json.loads(file.with_name(f"{file.name}.json").read_text(encoding="utf-8"))
        kind = config.get("phoneme_type", "espeak")
        if kind != "espeak":
            raise CannotStart(f"{file.stem} needs phonemes of the kind {kind}.", mend)
        scales = config["inference"]
        made = PiperModel(
            model,
            config["phoneme_id_map"],
            config["espeak"]["voice"],
            (scales["noise_scale"], scales["length_scale"], scales["noise_w"]),
            config["audio"]["sample_rate"],
            rate,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotStart(f"{file}.json cannot be read ({type(error).__name__}).", mend) from error
    made.say(made.phonemes("Hello."), 1.0, 0, Stop())
    return made
