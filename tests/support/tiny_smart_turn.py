"""A tiny ONNX model in the shape of smart-turn, written byte by byte: needs no package.

It is the mean of the features through a sigmoid, so that its answer can be worked out by hand.
"""

from __future__ import annotations

from pathlib import Path

from .onnx_bytes import message, node, number, text, value

INTS = 7


def build(path: Path, shape: tuple[int, ...] = (1, 80, 800)) -> Path:
    """Write the model: ``input_features`` of that shape to ``probability`` (1, 1, 1)."""
    axes = text(1, "axes") + b"".join(number(8, axis) for axis in (1, 2)) + number(20, INTS)
    mean = node("ReduceMean", "input_features", "mean", axes)
    graph = message(1, mean) + message(1, node("Sigmoid", "mean", "probability"))
    graph += text(2, "tiny")
    graph += message(11, value("input_features", shape)) + message(
        12, value("probability", (1, 1, 1))
    )
    opset = text(1, "") + number(2, 13)
    path.write_bytes(number(1, 8) + message(7, graph) + message(8, opset))
    return path
