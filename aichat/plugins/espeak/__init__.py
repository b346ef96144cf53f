"""Speech by espeak-ng, in this process: robotic, but instant, and nothing to download.

The library keeps its state in globals, so each voice that speaks at once gets a private copy of the
shared object. A voice speaks in a worker thread that hands each 60 ms over to the event loop and
waits while nobody takes it; closing the stream makes it stop at the next hand-over.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

import anyio
from anyio import to_thread

from aichat.core import Ability, Backend, CannotStart, Voice, WordMark, closing, hookimpl
from aichat.toolkit.packages import installs
from aichat.toolkit.temporary_files import folder_for
from aichat.toolkit.thread_streams import Listener, Workers

from .library import RATE, Engine, Spoken, has_word
from .mixed_scripts import Reader, parted, unreadable
from .voice_profile import USUAL_RATE, Profile, profile

AHEAD = 8
"""Chunks of 60 ms that may wait for the listener before the synthesiser pauses."""


@hookimpl
def tts_backend() -> Backend[Espeak]:
    """Offer espeak-ng."""
    return Backend("espeak", Espeak)


class Espeak:
    """Speaks through espeak-ng, with at most *max_concurrent* voices at once."""

    sample_rate = RATE
    abilities: frozenset[Ability] = frozenset({"describe", "seed", "word_times"})

    def __init__(self, max_concurrent: int = 3, words_per_minute: int = USUAL_RATE) -> None:
        self.max_concurrent = max(1, max_concurrent)
        self.words_per_minute = words_per_minute
        self._workers = Workers(self.max_concurrent, "espeak-ng")

    async def __aenter__(self) -> Espeak:
        self._folder = await to_thread.run_sync(folder_for, "espeak")
        try:
            self._free = await to_thread.run_sync(_load, self._folder, self.max_concurrent)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        await self._workers.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._workers.__aexit__(kind, error, traceback)
        finally:
            engines, self._free = self._free, []  # none is closed twice: that ends the process
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(_unload, engines, self._folder)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        if not has_word(text):
            return
        look = profile(voice, self.words_per_minute)
        readable, unread = parted(text, look)

        def say(listener: Listener[Spoken]) -> None:
            engine = self._free.pop()
            try:
                Reader(engine, text, listener).read(readable)
            finally:
                self._free.append(engine)

        async with closing(self._workers.stream(say, AHEAD)) as chunks:
            async for spoken in chunks:
                for piece in spoken:
                    yield piece
        if unread:
            raise unreadable(unread)


def _load(folder: str, count: int) -> list[Engine]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise CannotStart("The package espeakng-loader is missing.", installs("offline")) from error
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
        engine.say("Hello.", Profile("en-us", 50, USUAL_RATE, 50), lambda _: None)
    return engines


def _unload(engines: list[Engine], folder: str) -> None:
    for engine in engines:
        engine.close()
    shutil.rmtree(folder, ignore_errors=True)  # a folder in use, on Windows, is left to the system
