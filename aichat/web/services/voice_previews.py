"""Previews of voices: a sentence is synthesised once, and cached by everything it depends on.

Nothing of it is in the store: the files are a cache in the data folder, oldest removed first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from attrs import define, evolve, field, frozen

from aichat.core import (
    BackendFailed,
    BadValue,
    Config,
    NotFound,
    NotReady,
    Parts,
    Tts,
    Voice,
    WordMark,
    closing,
)
from aichat.toolkit.temporary_files import mark, sweep
from aichat.toolkit.voices.cloning import introduce
from aichat.toolkit.voices.speech_check import Sound
from aichat.toolkit.wav import wav_file, wav_header
from aichat.web.schemas.voices import LONGEST_TEXT

from .engine_deadline import WithDeadline

log = logging.getLogger(__name__)

LONGEST_SECONDS = 30
"""Most seconds of audio of a preview; the rest is cut off."""
PATIENCE_SECONDS = 90.0
"""Timeout of a whole preview."""
WAITING = 4
"""Most previews that wait for the one being made."""
MOST_BYTES = 100_000_000
KEY = re.compile(r"[0-9a-f]{64}")
PREVIEWS = "/previews/"
DRAFT = "draft-"


@frozen
class Preview:
    """A preview and its cache *key*; *is_new* if it was not cached before."""

    key: str
    wav: bytes
    is_new: bool

    @property
    def address(self) -> str:
        """Its address for browsers."""
        return f"{PREVIEWS}{self.key}.wav"


@define(eq=False)
class Previews:
    """Makes previews, one at a time, as conversations come first. *folder* is the cache."""

    folder: Path
    config: Config
    # a CapacityLimiter belongs to a task, but a stream may begin in one and go on in another
    slot: anyio.Semaphore = field(factory=lambda: anyio.Semaphore(1))

    async def speak(self, parts: Parts, voice: Voice, text: str) -> Preview:
        """Synthesise *text* in *voice* with the serving engine.

        Raises BadValue for a text that cannot be said, BackendFailed, TimedOut, and NotReady while
        no engine serves or too many wait.
        """
        text = _checked(text)
        tts, key = parts.tts, self.key(parts, voice, text)
        if found := await anyio.to_thread.run_sync(self._found, key):
            return Preview(key, found, is_new=False)
        async with closing(self._made(parts, tts, voice, text)) as pieces:
            wav = wav_file(b"".join([piece async for piece in pieces]), tts.sample_rate)
        await anyio.to_thread.run_sync(self._keep, key, wav)
        return Preview(key, wav, is_new=True)

    async def stream(self, parts: Parts, voice: Voice, text: str) -> AsyncIterator[bytes]:
        """Synthesise as :meth:`speak` does, but yield pieces of a WAV as they are made."""
        text = _checked(text)
        tts, key = parts.tts, self.key(parts, voice, text)
        if found := await anyio.to_thread.run_sync(self._found, key):
            yield found
            return
        pcm = bytearray()
        async with closing(self._made(parts, tts, voice, text)) as pieces:
            async for piece in pieces:
                yield piece if pcm else wav_header(tts.sample_rate) + piece
                pcm += piece
        await anyio.to_thread.run_sync(self._keep, key, wav_file(bytes(pcm), tts.sample_rate))

    async def _made(self, parts: Parts, tts: Tts, voice: Voice, text: str) -> AsyncIterator[bytes]:
        if self.slot.statistics().tasks_waiting >= WAITING:
            raise NotReady("Too many voices are being tried.", "Try again in a moment.")
        is_mute = True
        async with self.slot:
            known = await introduce(voice, tts, parts.storage)
            async with closing(_spoken(tts, known, text)) as pieces:
                async for piece in pieces:
                    is_mute = False
                    yield piece
        if is_mute:
            problem, hint = "The voice made no sound.", "Describe it differently, and try again."
            raise BackendFailed(problem, hint)

    def key(self, parts: Parts, voice: Voice, text: str) -> str:
        """Return the cache key: a hash of the engine, its settings, the voice and the text."""
        serving = parts.roles["tts"].serving
        engine = serving.name if serving else ""
        chosen = self.config.parts.get("tts")
        made_of = {
            "engine": engine,
            "settings": dict(chosen.settings.get(engine, {})) if chosen else {},
            "voice": _fields(voice),
            "text": text,
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    async def again(self, key: str) -> bytes:
        """Return a cached preview. Raises NotFound when it is no longer there."""
        found = await anyio.to_thread.run_sync(self._found, key) if KEY.fullmatch(key) else None
        if found is None:
            raise NotFound("This preview is no longer kept.", "Listen to the voice once more.")
        return found

    def _found(self, key: str) -> bytes | None:
        path = self.folder / f"{key}.wav"
        try:
            wav = path.read_bytes()
            os.utime(path)  # least recently used ones are removed first
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("The preview %s cannot be read: %s.", path, error.strerror)
            return None
        return wav

    def _keep(self, key: str, wav: bytes) -> None:
        """Cache a preview; one that cannot be written is made again when it is wanted."""
        draft = self.folder / f"{DRAFT}{mark()}{key}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(wav)
            draft.replace(self.folder / f"{key}.wav")
            for path in self._surplus():
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("Previews cannot be kept in %s: %s.", self.folder, error.strerror)
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove files that a killed process left half written. Blocks on the disk."""
        sweep(self.folder, DRAFT)

    def _surplus(self) -> Iterator[Path]:
        """Yield the least recently used files over :data:`MOST_BYTES`."""
        files = [(path, path.stat()) for path in self.folder.iterdir()]
        room = MOST_BYTES
        for path, state in sorted(files, key=lambda pair: pair[1].st_mtime, reverse=True):
            room -= state.st_size
            if room < 0:
                yield path


def seeded(voice: Voice, seed: int | None) -> Voice:
    """Return the voice with another random seed; None leaves it as it is."""
    if seed is None or seed == voice.settings.get("seed"):
        return voice
    return evolve(voice, settings={**voice.settings, "seed": seed}, audio_tokens=None)


def _fields(voice: Voice) -> Mapping[str, Any]:
    """Return the fields that decide how a voice sounds; consent does not."""
    settings = {key: value for key, value in voice.settings.items() if key != "consent"}
    return {
        "voice": voice.voice,
        "method": voice.method,
        "speaker_desc": voice.speaker_desc,
        "scene_prompt": voice.scene_prompt,
        "audio_path": voice.audio_path,
        "text_path": voice.text_path,
        "settings": settings,
    }


def _checked(text: str) -> str:
    text = " ".join(text.split())
    if not any(letter.isalnum() for letter in text):
        raise BadValue("There is nothing to say.", "Write a sentence.", "text")
    if len(text) > LONGEST_TEXT:
        raise BadValue(
            f"The sentence has over {LONGEST_TEXT} characters.", "Write a shorter one.", "text"
        )
    return text


async def _spoken(tts: Tts, voice: Voice, text: str) -> AsyncIterator[bytes]:
    """Yield PCM16 as it is made. No cancel scope is held across a yield."""
    sound = Sound(text, tts.sample_rate, math.inf)  # a voice without end is cut here
    room = LONGEST_SECONDS * tts.sample_rate * 2
    hint = "Try a shorter sentence, or another [tts] backend."
    async with closing(tts.speak(text, voice)) as chunks:
        async for chunk in WithDeadline(chunks, PATIENCE_SECONDS, "voice", hint):
            if isinstance(chunk, WordMark):
                sound.mark()
            elif pcm := sound.take(chunk)[:room]:
                yield pcm
                room -= len(pcm)
            if room <= 0:
                return
