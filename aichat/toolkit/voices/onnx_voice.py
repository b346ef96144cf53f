"""Base class of voices that an ONNX model speaks: phonemes in, the sound of a whole clause out.

A backend inherits :class:`OnnxVoice` and says which stock voices it has and how the model is asked;
splitting, level, pauses, word times and cancellation are the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from attrs import frozen

from aichat.core.backends import Ability, ListedVoice, WordMark
from aichat.core.bus.streams import closing
from aichat.core.errors import CannotRead
from aichat.core.models import Voice
from aichat.toolkit.local_model import LocalModel
from aichat.toolkit.onnx_models import Stop
from aichat.toolkit.thread_streams import Listener

from .phonemes import Phonemes
from .scripts import plain, runs
from .stock import FASTEST, SLOWEST, Choice, StockVoice, choose
from .text_chunks import spans

AHEAD = 8
"""Chunks of audio that may wait for the listener before the next stretch is synthesised."""
CHUNK_SECONDS = 0.1
LONGEST = 200
"""Most letters that the model is given at once."""
FIRST = re.compile(r".{20,80}[,;:.!?…—](?=\s)", re.DOTALL)
"""What it is given first of a longer text, where that ends with a pause: so speech begins early."""
LOUDNESS = 0.1
"""The level of the speech (root mean square), the same for all voices."""
PEAK = 0.97
"""The highest sample: nothing is clipped."""
SILENCE = 0.02
"""What is silence, beside the loudest sample."""
LEAD_SECONDS, PAUSE_SECONDS = 0.02, 0.25
"""Most silence at the beginning and at the end of a clause."""
FADE_SECONDS = 0.005
"""Ramp at a cut, so that it does not click."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_RUN = re.compile(r"(\w)\1{4,}")
"""A letter too often in a row, as in "noooooooo": it would be spelt out."""


@frozen
class Wave:
    """What a model has made: *samples*, and at which of them each phoneme begins."""

    samples: Any
    begins: Any


