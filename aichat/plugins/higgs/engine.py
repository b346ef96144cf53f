"""The engine in worker threads: speak, make up a voice, encode a clip as codes.

Several threads may use it at once: what changes while a clause is spoken belongs to that speech.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from attrs import define, field

from aichat.core import AudioTokens, BadValue, ReferenceClip, Voice
from aichat.toolkit.thread_streams import Listener, ReaderLeft
from aichat.toolkit.voices.text_chunks import pieces

from .code_generation import decoded
from .layout import Frame
from .loading import Loaded, load
from .prompting import Said
from .reference_codes import LONGEST, fit, frames, kept
from .sampling import Sampler, Sampling
from .sampling_options import sampling
from .streaming_decode import SOON, Plan, Sounding, Wave, pcm, waiting_for
from .text_normalisation import SAMPLE, normal

CARRIED = 2
"""Pieces of a long text kept as context for the next, so that the tone goes on."""
FRAMES_A_LETTER = 3
"""Who speaks as slowly, 0.12 s a letter, has lost the thread;"""
FRAMES_MORE = 50
"""and two seconds more are for pauses."""
LETTERS_A_FRAME = 4
"""Nobody speaks faster than 100 letters a second: an end before that is a slip."""
SHORTEST_CLIP = 0.5
"""Seconds."""


@define
class Engine:
    """Speaks with what was loaded. *usual* is how voices are sampled; *plan* how chunks grow."""

    loaded: Loaded
    usual: Mapping[str, Any] = field(factory=dict)
    plan: Plan = SOON

    def fits(self, codes: AudioTokens | None) -> bool:
        """Return whether reference codes can have been made here."""
        return fit(codes, self.loaded.layout)

    def say(self, text: str, voice: Voice, transcript: str, listener: Listener[bytes]) -> None:
        """Hand over the speech as PCM16, chunk by chunk.

        *transcript* has the words of the voice's codes; with "", they are not known.
        """
        known = [Said(frames(voice.audio_tokens or ()), transcript)]
        if not self.fits(voice.audio_tokens):
            known = []
        carried: deque[Said] = deque(maxlen=CARRIED)
        for piece in pieces(normal(text)):
            sounding = Sounding(self.loaded.codec, self.loaded.hop, self.plan)
            before = [*known, *carried]
            for frame in self.frames(piece, voice, before, lambda: listener.left):
                _hand_over(sounding.add(frame), listener)
            _hand_over(sounding.rest(), listener)
            carried.append(Said(sounding.frames, piece))

    def make_up(self, voice: Voice, left: Callable[[], bool]) -> AudioTokens:
        """Return the codes of the first words in a described voice: :data:`SAMPLE`."""
        return kept(list(self.frames(SAMPLE, voice, [], left))[:LONGEST])

    def written_down(self, reference: ReferenceClip) -> tuple[AudioTokens, bool]:
        """Return the codes of a clip, and whether it was cut. Raises :class:`BadValue`."""
        wave = np.frombuffer(reference.pcm, "<i2").astype(np.float32) / np.float32(32768)
        wave = soxr.resample(wave, reference.rate, self.loaded.rate)
        if len(wave) < SHORTEST_CLIP * self.loaded.rate:
            raise BadValue(
                f"The clip is shorter than {SHORTEST_CLIP:g} s.", "Record 5 to 20 s.", "audio_path"
            )
        longest = LONGEST * self.loaded.hop
        with torch.inference_mode():
            given = self.loaded.features(
                wave[:longest], sampling_rate=self.loaded.rate, return_tensors="pt"
            )
            values = given["input_values"].to(self.loaded.device)
            codes = self.loaded.codec.encode(values).audio_codes[0, :, :LONGEST]
            return codes.tolist(), len(wave) > longest

    def free(self) -> None:
        """Give back the memory that torch keeps for later."""
        if self.loaded.device.type == "cuda":
            torch.cuda.empty_cache()

    def frames(
        self, text: str, voice: Voice, before: Sequence[Said], left: Callable[[], bool]
    ) -> Iterator[Frame]:
        """Yield the frames of one piece as they are complete. Raises :class:`ReaderLeft`."""
        layout = self.loaded.layout
        prompt = self.loaded.prompter.prompt(voice, before, text)
        shortest = layout.books + 1 + len(text) // LETTERS_A_FRAME
        longest = shortest + FRAMES_MORE + FRAMES_A_LETTER * len(text)
        choice = Sampling(**sampling(voice, self.usual))
        sampler = Sampler(layout, choice, self.loaded.device, shortest)
        number = 0
        for _ in decoded(self.loaded.model, prompt, sampler, longest, left):
            if frame := layout.frame(sampler.rows, number):
                number += 1
                yield frame
        if left():
            raise ReaderLeft


def start(
    folders: tuple[Path, Path], device: str, dtype: Any, usual: Mapping[str, Any], wait: int | None
) -> Engine:
    """Load model and codec from their *folders*, and speak a word: the first one takes longer.

    Raises :class:`~aichat.core.CannotStart`.
    """
    plan = SOON if wait is None else waiting_for(wait)
    engine = Engine(load(*folders, device, dtype), usual, plan)
    for _ in engine.frames("Hello.", Voice("Higgs"), [], lambda: False):
        break
    return engine


def _hand_over(waves: Iterable[Wave], listener: Listener[bytes]) -> None:
    for wave in waves:
        listener(pcm(wave))
