"""Long audio is cut where it is quietest, and short audio gets a short context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.plugins.faster_whisper.short_context import repeats
from aichat.plugins.faster_whisper.windows import LEAST_REST, LONGEST, RATE, SHORTEST, windows


@given(st.integers(0, 150 * RATE))
def test_nothing_is_lost_or_too_long(samples: int) -> None:
    audio = np.arange(samples, dtype=np.float32) % 7
    pieces = list(windows(audio))
    assert (np.concatenate(pieces) == audio).all()
    assert all(SHORTEST <= len(piece) <= LONGEST for piece in pieces[:-1])
    assert len(pieces) == 1 or LEAST_REST <= len(pieces[-1]) <= LONGEST


def test_it_is_cut_in_the_pause() -> None:
    audio = np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32)
    audio[22 * RATE : 23 * RATE] *= 0.01
    first, _ = windows(audio)
    assert 22 * RATE < len(first) < 23 * RATE


def test_a_growing_utterance_keeps_its_first_window() -> None:
    audio = np.random.default_rng(0).standard_normal(50 * RATE).astype(np.float32)
    lengths = {len(next(windows(audio[: seconds * RATE]))) for seconds in (32, 40, 50)}
    assert len(lengths) == 1


@pytest.mark.parametrize(
    "text",
    [
        "No. No.",
        "It is. It is. It is.",
        "I'm going to ask you to ask you to ask you to ask",
    ],
)
def test_a_text_that_repeats_itself_is_asked_again(text: str) -> None:
    assert repeats(text)


@pytest.mark.parametrize("text", ["", "No.", "Ever tried. Ever failed.", "Hello? Hello, Mark!"])
def test_one_that_does_not_is_believed(text: str) -> None:
    assert not repeats(text)
