"""Recorded speech and music as PCM16 at 16 kHz, and what is said in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import av
import numpy as np

from . import real_weights as packages

RATE = 16_000

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
light, it was the season of darkness, it was the spring of hope, it was the winter of despair,
we had everything before us, we had nothing before us, we were all going direct to heaven, we
were all going direct the other way; in short, the period was so far like the present period,
that some of its noisiest authorities insisted on its being received, for good or for evil, in
the superlative degree of comparison only.
"""
LECTURE = """
and says, how do I get to Dublin? And the answer that comes back is, well, I wouldn't start from
here, sonny. That is to say, much of political philosophy develops theories that take no account
of where we actually are, and how the theories that people argue about in the journals and in
the literature actually could be implemented in the world, if at all. And this spills over into
normative arguments made by other scholars. Thomas Piketty in his book, Capital in the 21st
Century, argues for a 4% global wealth tax. Well, good luck with that. Who's going to implement
a 4% global wealth tax? So I think about normative questions
"""


def beckett() -> bytes:
    """Return 10 s of a man reading `BECKETT`."""
    return sound(packages.READINGS.path("moonshine_voice/assets/beckett.wav"))


def two_cities() -> bytes:
    """Return 44 s of a reading of `TWO_CITIES`."""
    return sound(packages.READINGS.path("moonshine_voice/assets/two_cities.wav"))


def lecture() -> bytes:
    """Return 60 s of `LECTURE`, spoken freely."""
    package = packages.LECTURE
    return sound(package.path(f"silero_vad-{package.version}/tests/data/test.wav"))


def telephone() -> bytes:
    """Return 30 s of two women on the telephone."""
    return sound(packages.TELEPHONE.path("pyannote/audio/sample/sample.wav"))


def spoken_in(language: str, name: str) -> bytes:
    """Return a sentence in a language."""
    place = packages.LANGUAGES.path("pytest_audioeval/samples/audio")
    return sound(place / language / f"{name}.wav")


def music(seconds: float) -> bytes:
    """Return loud music with a beat."""
    loop = sound(packages.MUSIC.path("pygame/examples/data/house_lo.ogg"))
    return (loop * (int(seconds * 2 * RATE) // len(loop) + 1))[: int(seconds * RATE) * 2]


def room(seconds: float) -> bytes:
    """Return the faint noise of a quiet room."""
    noise = np.random.default_rng(0).integers(-4, 5, int(seconds * RATE))
    return noise.astype("<i2").tobytes()


def softer(pcm: bytes, factor: float) -> bytes:
    """Return the same sound, less loud."""
    return (np.frombuffer(pcm, "<i2") * factor).astype("<i2").tobytes()


@cache
def sound(path: Path) -> bytes:
    """Decode a file of any kind."""
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*file.decode(audio=0), None]
        return b"".join(
            piece.to_ndarray().tobytes() for frame in frames for piece in resampler.resample(frame)
        )


def word_errors(expected: str, written: str) -> float:
    """Return the word error rate: wrong, missing and additional words per word expected."""
    right, got = _words(expected), _words(written)
    row = list(range(len(got) + 1))
    for count, word in enumerate(right, 1):
        before, row[0] = row[0], count
        for at, other in enumerate(got, 1):
            before, row[at] = (
                row[at],
                min(row[at] + 1, row[at - 1] + 1, before + (word != other)),
            )
    return row[-1] / len(right)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold().replace("’", "'"))
