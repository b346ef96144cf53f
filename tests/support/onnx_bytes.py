"""Messages of ONNX files, written byte by byte: needs no package."""

from __future__ import annotations

import numpy as np

FLOAT, INT64 = 1, 7
"""Types of tensors."""


def node(kind: str, sources: str, target: str, attribute: bytes = b"") -> bytes:
    """Return an operation; *sources* are names with spaces between them."""
    inputs = b"".join(text(1, source) for source in sources.split())
    made = inputs + text(2, target) + text(4, kind)
    return made + (message(5, attribute) if attribute else b"")


def value(name: str, shape: tuple[int | str, ...], kind: int = FLOAT) -> bytes:
    """Return an input or an output; a size with a name is free."""
    sizes = (text(2, size) if isinstance(size, str) else number(1, size) for size in shape)
    dimensions = b"".join(message(1, size) for size in sizes)
    tensor = number(1, kind) + message(2, dimensions)
    return text(1, name) + message(2, message(1, tensor))


def varint(number: int) -> bytes:
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(number) if number else bytes([low])


def number(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, text: str) -> bytes:
    return message(field, text.encode())


def constant(name: str, values: np.ndarray) -> bytes:
    """Return a tensor that is part of the model, of floats or of 64-bit integers."""
    kind = FLOAT if values.dtype == np.float32 else INT64
    sizes = b"".join(number(1, size) for size in values.shape)
    return sizes + number(2, kind) + text(8, name) + message(9, values.tobytes())


def model(graph: bytes, opset: int = 13) -> bytes:
    """Return a file with a graph."""
    operators = text(1, "") + number(2, opset)
    return number(1, 8) + message(7, graph) + message(8, operators)
