"""Speech by Kyutai's pocket-tts: natural voices on a CPU, streamed, also cloned.

The small models are fetched when the package is there (some 100 MB, in the background). torch is
imported only when they are. Cloning needs weights for which one has to ask at
huggingface.co/kyutai/pocket-tts; set `clone = true` then.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from aichat.core import (
    Ability,
    AudioTokens,
    Backend,
    CannotStart,
    ReferenceClip,
    Voice,
    closing,
    hookimpl,
)
from aichat.toolkit.local_model import LocalModel
from aichat.toolkit.thread_streams import Listener
from aichat.toolkit.weights import Weights

from . import files

AHEAD = 4
"""Chunks that may wait for the listener before the speech pauses."""
_RUN = re.compile(r"(\w)\1{4,}")
"""A letter too often in a row, as in "noooooooo": it would be read as often."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


@hookimpl
def tts_backend() -> Backend[Pocket]:
    """Offer pocket-tts."""
    return Backend("pocket", Pocket)


class Pocket(LocalModel):
    """Speaks in the voices of *model*, or in those of a folder *voices* (.wav, .safetensors).

    *model* is a name of the package's, or a YAML file. Each of *max_concurrent* has its own copy.
    """

    part, name, what = "tts", "pocket", "pocket-tts"
    packages = ("pocket_tts", "huggingface_hub")
    by_hand = "set [tts.pocket] model to a YAML file with paths of weights."

    sample_rate = 24_000

    def __init__(
        self,
        model: str = "english_18m_2026-10",
        voices: str = "",
        clone: bool = False,
        max_concurrent: int = 2,
        temperature: float | None = None,
        download: bool = True,
    ) -> None:
        super().__init__(max_concurrent, download)
        self.model, self.voices, self.clone = model, voices, clone
        self.temperature = temperature

    @property
    def abilities(self) -> frozenset[Ability]:
        """Whether it can clone depends on its weights."""
        return frozenset({"clone"}) if self.clone else frozenset()

    @property
    def weights(self) -> Sequence[Weights]:
        """What is needed; nothing while the model is unknown, which is reported at the start."""
        try:
            return files.read(self.model).weights(self.clone)
        except CannotStart:
            return ()

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        text = _RUN.sub(r"\1\1\1\1", " ".join(_CONTROL.sub(" ", text).split()))
        if not any(letter.isalnum() for letter in text):
            return
        engine = self._running()

        def say(listener: Listener[bytes]) -> None:
            engine.say(text, voice, listener)

        async with closing(self._streamed(say, AHEAD)) as chunks:
            async for chunk in chunks:
                yield chunk

    def knows(self, voice: Voice) -> bool:
        is_cloned = self.clone and voice.method == "clone" and voice.audio_path is not None
        return not is_cloned or voice.audio_path in self._running().clones

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> AudioTokens | None:
        """Keep how the clip sounds; in memory only, since it is no row of numbers."""
        engine, key = self._running(), voice.audio_path
        if reference is not None and key is not None:
            await self._done(lambda _: engine.learn(key, reference))
        return None

    def _load(self, folders: Sequence[Path]) -> Any:
        recipe = files.read(self.model)
        needed = recipe.weights(self.clone)
        places = {one.name: place for one, place in zip(needed, folders, strict=True)}
        from .engine import start  # which imports torch

        count, download = self.max_concurrent, self.download
        return start(recipe, self.clone, places, self.voices, count, self.temperature, download)
