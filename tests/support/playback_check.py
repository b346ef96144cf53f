"""Checks what a loudspeaker played against what the server sent, sample for sample.

What is played must be what was sent: the same values, once, in order. Silence may come in between
for three reasons, and each leaves a trace: a line has ended; the page *held*, with a glide on both
sides; or it *ran dry*, at the end of a chunk, and counted an underrun. A browser that gets too
little of the processor runs dry; one that has the sound and does not play it counts nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import define, evolve, field

from aichat.core.events import SPEAKER_RATE

Samples = npt.NDArray[np.float32]

FADE = SPEAKER_RATE * 5 // 1000
"""The loudspeaker takes this many samples to fade out,"""
RISE = SPEAKER_RATE * 2 // 1000
"""and this many to go on after a hold."""
QUIET = 64
"""This many zeros are a silence, not a wave that crosses nothing."""
LONGEST = 20 * SPEAKER_RATE
"""A silence of more samples is a fault whatever its reason, even on a busy machine."""
SURE = 2 * FADE
"""This many samples that are the same are no accident."""


@define
class Sent:
    """What the server sent of a turn, -1..1, and after how many samples chunks and lines end."""

    samples: Samples
    chunks: list[int] = field(factory=list)
    lines: list[int] = field(factory=list)


@define
class Played:
    """What came out of the loudspeaker, -1..1, and how often it ran dry within a line."""

    samples: Samples
    underruns: int = 0


@define
class Gap:
    """A silence that was put in after *first*, or after one of the zeros up to *last*."""

    first: int
    last: int
    length: int

    def is_at(self, ends: list[int]) -> bool:
        return any(self.first <= end <= self.last for end in ends)


@define
class Course:
    """How far what was played is what was sent: two counts of samples, and what came between."""

    played: int = 0
    sent: int = 0
    gaps: list[Gap] = field(factory=list)
    holds: list[int] = field(factory=list)


def assert_whole(played: Played, sent: Sent) -> None:
    """All of it was played, and nothing else."""
    course = follow(played.samples, sent.samples)
    assert_all(course, played, sent)
    assert not course.holds, f"it held after {course.holds} samples"
    explain(course, played, sent)


def assert_held(played: Played, sent: Sent) -> list[int]:
    """All of it was played, with holds in it; returns after how many samples it held."""
    course = follow(played.samples, sent.samples)
    assert_all(course, played, sent)
    explain(course, played, sent, may_hold=True)
    return sorted(course.holds)


def assert_cut_off(played: Played, sent: Sent) -> None:
    """Its beginning was played, then nothing."""
    rest = after_cut(played, sent)
    assert not rest.samples.any(), "it was cut off, and then more was played"


def after_cut(played: Played, sent: Sent, may_hold: bool = False) -> Played:
    """Its beginning was played and faded out; returns what was played after that.

    How soon that happens is measured by the benchmark: a busy machine says nothing about it.
    """
    course = follow(played.samples, sent.samples)
    assert course.sent < len(sent.samples) - FADE, "it was not cut off"
    assert may_hold or not course.holds, f"it held after {course.holds} samples"
    underruns = explain(course, played, sent, may_hold)
    rest = played.samples[course.played :]
    silent = silence(rest)
    if silent is None:  # what is played next had come before the cut, and follows at once
        silent = fade_end(course, played, sent)
    assert silent is not None, others(course, played, sent)
    levels = np.abs(sent.samples[max(0, course.sent - 1) :][: silent + 1])
    bound = np.maximum(levels[1:], levels[0])
    assert (np.abs(rest[: len(bound)]) <= bound).all(), "it did not fade out"
    return Played(rest[silent:], underruns)


def fade_end(course: Course, played: Played, sent: Sent) -> int | None:
    """How many samples after the right ones the fade is over; its first ones are right as well."""
    falls = (1 - np.arange(FADE) / FADE).astype(np.float32)
    for early in range(min(FADE, course.sent)):
        due = sent.samples[course.sent - early :][:FADE]
        if begins(played.samples[course.played - early :], due * falls[: len(due)]):
            return FADE - early
    return None


def assert_all(course: Course, played: Played, sent: Sent) -> None:
    right = course.sent == len(sent.samples) and not played.samples[course.played :].any()
    assert right, others(course, played, sent)


def explain(course: Course, played: Played, sent: Sent, may_hold: bool = False) -> int:
    """Assert that each gap has a reason; returns how many underruns explain none of them."""
    underruns = played.underruns
    for gap in course.gaps:
        where = f"a gap of {gap.length / SPEAKER_RATE:.3f} s after {gap.first} samples"
        assert gap.length <= LONGEST, f"{where}: it stalled"
        if gap.is_at(sent.lines):
            continue
        if underruns and gap.is_at(sent.chunks):
            underruns -= 1
            continue
        if may_hold and gap.last - gap.first >= 2:  # a glide from nothing to nothing
            course.holds.append(gap.first)
            continue
        assert gap.is_at(sent.chunks), f"{where}, within a chunk"
        raise AssertionError(f"{where}, and the page ran dry {played.underruns} times")
    return underruns


def follow(played: Samples, sent: Samples) -> Course:
    """Go along both for as long as they agree."""
    course = Course()
    start = 0
    while True:
        part = agreement(played[start:], sent[course.sent :])
        course.gaps += [
            evolve(gap, first=gap.first + course.sent, last=gap.last + course.sent)
            for gap in part.gaps
        ]
        course.played = start + part.played
        course.sent += part.sent
        last = float(sent[course.sent - 1]) if course.sent else 0.0
        again = resumption(played[course.played :], last, sent[course.sent :])
        if again is None:
            return course
        course.holds.append(course.sent)
        start = course.played + again


def agreement(played: Samples, sent: Samples) -> Course:
    """Compare what is no silence; a silence that is longer in what was played is a gap."""
    loud, due = np.flatnonzero(played), np.flatnonzero(sent)
    right = same(played[loud], sent[due])
    longer = np.diff(loud[:right]) - np.diff(due[:right])
    if (longer < 0).any():  # silence was lost, and with it the place
        right = int((longer < 0).argmax()) + 1
    gaps = [
        Gap(int(due[k]) + 1, int(due[k + 1]), int(longer[k]))
        for k in np.flatnonzero(longer[: max(0, right - 1)])
    ]
    if right == len(due):
        return Course(int(loud[right - 1]) + 1 if right else 0, len(sent), gaps)
    there, here = (int(at[right - 1]) + 1 if right else 0 for at in (loud, due))
    zeros = min(leading_zeros(played[there:]), leading_zeros(sent[here:])) if right else 0
    return Course(there + zeros, here + zeros, gaps)


def leading_zeros(samples: Samples) -> int:
    loud = np.flatnonzero(samples)
    return int(loud[0]) if len(loud) else len(samples)


def resumption(played: Samples, last: float, sent: Samples) -> int | None:
    """Where it goes on after a hold: a glide, a silence, and a glide up to the very next sample."""
    silent = silence(played)
    if silent is None and begins(played, glide(last, 0, FADE)):
        silent = FADE  # it held for a moment only
    if silent is None or not sent.any() or not played[silent:].any():
        return None
    loud = silent + leading_zeros(played[silent:])
    rises = begins(played[loud:], np.append(glide(0, sent[0], RISE), sent[0]))
    falls = begins(played, glide(last, 0, FADE)[:silent])
    start = loud + RISE if rises else loud
    enough = min(SURE, len(sent))
    return start if falls and agreement(played[start:], sent).sent >= enough else None


def glide(start: float, end: float, length: int) -> Samples:
    """From one level towards another, without reaching it."""
    steps = np.arange(1, length + 1) / (length + 1)
    return (start + (end - start) * steps).astype(np.float32)


def begins(samples: Samples, with_: Samples) -> bool:
    begin = samples[: len(with_)]
    return len(begin) == len(with_) and np.allclose(begin, with_)


def silence(played: Samples) -> int | None:
    """After how many samples it is silent, if that is within a fade."""
    starts = range(min(FADE, len(played)) + 1)
    return next((k for k in starts if not played[k : k + QUIET].any()), None)


def same(some: Samples, others: Samples) -> int:
    """How many are the same from the beginning on."""
    length = min(len(some), len(others))
    different = some[:length] != others[:length]
    return int(different.argmax()) if different.any() else length


def others(course: Course, played: Played, sent: Sent) -> str:
    """Say what comes where the right samples end."""
    right = f"{course.sent} of {len(sent.samples)} samples are right"
    rest = np.trim_zeros(played.samples[course.played :])[:QUIET]
    if not len(rest):
        return f"{right}, then none come"
    windows = np.lib.stride_tricks.sliding_window_view(sent.samples, len(rest))
    places = np.flatnonzero((windows == rest).all(axis=1))
    if len(places):
        return f"{right}, then come those from {places[0]} on"
    here, due = played.samples[course.played :], sent.samples[course.sent :]
    some, wanted = ((part[:150:10] * 32_768).round(1).tolist() for part in (here, due))
    return f"{right}, then come others: every tenth is {some}, not {wanted}"