class OnnxVoice(LocalModel):
    """Inherit, and override ``_load``, ``_stock``, ``_phonemes`` and ``_synthesised``."""

    part = "tts"
    extra, packages = "voices", ("onnxruntime", "espeakng_loader", "huggingface_hub")
    abilities: frozenset[Ability] = frozenset({"word_times"})
    sample_rate: ClassVar[int]
    most_phonemes: ClassVar[int] = 10_000
    """Most phonemes that the model takes at once."""
    speed: float

    def listed_voices(self) -> Sequence[ListedVoice]:
        """Return the stock voices that are loaded."""
        return [
            ListedVoice(one.name, one.language, one.gender, one.accent) for one in self._stock()
        ]

    def _stock(self) -> Sequence[StockVoice]:
        """Return the stock voices that are loaded."""
        raise NotImplementedError

    def _phonemes(self, text: str, stock: StockVoice) -> Phonemes:
        """Return what the model is to say. Called in a thread."""
        raise NotImplementedError

    def _synthesised(self, phonemes: Phonemes, choice: Choice, stop: Stop) -> Wave:
        """Return how they sound. Called in a thread."""
        raise NotImplementedError

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        """Synthesise a clause; the model ends within one of its operations when that is closed."""
        text = plain(_RUN.sub(_shortened, _CONTROL.sub(" ", text)))
        if not any(letter.isalnum() for letter in text):
            return
        self._running()
        choice = choose(voice, self._stock(), self.name)
        text = readable(text, choice.stock.language, self.what)
        stop = Stop()

        def say(listener: Listener[bytes | WordMark]) -> None:
            before = 0
            for start, phonemes in self._stretches(text, choice.stock):
                made = self._synthesised(phonemes, self._paced(choice), stop)
                wave = finished(made, self.sample_rate)
                for piece in _pieces(wave, phonemes, start, before, self.sample_rate):
                    listener(piece)
                before += len(wave.samples)

        try:
            async with closing(self._streamed(say, AHEAD)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            stop.set()

    def _paced(self, choice: Choice) -> Choice:
        speed = min(max(choice.speed * self.speed, SLOWEST), FASTEST)
        return Choice(choice.stock, speed)

    def _stretches(self, text: str, stock: StockVoice) -> Iterator[tuple[int, Phonemes]]:
        """Yield the phonemes of stretches that the model takes at once, and where they begin."""
        first = FIRST.match(text)
        begun = first.end() if first else 0
        later = [(begun + start, begun + end) for start, end in spans(text[begun:], LONGEST)]
        waiting = [*later[::-1], *([(0, begun)] if begun else [])]
        while waiting:
            start, end = waiting.pop()
            phonemes = self._phonemes(text[start:end], stock)
            if len(phonemes.sounds) > self.most_phonemes and end - start > 1:
                middle = text.find(" ", (start + end) // 2, end)
                middle = middle if middle > start else (start + end) // 2
                waiting += [(middle, end), (start, middle)]
            elif phonemes.sounds:
                yield start, phonemes


def readable(text: str, language: str, engine: str) -> str:
    """Return *text* with blanks for letters of scripts that a voice of *language* does not read.

    Raises :class:`CannotRead` when they are the most of it.
    """
    foreign = [run for run in runs(text, language) if run.language not in (language, "en-us")]
    others = "".join(text[run.start : run.end] for run in foreign if run.language)
    letters = sum(map(str.isalpha, others))
    if 2 * letters > sum(map(str.isalnum, text)):
        raise CannotRead(
            f"{engine} has no voice that reads this script.",
            "Put a voice that speaks this language into `use` under [tts] in plugins.toml.",
        )
    for run in foreign:
        text = text[: run.start] + " " * (run.end - run.start) + text[run.end :]
    return text


def finished(wave: Wave, rate: int) -> Wave:
    """Return a wave as it is to be heard: at the usual level, without long silence around it."""
    level = np.abs(wave.samples)
    peak = float(level.max(initial=0.0))
    (loud,) = np.nonzero(level > SILENCE * peak)
    if not len(loud):
        return wave
    start = max(0, int(loud[0]) - int(LEAD_SECONDS * rate))
    end = int(loud[-1]) + int(PAUSE_SECONDS * rate)
    samples = wave.samples[start:end] * _gain(wave.samples[loud], peak)
    ramp = np.linspace(0, 1, min(int(FADE_SECONDS * rate), len(samples)), dtype=samples.dtype)
    samples[: len(ramp)] *= ramp
    samples[len(samples) - len(ramp) :] *= ramp[::-1]
    return Wave(samples, np.clip(wave.begins - start, 0, len(samples)))


def begins(results: Sequence[Any], count: int, samples: int, hop: int) -> Any:
    """Return the sample at which each of *count* numbers begins, from their durations.

    These are the one of the model's *results* that adds up, in frames of *hop* samples. If there is
    none, all are taken to be equally long: word times are then estimates.
    """
    lengths = np.full(count, samples / count)
    for result in results:
        frames = np.ravel(result)
        if len(frames) == count and frames.sum() * hop == samples:
            lengths = frames * hop
    return np.concatenate(([0], np.cumsum(lengths[:-1])))


def _gain(loud: Any, peak: float) -> float:
    rms = float(np.sqrt(np.mean(np.square(loud, dtype=np.float64))))
    return min(LOUDNESS / rms, PEAK / peak)


def _pieces(
    wave: Wave, phonemes: Phonemes, start: int, before: int, rate: int
) -> Iterator[bytes | WordMark]:
    """Yield the audio in chunks, each after the marks of the words that begin in it."""
    pcm = (wave.samples * 32767).astype("<i2").tobytes()
    marks = [
        WordMark(start + word.start, start + word.end, before + int(wave.begins[word.at]))
        for word in phonemes.words
    ]
    step = int(CHUNK_SECONDS * rate)
    for at in range(0, len(wave.samples), step):
        while marks and marks[0].at - before < at + step:
            yield marks.pop(0)
        yield pcm[2 * at : 2 * (at + step)]


def _shortened(run: re.Match[str]) -> str:
    return run[1] * 4 + " " * (len(run[0]) - 4)
