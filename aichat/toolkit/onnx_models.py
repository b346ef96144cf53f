"""ONNX models on the CPU: opened with the threads that fit, run, and stopped in the middle.

A model can be asked for a result that its makers did not export, such as the durations of the
sounds: an ONNX file is a protobuf message, and what is appended to one is merged into it.
onnxruntime is passed in as *runtime*, so that the toolkit needs no such package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from aichat.core.errors import CannotStart

from .thread_streams import ReaderLeft

MOST_THREADS = 4
"""Threads beyond which small models get no faster."""
_GRAPH, _NODE, _OUTPUT = 7, 1, 12
"""Fields of the messages ModelProto and GraphProto."""
_NODE_OUTPUT, _NODE_KIND, _VALUE_NAME = 2, 4, 1
"""Fields of NodeProto and ValueInfoProto."""
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""Wire types of protobuf."""


@define
class Stop:
    """Ends a run from another thread, within one operation of the model."""

    is_set: bool = field(init=False, default=False)
    _options: Any = field(init=False, default=None)

    def set(self) -> None:
        """End the run that goes on, and every later one."""
        self.is_set = True
        if self._options is not None:
            self._options.terminate = True

    def watches(self, options: Any) -> Any:
        """Return *options* of a run that this ends."""
        self._options = options
        options.terminate = self.is_set
        return options


@define(eq=False)
class OnnxModel:
    """A model that is open. Several threads may run it at once."""

    runtime: Any
    session: Any
    inputs: Mapping[str, str]
    """The types of its inputs, by name."""

    def run(self, feeds: Mapping[str, Any], stop: Stop) -> Sequence[Any]:
        """Return its results. Raises :class:`ReaderLeft` when it was stopped."""
        options = stop.watches(self.runtime.RunOptions())
        try:
            results: Sequence[Any] = self.session.run(None, feeds, options)
        except Exception as error:  # onnxruntime raises kinds of its own
            if stop.is_set:
                raise ReaderLeft from error
            raise
        return results


def opened(
    file: Path, runtime: Any, threads: int = 0, inner: str = "", mend: str = "Mend it."
) -> OnnxModel:
    """Open a model on *threads* threads, 0: those that fit. Blocks.

    *inner* is a kind of operation, such as "Ceil": if there is just one, its result is the last.
    Raises :class:`CannotStart`, which says how to *mend* it.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or fitting_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others compute too
    options.log_severity_level = 4  # fatal
    try:
        model: Any = with_inner(file.read_bytes(), inner) if inner else str(file)
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises kinds of its own
        reason = str(error).strip().split("\n")[0]
        raise CannotStart(f"{file} cannot be loaded ({reason}).", mend) from error
    return OnnxModel(runtime, session, {one.name: one.type for one in session.get_inputs()})


def fitting_threads() -> int:
    """Return the threads on which a small model is fastest: one a core, up to a few."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(cores, MOST_THREADS)


def with_inner(model: bytes, kind: str) -> bytes:
    """Return *model* with the result of its only operation of that *kind* as its last result."""
    found = [
        content
        for graph in _parts(model, _GRAPH)
        for node in _parts(graph, _NODE)
        if bytes(next(_parts(node, _NODE_KIND), b"")) == kind.encode()
        for content in _parts(node, _NODE_OUTPUT)
    ]
    if len(found) != 1:
        return model
    return model + _message(_GRAPH, _message(_OUTPUT, _message(_VALUE_NAME, bytes(found[0]))))


def _parts(message: bytes | memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the contents of a field of a message; those of others are skipped."""
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = _varint(view, at)
        size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(tag & 7, 0)
        if tag & 7 == _BYTES:
            size, at = _varint(view, at)
        elif tag & 7 == _VARINT:
            _, at = _varint(view, at)
        if tag >> 3 == wanted:
            yield view[at : at + size]
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = view[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _message(number: int, content: bytes) -> bytes:
    return _written(number << 3 | _BYTES) + _written(len(content)) + content


def _written(number: int) -> bytes:
    low, number = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _written(number) if number else bytes([low])
