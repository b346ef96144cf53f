"""A tiny ONNX model in the shape of KittenTTS, with a config and voices: it hums.

Each number lasts for 4 frames, by its speed, in which a tone sounds whose pitch the style says. Its
durations are a result, as KittenTTS's are, or only computed, as Kokoro's are.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .onnx_bytes import INT64, constant, message, model, node, number, text, value

VOICES = {"Bella": "expr-voice-2-f", "Jasper": "expr-voice-2-m"}


def build(folder: Path, exports_durations: bool = True) -> Path:
    """Write the files of a repository of KittenTTS."""
    folder.mkdir(exist_ok=True)
    config = {"voice_aliases": VOICES, "speed_priors": {"expr-voice-2-m": 0.8}}
    folder.joinpath("config.json").write_text(json.dumps(config))
    styles = {key: _styles(pitch) for key, pitch in zip(VOICES.values(), (220, 110), strict=True)}
    np.savez(folder / "voices.npz", **styles)
    folder.joinpath("kitten.onnx").write_bytes(_model(exports_durations))
    return folder


def _styles(pitch: int) -> np.ndarray:
    """Return 400 styles; the first number is the pitch in radians a sample."""
    styles = np.zeros((400, 256), np.float32)
    styles[:, 0] = 2 * np.pi * pitch / 24_000
    return styles


def _model(exports_durations: bool) -> bytes:
    to_float = text(1, "to") + number(3, 1) + number(20, 2)
    to_int = text(1, "to") + number(3, INT64) + number(20, 2)
    nodes = (
        node("Cast", "input_ids", "floats", to_float),
        node("Mul", "floats zero", "zeros"),
        node("Add", "zeros frames", "even"),
        node("Div", "even speed", "exact"),
        node("Round", "exact", "rounded"),
        node("Reshape", "rounded flat", "row"),
        node("Cast", "row", "duration", to_int),
        node("ReduceSum", "rounded", "sum"),
        node("Mul", "sum hop", "length"),
        node("Reshape", "length scalar", "end"),
        node("Range", "start end step", "times"),
        node("Gather", "style first", "pitch", text(1, "axis") + number(3, 1) + number(20, 2)),
        node("Mul", "times pitch", "angles"),
        node("Sin", "angles", "sine"),
        node("Mul", "sine half", "tones"),
        node("Reshape", "tones flat", "waveform"),
    )
    floats = {"zero": [0], "frames": [4], "hop": [600], "half": [0.5]}
    constants = [constant(name, np.array(one, np.float32)) for name, one in floats.items()]
    constants += [constant(name, np.float32(one)) for name, one in (("start", 0), ("step", 1))]
    constants += [constant("flat", np.array([-1], np.int64)), constant("first", np.int64(0))]
    constants += [constant("scalar", np.array([], np.int64))]
    graph = b"".join(message(1, one) for one in nodes) + text(2, "tiny")
    graph += b"".join(message(5, one) for one in constants)
    graph += message(11, value("input_ids", (1, "n"), INT64))
    graph += message(11, value("style", (1, 256))) + message(11, value("speed", (1,)))
    graph += message(12, value("waveform", ("samples",)))
    if exports_durations:
        graph += message(12, value("duration", ("n",), INT64))
    return model(graph)
