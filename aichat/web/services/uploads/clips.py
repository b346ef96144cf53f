"""Decodes an uploaded file to a clip, in a separate process: see ``decoder.py``."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import soxr
from attrs import frozen

from aichat.core import AichatError, BadValue
from aichat.toolkit.wav import wav_file

CLIP_RATE = 24_000
STT_RATE = 16_000
DEADLINE_SECONDS = 30.0
"""Timeout of the decoding process."""
DECODER = Path(__file__).with_name("decoder.py")
REFUSED = 3
HEAD_BYTES = 8
PASSED_ON = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")
"""Environment variables that the decoder gets; no secrets are among them."""

log = logging.getLogger(__name__)


class TooLarge(AichatError):
    """A clip has too many bytes or seconds."""

    code = "too_large"


@frozen
class Clip:
    """Speech as it is stored: mono PCM16, 24 kHz."""

    pcm: bytes

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return len(self.pcm) / 2 / CLIP_RATE

    def wav(self) -> bytes:
        """Return it as a WAV file."""
        return wav_file(self.pcm, CLIP_RATE)

    async def for_stt(self) -> bytes:
        """Return it as PCM16, 16 kHz."""
        return await anyio.to_thread.run_sync(self._resampled)

    def _resampled(self) -> bytes:
        samples = np.frombuffer(self.pcm, "<i2")
        resampled: bytes = soxr.resample(samples, CLIP_RATE, STT_RATE).astype("<i2").tobytes()
        return resampled


async def decode(data: bytes) -> Clip:
    """Decode a file; the decoder dies if this is cancelled. Raises BadValue or TooLarge."""
    return Clip(await run(DECODER, data, "Save it anew, as wav for example, and try again."))


async def run(program: Path, data: bytes, again: str, *arguments: str) -> bytes:
    """Run *program* on untrusted *data*; return its output. *again* is the hint of an error.

    Its process is killed if this is cancelled, and ends if we are killed. Raises BadValue or
    TooLarge.
    """
    try:
        with anyio.fail_after(DEADLINE_SECONDS):
            done = await _ended([sys.executable, "-I", str(program), *arguments], data)
    except TimeoutError:
        raise _broken("took too long", again) from None
    if done.returncode == 0:
        return done.stdout
    raise _refusal(done, again)


async def _ended(command: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Send a program the length and the data, and wait until it has exited.

    Its input stays open meanwhile: the system closes it when this process is gone.
    """
    pipe = subprocess.PIPE
    async with await anyio.open_process(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment()
    ) as process:
        if not (process.stdin and process.stdout and process.stderr):
            raise OSError("no pipes")
        made: dict[str, bytes] = {}

        async def read(name: str, stream: AsyncIterable[bytes]) -> None:
            made[name] = b"".join([piece async for piece in stream])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, "out", process.stdout)
            tasks.start_soon(read, "err", process.stderr)
            with suppress(anyio.BrokenResourceError):  # its exit status says why
                await process.stdin.send(len(data).to_bytes(HEAD_BYTES, "little") + data)
            await process.wait()
    code = process.returncode
    assert code is not None  # noqa: S101  (it was waited for)
    return subprocess.CompletedProcess(command, code, made["out"], made["err"])


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _refusal(done: subprocess.CompletedProcess[bytes], again: str) -> AichatError:
    if done.returncode != REFUSED:
        # its output is not shown to users: it may contain paths
        log.warning("the decoder ended with %s: %s", done.returncode, _last_line(done.stderr))
        return _broken("could not be decoded", again)
    report: dict[str, Any] = json.loads(done.stderr)
    if report["too_large"]:
        return TooLarge(report["problem"], report["hint"])
    return BadValue(report["problem"], report["hint"], "file")


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").splitlines()
    return lines[-1] if lines else "it said nothing"


def _broken(how: str, again: str) -> BadValue:
    return BadValue(f"The file {how}.", again, "file")
