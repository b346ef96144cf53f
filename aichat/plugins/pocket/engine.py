"""What pocket-tts does in its threads. Two threads cannot share a model: each has its own."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import huggingface_hub
import numpy as np
import pocket_tts
import soxr
import torch
import yaml  # type: ignore[import-untyped, unused-ignore]
from attrs import define, field
from pocket_tts.utils.utils import get_predefined_voice

from aichat.core import BadValue, CannotStart, ReferenceClip, Voice
from aichat.toolkit.bounded_dict import BoundedDict
from aichat.toolkit.temporary_files import mark
from aichat.toolkit.thread_streams import Listener
from aichat.toolkit.voices.text_chunks import pieces

from .catalogue import choose, names
from .files import Place, Recipe

LONGEST_CLIP = 30.0
"""Seconds of a clip that count; less than"""
SHORTEST_CLIP = 0.5
"""is too short."""
MOST_CLONES = 32
"""Most cloned voices kept in memory; each takes some megabytes."""


@define(eq=False)
class Engine:
    """Speaks; *free* are the models that no speech uses."""

    rate: int
    free: list[Any]
    stock: Mapping[str, Any]
    """States of the voices that come with the model, by name."""
    clones: BoundedDict[str, Any] = field(factory=lambda: BoundedDict(MOST_CLONES))
    """States of cloned voices, by the key of the clip; who spoke last is last."""

    def say(self, text: str, voice: Voice, listener: Listener[bytes]) -> None:
        """Hand over the speech as PCM16."""
        state, model = self._state(voice), self.free.pop()
        try:
            for piece in pieces(text):  # the package would cut all of it before the first word
                _say(model, state, piece, listener)
        finally:
            self.free.append(model)

    def learn(self, key: str, reference: ReferenceClip) -> None:
        """Keep how a clip sounds, under *key*. Raises :class:`BadValue`."""
        wave = np.frombuffer(reference.pcm, "<i2").astype(np.float32) / np.float32(32768)
        wave = soxr.resample(wave, reference.rate, self.rate)[: int(LONGEST_CLIP * self.rate)]
        if len(wave) < SHORTEST_CLIP * self.rate:
            raise BadValue(
                f"The clip is shorter than {SHORTEST_CLIP:g} s.", "Record 5 to 20 s.", "audio_path"
            )
        model = self.free.pop()
        try:
            with torch.inference_mode(False), torch.no_grad():
                state = model.get_state_for_audio_prompt(torch.from_numpy(wave)[None])
        finally:
            self.free.append(model)
        self.clones[key] = state

    def _state(self, voice: Voice) -> Any:
        key = voice.audio_path or ""
        if voice.method == "clone" and key in self.clones:
            return self.clones.use(key)
        return self.stock[choose(voice, list(self.stock))]


def _say(model: Any, state: Any, text: str, listener: Listener[bytes]) -> None:
    stop = threading.Event()
    stream = model.generate_audio_stream(state, text, stop=stop)
    try:
        for chunk in stream:
            listener(_pcm(chunk))
    finally:
        stop.set()  # else its threads go on to the end of the text
        for _ in stream:
            pass


def start(
    recipe: Recipe,
    clone: bool,
    folders: dict[str, Path],
    voices: str,
    count: int,
    temperature: float | None,
    download: bool,
) -> Engine:
    """Load *count* models and the voices. Raises :class:`CannotStart`."""
    try:
        model = _model(recipe.local(clone, folders), temperature)
        folder = Path(voices).expanduser()
        stock = _kept(model, folder) if voices else _usual(model, recipe, download)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CannotStart(
            f"pocket-tts cannot load {recipe.name} ({str(error).strip().splitlines()[0]}).",
            "Fetch its weights anew, or set [tts.pocket] model or voices.",
        ) from error
    if not stock:
        raise CannotStart(
            "pocket-tts has no voice to speak with.",
            "Be online once, or put a clip into a folder and set [tts.pocket] voices to it.",
        )
    models = [model, *(copy.deepcopy(model) for _ in range(count - 1))]
    return Engine(model.sample_rate, models, stock)


def _model(content: Mapping[str, Any], temperature: float | None) -> Any:
    with TemporaryDirectory(prefix=f"aichat-pocket-{mark()}") as folder, _no_log_handler():
        path = Path(folder) / "model.yaml"
        path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
        return pocket_tts.TTSModel.load_model(config=path, temp=temperature)


def _usual(model: Any, recipe: Recipe, download: bool) -> dict[str, Any]:
    """Load the voices that come with a model of the package, as far as they can be had."""
    states = {}
    for name in names(recipe.language):
        try:
            path = _fetched(get_predefined_voice(recipe.name, name), download)
        except Exception as error:  # the hub client raises many kinds
            logging.getLogger(__name__).info("no voice %s (%s)", name, type(error).__name__)
            continue
        states[name] = model.get_state_for_audio_prompt(path)
    return states


def _fetched(address: str, download: bool) -> Path:
    place = Place.of(address)
    if place is None:
        return Path(address)
    path: str = huggingface_hub.hf_hub_download(
        place.repository, place.file, revision=place.revision, local_files_only=not download
    )
    return Path(path)


def _kept(model: Any, folder: Path) -> dict[str, Any]:
    """Load the clips and states in a folder."""
    found: Sequence[Path] = sorted(
        path for path in folder.iterdir() if path.suffix in (".safetensors", ".wav")
    )
    return {
        path.stem: model.get_state_for_audio_prompt(path, truncate=path.suffix == ".wav")
        for path in found
    }


@contextmanager
def _no_log_handler() -> Iterator[None]:
    """Keep the package from giving the root logger a handler, which logging.info does."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _pcm(chunk: Any) -> bytes:
    wave = np.nan_to_num(chunk.detach().float().numpy())
    written: bytes = (wave.clip(-1, 1) * 32767).astype("<i2").tobytes()
    return written
