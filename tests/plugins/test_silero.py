import sys

import numpy as np
import pytest

from aichat.core import BadValue, CannotStart, NotReady
from aichat.core.testing import VadContract
from aichat.plugins import silero
from aichat.plugins.silero import FRAME, Silero
from aichat.toolkit.packages import installs
from support.espeak_speech import say

pytestmark = pytest.mark.anyio


@pytest.fixture
async def vad():
    async with Silero() as backend:
        yield backend


@pytest.fixture
def speech_pcm():
    return say("What do you think about the weather in London today?")


class TestSilero(VadContract):
    pass


class Script:
    """Stands for the model: the probabilities are given, so that the rules can be checked."""

    def __init__(self, *probabilities):
        self.probabilities = iter(probabilities)

    def run(self, _, inputs):
        return np.array([[next(self.probabilities)]], np.float32), inputs["h"], inputs["c"]


def verdicts(*probabilities, **settings):
    vad = Silero(**settings)
    vad._session = Script(*probabilities)
    stream = vad.stream()
    return [stream.is_speech(bytes(2 * FRAME)) for _ in probabilities]


def test_speech_begins_after_64_ms_above_the_threshold():
    assert verdicts(0.9, 0.9, 0.9) == [False, True, True]
    assert verdicts(0.9, 0.4, 0.9, 0.4) == [False] * 4


def test_speech_ends_only_below_the_lower_threshold():
    assert verdicts(0.9, 0.9, 0.4, 0.36, 0.34, 0.4) == [False, True, True, True, False, False]


def test_after_speech_the_64_ms_count_anew():
    assert verdicts(0.9, 0.9, 0.1, 0.9, 0.9)[-3:] == [False, False, True]


def test_the_settings_move_the_thresholds():
    assert verdicts(0.3, 0.25, threshold=0.2, min_speech_ms=0) == [True, True]
    assert verdicts(0.9, 0.9, 0.9, 0.9, min_speech_ms=128) == [False, False, False, True]
    assert verdicts(0.3, 0.1, threshold=0.2, end_threshold=0.9, min_speech_ms=0) == [True, False]


async def test_a_frame_of_another_size_is_told(vad):
    with pytest.raises(BadValue, match="1000 bytes"):
        vad.stream().is_speech(bytes(1000))


async def test_loading_it_does_not_import_faster_whisper(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "faster_whisper"]:
        monkeypatch.delitem(sys.modules, name)
    async with Silero():
        assert "faster_whisper" not in sys.modules


async def test_before_its_start_it_is_not_ready():
    with pytest.raises(NotReady):
        Silero().stream()


async def test_a_missing_package_is_told_with_its_mend(monkeypatch):
    monkeypatch.setattr(silero, "find_spec", lambda name: None)
    with pytest.raises(CannotStart) as caught:
        async with Silero():
            pass
    assert caught.value.hint == installs("whisper")


async def test_a_missing_onnxruntime_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CannotStart, match="onnxruntime"):
        async with Silero():
            pass
