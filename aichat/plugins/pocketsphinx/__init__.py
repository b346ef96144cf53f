"""Speech to text that needs no download: pocketsphinx, in a process of its own.

It is only for trying out (it gets about every second word of people wrong, and a third of those
that are synthesised), but it follows speech as it comes: of a growing
utterance only the new part is fed, and the end costs some 10 ms.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import anyio
from anyio.abc import ByteSendStream, Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field

from aichat.core import Backend, BackendFailed, CannotStart, NotReady, Utterance, hookimpl
from aichat.toolkit.packages import installs

from .process import AUDIO, BEGIN, END, HEADER, INTERIM, LENGTH

NOTICE = (
    "Rough recognition, only for trying out: the built-in pocketsphinx gets about every second word"
    " wrong. Whisper gets nearly all of them right."
)
SECOND = 32_000
"""Bytes of one second at 16 kHz."""

PIECE = SECOND // 2
START_SECONDS, ANSWER_SECONDS, END_SECONDS = 30.0, 10.0, 2.0
BROKEN = (
    *(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream),
    *(anyio.IncompleteRead, TimeoutError, OSError),
)


@hookimpl
def stt_backend() -> Backend[Pocketsphinx]:
    """Offer pocketsphinx."""
    return Backend("pocketsphinx", Pocketsphinx, notice=NOTICE)


@define(eq=False)
class _Listener:
    """The running process, and what it has heard: *heard* of the utterance *key*."""

    process: Process
    messages: ByteSendStream
    answers: BufferedByteReceiveStream
    key: str | None = None
    heard: bytes = b""

    async def say(self, kind: int, pcm: bytes = b"") -> None:
        await self.messages.send(HEADER.pack(kind, len(pcm)) + pcm)

    async def answer(self) -> str:
        (length,) = LENGTH.unpack(await self.answers.receive_exactly(LENGTH.size))
        return (await self.answers.receive_exactly(length)).decode() if length else ""

    async def end(self) -> None:
        """End its input, which ends it; kill it when that takes too long."""
        with anyio.move_on_after(END_SECONDS, shield=True):
            await self.process.aclose()


@define(eq=False)
class _Call:
    utterance: Utterance
    done: anyio.Event = field(factory=anyio.Event)
    text: str = ""
    failure: BackendFailed | None = None
    left: bool = False
    """The caller was cancelled: the text is not needed any more."""


class Pocketsphinx:
    """Writes US English down, roughly."""

    max_concurrent = 1

    def __init__(self) -> None:
        self._listener: _Listener | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Pocketsphinx:
        if find_spec("pocketsphinx") is None:
            raise CannotStart("The package pocketsphinx is missing.", _mend(sys.version_info[:2]))
        self._turn = anyio.Semaphore(1, max_value=1)
        try:
            self._listener = await _start()
        except BROKEN as error:
            raise CannotStart(
                "pocketsphinx ended before it was ready.",
                "Run `python -m aichat.plugins.pocketsphinx.process` to see why.",
            ) from error
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks, self._tasks = self._tasks, None
        await self._end()
        if tasks is not None:
            await tasks.__aexit__(None, None, None)

    async def transcribe(self, utterance: Utterance) -> str:
        if self._tasks is None:
            raise NotReady("pocketsphinx is not running.", "Start it first.")
        await self._turn.acquire()
        call = _Call(utterance)
        self._tasks.start_soon(self._work, call)
        try:
            await call.done.wait()
        finally:
            call.left = True
        if call.failure is not None:
            raise call.failure
        return call.text

    async def _work(self, call: _Call) -> None:
        """Outlives a cancelled caller, so that messages and answers always stay in step."""
        try:
            call.text = await self._answered(call)
        except BROKEN as error:
            call.failure = BackendFailed("pocketsphinx broke down.", "Speak again.")
            call.failure.__cause__ = error
        finally:
            self._turn.release()
            call.done.set()

    async def _answered(self, call: _Call) -> str:
        """Ask; if the process has died, start it once more and ask again."""
        try:
            return await self._asked(call)
        except BROKEN:
            await self._end()
            if self._tasks is None:  # we are ending
                raise
        try:
            return await self._asked(call)
        except BROKEN:
            await self._end()
            raise

    async def _asked(self, call: _Call) -> str:
        self._listener = self._listener or await _start()
        with anyio.fail_after(ANSWER_SECONDS + len(call.utterance.pcm) / SECOND):
            await _feed(self._listener, call)
            if call.left:
                return ""
            final = call.utterance.final
            await self._listener.say(END if final else INTERIM)
            if final:
                self._listener.key = None
            return await self._listener.answer()

    async def _end(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.end()


async def _feed(listener: _Listener, call: _Call) -> None:
    """Let it hear what it has not heard of the utterance yet, as long as a caller waits."""
    key, pcm = call.utterance.key, call.utterance.pcm
    if listener.key != key or not pcm.startswith(listener.heard):
        await listener.say(BEGIN)
        listener.key, listener.heard = key, b""
    for start in range(len(listener.heard), len(pcm), PIECE):
        if call.left:
            return
        await listener.say(AUDIO, pcm[start : start + PIECE])
        listener.heard = pcm[: start + PIECE]


async def _start() -> _Listener:
    # by path and -P: neither the working directory nor this folder can shadow a package
    program = str(Path(__file__).with_name("process.py"))
    process = await anyio.open_process(
        [sys.executable, "-P", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
    )
    if process.stdin is None or process.stdout is None:
        raise OSError("no pipes")
    listener = _Listener(process, process.stdin, BufferedByteReceiveStream(process.stdout))
    try:
        with anyio.fail_after(START_SECONDS):
            await listener.answer()  # it is ready
    except BaseException:
        await listener.end()
        raise
    return listener


def _mend(python: tuple[int, int]) -> str:
    if python >= (3, 14):
        return "It has no release for Python 3.14: use Python 3.13, or [stt] faster_whisper."
    return installs("offline")
