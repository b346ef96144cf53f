"""A tiny ONNX model in the shape of smart-turn, written byte by byte: needs no package.

It is the mean of the features through a sigmoid, so that its answer can be worked out by hand.
"""

from __future__ import annotations

from pathlib import Path

FLOAT, INTS = 1, 7


def build(path: Path, shape: tuple[int, ...] = (1, 80, 800)) -> Path:
    """Write the model: ``input_features`` of that shape to ``probability`` (1, 1, 1)."""
    axes = _text(1, "axes") + b"".join(_number(8, axis) for axis in (1, 2)) + _number(20, INTS)
    mean = _node("ReduceMean", "input_features", "mean", axes)
    graph = _message(1, mean) + _message(1, _node("Sigmoid", "mean", "probability"))
    graph += _text(2, "tiny")
    graph += _message(11, _value("input_features", shape)) + _message(
        12, _value("probability", (1, 1, 1))
    )
    opset = _text(1, "") + _number(2, 13)
    path.write_bytes(_number(1, 8) + _message(7, graph) + _message(8, opset))
    return path


def _node(kind: str, source: str, target: str, attribute: bytes = b"") -> bytes:
    node = _text(1, source) + _text(2, target) + _text(4, kind)
    return node + (_message(5, attribute) if attribute else b"")


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_message(1, _number(1, size)) for size in shape)
    tensor = _number(1, FLOAT) + _message(2, dimensions)
    return _text(1, name) + _message(2, _message(1, tensor))


def _varint(number: int) -> bytes:
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(number) if number else bytes([low])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())
