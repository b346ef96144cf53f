"""The judge of what a loudspeaker played: it knows a browser that was starved from a wrong sample.

First recordings that are made up, then what the page's own player makes of sound that comes late,
of holds and of flushes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.page_scripts import Ask, page_parts
from support.playback_check import (
    FADE,
    LONGEST,
    QUIET,
    RISE,
    Played,
    Samples,
    Sent,
    after_cut,
    assert_cut_off,
    assert_held,
    assert_whole,
    glide,
)

CHUNK = 1_000
RATE = 24_000


def speech(length: int = 6 * CHUNK, seed: int = 1, quiet_until: int = 0) -> Samples:
    """Whole 16-bit samples, some of them zero, none of these where something happens below."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(-9_000, 9_000, length)
    samples[rng.random(length) < 0.1] = 0
    for near in (-2, -1, 0, 1):
        edges = samples[CHUNK // 2 + near :: CHUNK // 2]
        edges[:] = rng.integers(5_001, 9_000, len(edges))
    samples[[0, -1]] = 6_001
    samples[length // 3 : length // 3 + quiet_until] = 0
    return (samples / 32_768).astype(np.float32)


def zeros(length: int) -> Samples:
    return np.zeros(length, np.float32)


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


SOUND = speech()
SENT = Sent(SOUND, chunks=[CHUNK * k for k in range(1, 7)], lines=[4 * CHUNK, 6 * CHUNK])


def with_gap(at: int, length: int = 500) -> Samples:
    return joined(zeros(300), SOUND[:at], zeros(length), SOUND[at:], zeros(300))


def faded(at: int) -> Samples:
    """Cut off at a sample: what comes next fades out."""
    fade = SOUND[at : at + FADE] * (1 - np.arange(FADE) / FADE).astype(np.float32)
    return joined(SOUND[:at], fade)


def held(at: int, silent: int = 700) -> Samples:
    down, up = glide(SOUND[at - 1], 0, FADE), glide(0, SOUND[at], RISE)
    return joined(SOUND[:at], down, zeros(silent), up, SOUND[at:])


# -- recordings that are made up ---------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 7, 5_000])
def test_what_was_sent_is_whole_after_any_silence(before: int) -> None:
    assert_whole(Played(joined(zeros(before), SOUND, zeros(900))), SENT)


@pytest.mark.parametrize("length", [1, 2, 63, 128, 30_000])
def test_a_gap_where_it_ran_dry_is_no_fault(length: int) -> None:
    assert_whole(Played(with_gap(2 * CHUNK, length), underruns=1), SENT)


def test_each_gap_needs_an_underrun_of_its_own() -> None:
    twice = joined(SOUND[:CHUNK], zeros(99), SOUND[CHUNK : 3 * CHUNK], zeros(9), SOUND[3 * CHUNK :])
    assert_whole(Played(twice, underruns=2), SENT)
    with pytest.raises(AssertionError, match="after 3000 samples, and the page ran dry 1 times"):
        assert_whole(Played(twice, underruns=1), SENT)


def test_a_gap_without_an_underrun_is_a_fault() -> None:
    with pytest.raises(
        AssertionError, match=r"0\.021 s after 2000 samples, and .* ran dry 0 times"
    ):
        assert_whole(Played(with_gap(2 * CHUNK)), SENT)


@pytest.mark.parametrize("at", [CHUNK, 4 * CHUNK])
def test_no_reason_excuses_a_gap_that_is_longer_than_any_machine_is_busy(at: int) -> None:
    assert_whole(Played(with_gap(at, LONGEST), underruns=1), SENT)
    with pytest.raises(AssertionError, match="it stalled"):
        assert_whole(Played(with_gap(at, LONGEST + 1), underruns=1), SENT)


def test_a_gap_within_a_chunk_is_a_fault_whatever_was_counted() -> None:
    with pytest.raises(AssertionError, match="after 1500 samples, within a chunk"):
        assert_whole(Played(with_gap(1_500), underruns=9), SENT)


def test_between_two_lines_there_may_be_silence() -> None:
    assert_whole(Played(with_gap(4 * CHUNK)), SENT)


def test_a_gap_in_a_silence_that_was_sent_is_known_by_its_length() -> None:
    quiet = evolve(SENT, samples=speech(quiet_until=QUIET))
    at = 2 * CHUNK  # the end of a chunk is in or at the edge of the silence
    late = joined(quiet.samples[:at], zeros(333), quiet.samples[at:])
    assert_whole(Played(late, underruns=1), quiet)
    with pytest.raises(AssertionError, match=r"a gap of 0\.014 s"):
        assert_whole(Played(late), quiet)
    with pytest.raises(AssertionError, match="samples are right, then"):
        assert_whole(Played(np.delete(quiet.samples, at + 5)), quiet)


WRONG = {
    "one that differs by the least": SOUND + np.float32(1 / 32_768) * (np.arange(6_000) == 2_500),
    "one that is lost": np.delete(SOUND, 2_500),
    "a chunk that is lost": joined(SOUND[: 2 * CHUNK], SOUND[3 * CHUNK :]),
    "a chunk that comes twice": joined(SOUND[: 3 * CHUNK], SOUND[2 * CHUNK :]),
    "a chunk that comes twice, after a gap": joined(
        SOUND[: 3 * CHUNK], zeros(500), SOUND[2 * CHUNK :]
    ),
    "chunks that changed places": joined(
        SOUND[:CHUNK], SOUND[2 * CHUNK : 3 * CHUNK], SOUND[CHUNK : 2 * CHUNK], SOUND[3 * CHUNK :]
    ),
    "the first that is lost": SOUND[1:],
    "the last that is lost": SOUND[:-1],
    "a click in a gap": joined(SOUND[:CHUNK], zeros(90), SOUND[:1], zeros(90), SOUND[CHUNK:]),
    "more after the end": joined(SOUND, zeros(900), SOUND[:1]),
    "some that are lost in a gap": joined(SOUND[:CHUNK], zeros(90), SOUND[CHUNK + 3 :]),
    "a quieter one": SOUND * np.float32(0.99),
    "none": zeros(6_000),
    "the end alone": SOUND[3 * CHUNK :],
}


@pytest.mark.parametrize("samples", WRONG.values(), ids=WRONG)
def test_a_wrong_sample_is_a_fault_whatever_was_counted(samples: Samples) -> None:
    for underruns in (0, 9):
        with pytest.raises(AssertionError, match="samples are right, then"):
            assert_whole(Played(samples, underruns), SENT)
        with pytest.raises(AssertionError, match="samples are right, then"):
            assert_held(Played(samples, underruns), SENT)


def test_a_fault_says_what_comes_instead() -> None:
    for samples, what in (
        (SOUND[: 2 * CHUNK], "2000 of 6000 samples are right, then none come"),
        (WRONG["a chunk that comes twice"], "3000 of 6000 .* then come those from 2000 on"),
        (WRONG["a chunk that is lost"], "2000 of 6000 .* then come those from 3000 on"),
        (joined(SOUND[:CHUNK], speech(seed=2)), "1000 of 6000 .* then come others"),
    ):
        with pytest.raises(AssertionError, match=what):
            assert_whole(Played(samples), SENT)


@pytest.mark.parametrize("at", [1_500, 2_500, 3 * CHUNK])
def test_a_hold_glides_and_goes_on_with_the_next_sample(at: int) -> None:
    assert assert_held(Played(held(at)), SENT) == [at]
    with pytest.raises(AssertionError, match=f"it held after .{at}. samples"):
        assert_whole(Played(held(at)), SENT)
    lost = joined(held(at)[: at + FADE + 700 + RISE], SOUND[at + 1 :])
    with pytest.raises(AssertionError, match="samples are right, then"):
        assert_held(Played(lost), SENT)
    again = joined(held(at)[: at + FADE + 700 + RISE], SOUND[at - 1 :])
    with pytest.raises(AssertionError, match="samples are right, then"):
        assert_held(Played(again), SENT)


def test_two_holds_and_a_gap_are_told_apart() -> None:
    later = held(3_500)[2_500:]
    played = joined(held(2_500)[: 2_500 + FADE + 700 + RISE], later)
    assert assert_held(Played(played), SENT) == [2_500, 3_500]
    dry = joined(SOUND[:CHUNK], zeros(400), played[CHUNK:])
    assert assert_held(Played(dry, underruns=1), SENT) == [2_500, 3_500]
    with pytest.raises(AssertionError, match="ran dry 0 times"):
        assert_held(Played(dry), SENT)


def test_what_is_cut_off_fades_and_is_followed_by_nothing() -> None:
    assert_cut_off(Played(joined(faded(2_345), zeros(900))), SENT)
    with pytest.raises(AssertionError, match="was not cut off"):
        assert_cut_off(Played(SOUND), SENT)
    with pytest.raises(AssertionError, match="then more was played"):
        assert_cut_off(Played(joined(faded(2_345), zeros(900), SOUND[:9])), SENT)
    with pytest.raises(AssertionError, match="samples are right, then come others"):
        assert_cut_off(Played(joined(SOUND[:2_345], speech(900, seed=2), zeros(900))), SENT)
    loud = joined(SOUND[:2_345], np.full(FADE - 1, 0.9, np.float32), zeros(900))
    with pytest.raises(AssertionError, match="did not fade"):
        assert_cut_off(Played(loud), SENT)


def test_what_comes_after_a_cut_is_judged_by_itself() -> None:
    answer = Sent(speech(seed=3), chunks=[2_000, 6_000], lines=[6_000])
    said = joined(answer.samples[:2_000], zeros(40_000), answer.samples[2_000:])
    dry = joined(SOUND[:CHUNK], zeros(99), faded(2_345)[CHUNK:], zeros(500), said)
    for underruns in (2, 3):
        assert_whole(after_cut(Played(dry, underruns), SENT), answer)
    with pytest.raises(AssertionError, match="ran dry 0 times"):
        assert_whole(after_cut(Played(dry, underruns=1), SENT), answer)
    cut_while_held = joined(held(2_500)[: 2_500 + FADE + 300], zeros(2_000), answer.samples)
    assert_whole(after_cut(Played(cut_while_held), SENT), answer)


# -- what the page's player makes of it ----------------------------------------------------------


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with page_parts() as ask:
        yield ask


def steps(sent: Sent) -> list[list[Any]]:
    """What the player is given, chunk by chunk."""
    pushes: list[list[Any]] = []
    whole = np.round(sent.samples * 32_768).astype(int)
    for number, (start, end) in enumerate(zip([0, *sent.chunks], sent.chunks, strict=False)):
        line = sum(start >= one for one in sent.lines)
        pushes.append(["push", 1, line, number, whole[start:end].tolist(), end in sent.lines])
    return pushes


def by_player(ask: Ask, steps: list[list[Any]]) -> Played:
    answer = ask({"rate": RATE, "steps": steps})
    return Played(np.array(answer["out"], np.float32), answer["underruns"])


@settings(max_examples=60, deadline=None)
@given(waits=st.lists(st.integers(0, 60), min_size=6, max_size=6))
def test_the_player_is_excused_when_sound_comes_late(ask: Ask, waits: list[int]) -> None:
    late = [
        step for n, push in zip(waits, steps(SENT), strict=True) for step in (["render", n], push)
    ]
    assert_whole(by_player(ask, [*late, ["render", 100]]), SENT)


@settings(max_examples=60, deadline=None)
@given(
    waits=st.lists(st.integers(0, 30), min_size=6, max_size=6),
    at=st.integers(0, 60),
    held=st.integers(0, 20),
)
def test_the_player_holds_while_sound_comes_late(
    ask: Ask, waits: list[int], at: int, held: int
) -> None:
    late: list[list[Any]] = []
    for count, push in zip(waits, steps(SENT), strict=True):
        late += [*([["render", 1]] * count), push]
    late += [["render", 1]] * 90
    hold = [["pause"], ["render", held], ["resume"]]
    assert_held(by_player(ask, [*late[:at], *hold, *late[at:]]), SENT)


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(4, 30),
    after=st.integers(0, 2),
    waits=st.lists(st.integers(0, 30), min_size=6, max_size=6),
)
@example(before=4, after=0, waits=[0] * 6)  # the answer is there before the cut is played
def test_the_player_is_cut_off_and_goes_on_with_the_next_turn(
    ask: Ask, before: int, after: int, waits: list[int]
) -> None:
    answer = evolve(SENT, samples=speech(seed=3))
    cut = [*steps(SENT), ["render", before], ["flush", 1], ["render", after]]
    for count, push in zip(waits, steps(answer), strict=True):
        cut += [["render", count], [push[0], 2, *push[2:]]]
    assert_whole(after_cut(by_player(ask, [*cut, ["render", 100]]), SENT), answer)


def test_a_player_that_loses_its_place_is_found_out(ask: Ask) -> None:
    first, *rest = steps(SENT)
    skipped = [first, *rest[1:], ["render", 100]]
    with pytest.raises(AssertionError, match=r"1000 of 6000 .* then come those from 2000 on"):
        assert_whole(by_player(ask, skipped), SENT)
