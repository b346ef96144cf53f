"""The page's player and its speech detector, run by Node: what is held is not lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.page_scripts import Ask

RATE = 24_000
WORDS = [n for n in range(20_001, 32_767, 2) if n % 7 and n % 11]
"""No glide of 48 or 120 steps from or to one of these meets a whole number on its way."""


def sounded(out: list[float]) -> list[int]:
    """The samples that were sent: what is neither silence nor a glide."""
    values = np.array(out) * 32_768
    whole = np.abs(values - np.round(values)) < 0.004
    return [int(v) for v in np.round(values[whole]) if v]


CHUNKS = st.lists(st.integers(1, 600), min_size=1, max_size=8)
ACTS = st.lists(
    st.one_of(
        st.just(["send"]),
        st.tuples(st.just("render"), st.integers(1, 8)).map(list),
        st.sampled_from([["pause"], ["resume"], ["hear", True], ["hear", False], ["again"]]),
    ),
    max_size=40,
)


def steps_of(chunks: list[int], acts: list[list[Any]]) -> tuple[list[list[Any]], list[int]]:
    """Put *chunks* where an act says "send", the rest at the end; "again" sends the last twice."""
    words, pushes, at = WORDS * 2, [], 0
    for number, length in enumerate(chunks):
        last = number == len(chunks) - 1
        pushes.append(["push", 1, 0, number, words[at : at + length], last])
        at += length
    steps, sent = [], 0
    for act in acts:
        if act == ["send"] and sent < len(pushes):
            steps.append(pushes[sent])
            sent += 1
        elif act == ["again"] and sent:
            steps.append(pushes[sent - 1])
        elif act[0] not in ("send", "again"):
            steps.append(act)
    return [*steps, *pushes[sent:]], words[:at]


@settings(max_examples=150, deadline=None)
@given(chunks=CHUNKS, acts=ACTS)
def test_what_was_played_is_what_was_sent_however_often_it_was_held(
    ask: Ask, chunks: list[int], acts: list[list[Any]]
) -> None:
    steps, sent = steps_of(chunks, acts)
    told = ask({"rate": RATE, "steps": [*steps, ["hear", False], ["resume"], ["render", 100]]})
    assert sounded(told["out"]) == sent
    assert [r["state"] for r in told["reports"]].count("done") == 1
    assert told["reports"][-1]["samples"] == len(sent)


@settings(max_examples=100, deadline=None)
@given(chunks=CHUNKS, acts=ACTS, one=st.booleans())
def test_a_flush_is_reported_at_the_sample_at_which_it_stopped(
    ask: Ask, chunks: list[int], acts: list[list[Any]], one: bool
) -> None:
    steps, sent = steps_of(chunks, acts)
    flush = ["flush", 1, 0] if one else ["flush", 1]
    late = ["push", 1, 0, 99, [WORDS[0]], False]
    told = ask({"rate": RATE, "steps": [*steps, flush, ["render", 5], late, ["render", 50]]})
    final = told["reports"][-1]
    assert final["state"] in ("flushed", "done")
    # "done" is told within a quantum
    played = sounded(told["out"][: final["at"] if final["state"] == "flushed" else None])
    assert played == sent[: final["samples"]]
    assert not sounded(told["out"][final["at"] + 128 :])  # the fade of 5 ms, or the quantum


SWELLS = [
    *range(0, 16_000, 160),
    *[16_000] * 3_000,
    *range(16_000, 0, -160),
]
"""A line without a jump in it: its beginning and its end are soft."""


@settings(max_examples=200, deadline=None)
@given(
    rate=st.sampled_from([24_000, 44_100, 48_000]),
    before=st.integers(1, 40),
    acts=st.lists(
        st.one_of(
            st.tuples(st.just("render"), st.integers(1, 3)).map(list),
            st.sampled_from(
                [["pause"], ["resume"], ["hear", True], ["hear", False], ["begin", 0, True],
                 ["flush", 0], ["flush", 1], ["flush", 1, 0], ["flush", 2], ["flush", 2, 0]]
            ),
        ),
        max_size=12,
    ),
)  # fmt: skip
def test_no_pause_or_flush_clicks_however_soon_it_follows_another(
    ask: Ask, rate: int, before: int, acts: list[list[Any]]
) -> None:
    lines: list[list[Any]] = [["push", 1, 0, 0, SWELLS, True], ["push", 2, 0, 0, SWELLS, True]]
    told = ask({"rate": rate, "steps": [*lines, ["render", before], *acts, ["render", 60]]})
    steepest = np.abs(np.diff(told["out"])).max()
    assert steepest < 16_000 / 32_768 / 47  # the rise after a pause takes 48 samples, or more


def test_a_pause_that_is_taken_back_at_once_is_not_heard(ask: Ask) -> None:
    begin = [["push", 1, 0, 0, WORDS[:3000], True], ["render", 5], ["pause"], ["resume"]]
    told = ask({"rate": RATE, "steps": [*begin, ["render", 40]]})
    assert (np.array(told["out"][:3000]) * 32_768 == WORDS[:3000]).all()


def test_nothing_sounds_a_quantum_and_a_glide_after_it_holds(ask: Ask) -> None:
    steps = [["push", 1, 0, 0, WORDS[:3000], False], ["render", 10], ["hear", True]]
    told = ask({"rate": RATE, "steps": [*steps, ["render", 10]]})
    assert any(told["out"][: 10 * 128])
    assert not any(told["out"][10 * 128 + 120 :])
    assert [(r["state"], r["samples"]) for r in told["reports"]][-1] == ("paused", 1280)
    jumps = np.abs(np.diff(told["out"][9 * 128 :]))
    assert jumps.max() < 0.02  # it glides


def test_a_page_that_is_told_nothing_goes_on_by_itself(ask: Ask) -> None:
    begin = [["push", 1, 0, 0, WORDS[:3000], True], ["render", 5], ["hear", True]]
    waits = [["render", 2000], ["hear", False], ["render", 900]]  # 10.7 s of speech, 4.8 of none
    told = ask({"rate": RATE, "steps": [*begin, *waits]})
    assert sounded(told["out"]) == WORDS[: 5 * 128]
    told = ask({"rate": RATE, "steps": [*begin, *waits, ["render", 100]]})
    assert sounded(told["out"]) == WORDS[:3000]


def test_whoever_does_not_sound_does_not_hold(ask: Ask) -> None:
    steps = [["hear", True], ["push", 1, 0, 0, WORDS[:3000], True], ["render", 40]]
    assert sounded(ask({"rate": RATE, "steps": steps})["out"]) == WORDS[:3000]


def test_one_line_is_flushed_while_it_holds_and_the_next_goes_on(ask: Ask) -> None:
    begin = [["push", 1, 0, 0, WORDS[:3000], True], ["render", 5], ["pause"]]
    more = [["push", 1, 1, 0, WORDS[3000:5000], True], ["flush", 1, 0], ["render", 30]]
    told = ask({"rate": RATE, "steps": [*begin, *more, ["resume"], ["render", 30]]})
    assert sounded(told["out"]) == WORDS[: 5 * 128] + WORDS[3000:5000]


def test_audio_of_an_older_turn_never_enters_a_newer_one(ask: Ask) -> None:
    new = ["push", 2, 0, 0, WORDS[:2000], True]
    late = ["push", 1, 0, 7, WORDS[2000:3000], True]
    told = ask({"rate": RATE, "steps": [new, late, ["render", 40]]})
    assert sounded(told["out"]) == WORDS[:2000]
    assert told["dropped"] == 1


def tone(seconds: float, level: float) -> list[float]:
    rng = np.random.default_rng(2)
    return list(level * rng.standard_normal(int(16_000 * seconds)))


def test_speech_is_detected_within_30_ms_and_its_pauses_are_bridged(ask: Ask) -> None:
    speech = [*tone(0.4, 0.1), *tone(0.15, 0.002), *tone(0.3, 0.1)]
    told = ask({"samples": [*tone(2, 0.002), *speech, *tone(1, 0.002)]})["told"]
    assert [speaking for _, speaking in told] == [True, False]
    assert 32_000 < told[0][0] <= 32_000 + 480
    assert 32_000 + 13_600 < told[1][0] <= 32_000 + 13_600 + 4_960


@pytest.mark.parametrize("level", [0.0, 0.001, 0.005, 0.02, 0.1])
def test_a_steady_noise_is_no_speech_after_a_while(ask: Ask, level: float) -> None:
    told = ask({"samples": [*tone(0.5, 0.0), *tone(25, level)]})["told"]
    assert [speaking for at, speaking in told if at > 20 * 16_000] in ([], [False])
    assert (told[-1][1] if told else False) is False


def test_speech_in_a_noisy_room_is_detected(ask: Ask) -> None:
    told = ask({"samples": [*tone(10, 0.02), *tone(0.5, 0.3), *tone(1, 0.02)]})["told"]
    late = [speaking for at, speaking in told if at > 9 * 16_000]
    assert late == [True, False]


def test_a_volume_changes_one_line_and_glides_without_a_click(ask: Ask) -> None:
    loud = [16_384] * 4_800
    steps: list[list[Any]] = [
        ["volume", {"generation": 1, "sequence": 0}, 0.5],
        ["push", 1, 0, 0, loud, True],
        ["push", 1, 1, 0, loud, True],
        ["render", 30],
        ["volume", {"generation": 1, "sequence": 0}, 0.0],
        ["render", 60],
    ]
    out = np.array(ask({"rate": RATE, "steps": steps})["out"])
    first, second = out[out > 0][:3_000], out[4_800 + 128 :]
    assert np.allclose(first, 0.25)
    assert np.abs(np.diff(out[200:4_700])).max() < 0.002  # to nothing within 20 ms, no faster
    assert out[4_700] == 0
    assert np.isclose(second.max(), 0.5)  # the other speaker is as loud as ever
