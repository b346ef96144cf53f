"""Speech by espeak-ng, in this process: robotic, but instant, and nothing to download.

The library keeps its state in globals, so each voice that speaks at once gets a private copy of the
shared object. A voice speaks in a worker thread that hands each 60 ms over to the event loop and
waits while nobody takes it; closing the stream makes it stop at the next hand-over.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType

import anyio
from anyio import from_thread, to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import define

from aichat.core import Ability, Backend, CannotStart, NotReady, Voice, WordMark, hookimpl

from .espeak_library import RATE, Engine, Spoken, has_word
from .espeak_voices import SPOKEN, Profile, profile

AHEAD = 8
"""Chunks of 60 ms that may wait for the listener before the synthesiser pauses."""


@hookimpl
def tts_backend() -> Backend[Espeak]:
    """Offer espeak-ng."""
    return Backend("espeak", Espeak)


@define(eq=False)
class _Speech:
    """One text on its way from the synthesiser's thread to the listener."""

    text: str
    look: Profile
    send: MemoryObjectSendStream[Spoken]
    receive: MemoryObjectReceiveStream[Spoken]
    failure: Exception | None = None

    def hand_over(self, spoken: Spoken) -> None:
        from_thread.run(self.send.send, spoken)


class Espeak:
    """Speaks through espeak-ng, with at most *max_concurrent* voices at once."""

    sample_rate = RATE
    abilities: frozenset[Ability] = frozenset({"describe", "seed", "word_times"})
    languages = SPOKEN

    def __init__(self, max_concurrent: int = 3, words_per_minute: int = 165) -> None:
        self.max_concurrent = max(1, max_concurrent)
        self.words_per_minute = words_per_minute
        self._speeches: set[_Speech] = set()
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Espeak:
        self._threads = anyio.CapacityLimiter(self.max_concurrent)
        self._voices = anyio.Semaphore(self.max_concurrent, max_value=self.max_concurrent)
        self._folder = await to_thread.run_sync(mkdtemp, None, "aichat-espeak-")
        try:
            self._free = await to_thread.run_sync(_load, self._folder, self.max_concurrent)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks, self._tasks = self._tasks, None
        for speech in list(self._speeches):
            speech.failure = _not_running()
            speech.receive.close()  # its thread stops at the next hand-over
        try:
            if tasks is not None:
                await tasks.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(_unload, self._free, self._folder)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        if not has_word(text):
            return
        look = profile(voice, self.words_per_minute)
        if self._tasks is None:
            raise _not_running()
        await self._voices.acquire()
        speech = self._begin(text, look)
        with speech.receive, suppress(anyio.ClosedResourceError):  # closed when the backend ends
            async for spoken in speech.receive:
                for piece in spoken:
                    yield piece
        if speech.failure is not None:
            raise speech.failure

    def _begin(self, text: str, look: Profile) -> _Speech:
        if self._tasks is None:
            self._voices.release()
            raise _not_running()
        speech = _Speech(text, look, *anyio.create_memory_object_stream[Spoken](AHEAD))
        self._speeches.add(speech)
        self._tasks.start_soon(self._say, speech)
        return speech

    async def _say(self, speech: _Speech) -> None:
        """Outlives the stream's reader: the engine is free again only when its thread is."""
        engine = self._free.pop()
        try:
            with speech.send:
                await to_thread.run_sync(
                    engine.say, speech.text, speech.look, speech.hand_over, limiter=self._threads
                )
        except anyio.BrokenResourceError:
            pass  # the listener has left, which is how a stream ends early
        except Exception as error:
            speech.failure = error  # raised where the stream is read
        finally:
            self._free.append(engine)
            self._speeches.discard(speech)
            self._voices.release()


def _not_running() -> NotReady:
    return NotReady("espeak-ng is not running.", "Start it first.")


def _load(folder: str, count: int) -> list[Engine]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise CannotStart(
            "The package espeakng-loader is missing.", "Run `pip install 'aichat[offline]'`."
        ) from error
    original = Path(espeakng_loader.get_library_path())
    try:
        copies = [
            Path(shutil.copy(original, Path(folder) / f"{number}-{original.name}"))
            for number in range(count)
        ]
        engines = [Engine(copy, espeakng_loader.get_data_path()) for copy in copies]
    except (OSError, RuntimeError) as error:
        raise CannotStart(
            f"espeak-ng cannot be loaded ({error}).",
            "Set TMPDIR to a folder that libraries may be loaded from.",
        ) from error
    for engine in engines:  # reads the dictionary, which would delay the first words by 50 ms
        engine.say("Hello.", Profile("en-us", 50, 165, 50), lambda _: None)
    return engines


def _unload(engines: list[Engine], folder: str) -> None:
    for engine in engines:
        engine.close()
    shutil.rmtree(folder, ignore_errors=True)  # a folder in use, on Windows, is left to the system
