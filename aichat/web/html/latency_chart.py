"""A turn's waterfall as a picture: bars of an SVG, and the same figures for a table beside it.

Numbers are milliseconds after the turn's first mark, and hundredths of the picture's width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import quantiles

from attrs import frozen

from aichat.core.events import MARKS, TurnTimed

THINNEST = 0.4
"""A stage that took no time is a line of this width."""
WORDS = {
    "speech_ended": "You stopped speaking",
    "turn_decided": "End of your turn decided",
    "transcribed": "Transcript complete",
    "asked_again": "Model asked again",
    "first_text": "First word written",
    "first_clause": "First clause written",
    "first_speech": "First audio synthesised",
    "first_audio": "First audio sent",
    "first_heard": "First audio heard",
}


@frozen
class Bar:
    """One stage: from the mark before it to its own."""

    name: str
    words: str
    took: float
    at: float
    x: float
    width: float


@frozen
class Waterfall:
    """All of a turn, or of several."""

    bars: Sequence[Bar]
    total: float
    gaps: Sequence[float] = ()


def waterfall(event: TurnTimed) -> Waterfall:
    """Draw one turn."""
    return _drawn(_stages(event), event.gaps)


@frozen
class Stage:
    """How long one stage took over several turns (ms): the median and the 95th percentile."""

    words: str
    count: int
    p50: float
    p95: float


def stages(events: Iterable[TurnTimed]) -> list[Stage]:
    """Return what each stage took, in the order of the marks, and the silences at the end."""
    took: dict[str, list[float]] = {}
    gaps: list[float] = []
    for event in events:
        for name, ms in _stages(event).items():
            took.setdefault(name, []).append(ms)
        gaps += event.gaps
    rows = [(WORDS[name], took[name]) for name in MARKS if name in took]
    if gaps:
        rows.append(("Silence between two speakers", gaps))
    return [_stage(words, values) for words, values in rows]


def _stage(words: str, values: Sequence[float]) -> Stage:
    if len(values) == 1:
        return Stage(words, 1, values[0], values[0])
    cuts = quantiles(values, n=20, method="inclusive")
    return Stage(words, len(values), cuts[9], cuts[18])


def _stages(event: TurnTimed) -> dict[str, float]:
    """Return what each stage took; the first mark has no stage, everything is counted from it."""
    reached = sorted(event.marks, key=lambda mark: mark[1])
    return {name: ms - before for (_, before), (name, ms) in pairwise(reached)}


def _drawn(took: Mapping[str, float], gaps: Sequence[float]) -> Waterfall:
    total = sum(took.values())
    scale = (100 - THINNEST) / total if total else 0.0
    bars, at = [], 0.0
    for name, ms in took.items():
        x, width = round(at * scale, 2), round(max(ms * scale, THINNEST), 2)
        bars.append(Bar(name, WORDS.get(name, name), ms, at, x, width))
        at += ms
    return Waterfall(bars, total, gaps)
