"""ONNX models: results that were not exported, and runs that are stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from aichat.core import CannotStart
from aichat.toolkit.onnx_models import Stop, opened, with_inner
from aichat.toolkit.thread_streams import ReaderLeft
from support.tiny_smart_turn import build

FEATURES = {"input_features": np.zeros((1, 80, 800), np.float32)}


def test_a_result_that_was_not_exported_can_be_had(tmp_path: Path) -> None:
    model = opened(build(tmp_path / "m.onnx"), onnxruntime, inner="ReduceMean")
    feeds = {"input_features": FEATURES["input_features"] + 2}
    probability, mean = model.run(feeds, Stop())
    assert mean.ravel() == pytest.approx(2)
    assert probability.ravel() == pytest.approx(1 / (1 + np.exp(-2)))


def test_where_there_is_no_such_operation_the_model_stays_as_it_is(tmp_path: Path) -> None:
    content = build(tmp_path / "m.onnx").read_bytes()
    assert with_inner(content, "Ceil") == content
    assert len(opened(tmp_path / "m.onnx", onnxruntime, inner="Ceil").run(FEATURES, Stop())) == 1


def test_a_run_that_was_stopped_raises(tmp_path: Path) -> None:
    model, stop = opened(build(tmp_path / "m.onnx"), onnxruntime, threads=1), Stop()
    assert model.run(FEATURES, stop)
    stop.set()
    with pytest.raises(ReaderLeft):
        model.run(FEATURES, stop)


def test_a_file_that_is_no_model_is_reported_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x3a\x05oops")
    with pytest.raises(CannotStart) as caught:
        opened(tmp_path / "m.onnx", onnxruntime, inner="Ceil", mend="Download it anew.")
    assert caught.value.hint == "Download it anew."
