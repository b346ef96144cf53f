"""How fast voices are: measured once, while nobody speaks; it decides which one serves."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, field

from aichat.core import Bus, CannotStart, Parts, TimedOut, Voice, open_bus
from aichat.core.backends import PARTS
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import TurnFinished, UserPaused, UserSaid, UserStartedSpeaking
from aichat.core.registry.selection import SLOWEST, Candidate, PartStatus, Role, State, run_parts
from aichat.core.registry.voice_probe import CALM_SECONDS, CLAUSE, voices_measured
from aichat.core.registry.voice_speeds import VoiceSpeeds, this_machine
from aichat.core.testing.simulated_backends import SimulatedTts


@define
class Timed(SimulatedTts):
    """A voice whose speed depends on the machine."""

    speed_key: str = "model 1"
    first: float = 0.0
    starts_after: float = 0.0
    asked: list[float] = field(factory=list)
    """When it was asked, on the clock of the loop."""
    ended: list[float] = field(factory=list)

    async def __aenter__(self) -> Timed:
        await anyio.sleep(self.starts_after)
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[Any]:
        self.asked.append(anyio.current_time())
        try:
            async for piece in super().speak(text, voice):
                yield piece
        finally:
            self.ended.append(anyio.current_time())


def cast(**voices: object) -> Parts:
    roles = {part: Role(part, [Candidate(part, part, object)]) for part in PARTS}
    roles["tts"] = Role("tts", [Candidate("tts", n, lambda v=v: v) for n, v in voices.items()])
    return Parts(roles)


@asynccontextmanager
async def measuring(parts: Parts, speeds: VoiceSpeeds | None = None) -> AsyncIterator[Bus]:
    async with (
        run_parts(parts),
        open_bus() as bus,
        voices_measured(bus, parts, speeds or VoiceSpeeds(machine="this")),
    ):
        yield bus


async def serving(parts: Parts, speeds: VoiceSpeeds | None = None) -> str:
    """Return who serves once everything was measured."""
    async with measuring(parts, speeds):
        await anyio.sleep(60)
        found = parts.roles["tts"].serving
    assert found
    return found.name


def statuses(parts: Parts) -> dict[str, PartStatus]:
    return {one.name: one for one in parts.roles["tts"].statuses()}


QUICK = SimulatedTts(real_time_factor=0.01)
"""A voice that is fast everywhere, and so is not measured."""


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((0.4, 0.1), "best"),
        ((0.6, 0.1), "second"),
        ((0.6, 0.9), "last"),
        ((0.49, 0.9), "best"),
        ((9.0, 0.45), "second"),
    ],
)
def test_the_first_that_is_fast_enough_serves(factors: tuple[float, float], expected: str) -> None:
    async def run() -> str:
        best, second = (Timed(real_time_factor=one) for one in factors)
        return await serving(cast(best=best, second=second, last=QUICK))

    assert run_virtual(run) == expected


def test_of_voices_that_are_all_too_slow_the_fastest_serves() -> None:
    async def run(factors: tuple[float, ...]) -> str:
        return await serving(cast(**{f"of {one}": Timed(real_time_factor=one) for one in factors}))

    for factors in permutations((0.7, 0.9, 1.5)):
        assert run_virtual(run, factors) == "of 0.7"


def test_the_same_measures_give_the_same_choice_in_whatever_order_they_come() -> None:
    """Whichever starts first, and whether or not it was known before."""

    async def run(delays: tuple[float, ...], known: dict[str, float]) -> str:
        speeds = VoiceSpeeds(machine="this")
        for name, factor in known.items():
            speeds.keep(name, "model 1", factor)
        factors = {"a": 0.7, "b": 0.4, "c": 0.2}
        voices = {
            name: Timed(real_time_factor=factor, starts_after=delay)
            for (name, factor), delay in zip(factors.items(), delays, strict=True)
        }
        return await serving(cast(**voices, last=QUICK), speeds)

    for delays in permutations((0.0, 3.0, 20.0)):
        for known in ({}, {"a": 0.7}, {"b": 0.4, "c": 0.2}):
            assert run_virtual(run, delays, known) == "b"


def test_a_voice_that_is_alone_serves_however_slow_and_is_not_measured() -> None:
    async def run() -> tuple[str, list[float], str]:
        slow = Timed(real_time_factor=3.0)
        parts = cast(slow=slow)
        async with measuring(parts):
            await anyio.sleep(60)
            return parts.roles["tts"].backend(), slow.asked, statuses(parts)["slow"].detail

    backend, asked, detail = run_virtual(run)
    assert (backend.real_time_factor, asked, detail) == (3.0, [], "")


def test_a_voice_that_is_slow_everywhere_serves_while_no_other_is_ready() -> None:
    async def run() -> str:
        return await serving(cast(slow=Timed(real_time_factor=0.8), broken=Broken()))

    assert run_virtual(run) == "slow"


class Broken:
    async def __aenter__(self) -> Broken:
        raise TimedOut("It does not start.", "Mend it.")

    async def __aexit__(self, *error: object) -> None:
        pass


def test_why_one_serves_can_be_read(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> tuple[list[PartStatus], dict[str, PartStatus]]:
        parts = cast(best=Timed(real_time_factor=0.84), second=Timed(real_time_factor=0.3), l=QUICK)
        async with measuring(parts):
            await anyio.sleep(60)
            return parts.roles["tts"].passed_over(), statuses(parts)

    with caplog.at_level(logging.INFO):
        passed, all_ = run_virtual(run)
    slow = (
        "too slow on this machine: 0.84 s of work for a second of speech, "
        "more than 0.5 s; `litestar aichat doctor` measures again"
    )
    assert [(one.name, one.detail) for one in passed] == [("best", slow)]
    assert all_["second"].detail == (
        "fast enough on this machine: 0.30 s of work for a second of speech"
    )
    assert all_["l"].detail == ""
    assert f"tts best: {slow}" in [r.getMessage() for r in caplog.records if r.levelname > "INFO"]


def test_until_it_was_measured_another_serves_and_it_says_so() -> None:
    async def run() -> tuple[list[str], str]:
        parts, seen = cast(best=Timed(real_time_factor=0.4), last=QUICK), list[str]()
        async with measuring(parts):
            await anyio.sleep(0.1)
            detail = statuses(parts)["best"].detail
            while not seen or seen[-1] != "best":
                now = parts.roles["tts"].serving
                seen.append(now.name if now else "")
                await anyio.sleep(0.1)
        return seen, detail

    seen, detail = run_virtual(run)
    assert seen == ["last"] * (len(seen) - 1) + ["best"]
    assert "not measured yet" in detail


# -- what is started -------------------------------------------------------------------------


@define
class Heavy(Timed):
    """A voice with weights."""

    weights: tuple[str, ...] = ("some",)
    breaks: str = ""
    entered: int = 0

    async def __aenter__(self) -> Heavy:
        self.entered += 1
        await super().__aenter__()
        if self.breaks:
            raise CannotStart(self.breaks, "Mend it.")
        return self


@pytest.mark.parametrize(
    ("best", "second", "third", "started", "expected"),
    [
        ({}, {}, {}, [1, 0, 0], "best"),
        ({"real_time_factor": 0.9}, {}, {}, [1, 1, 0], "second"),
        ({"breaks": "No weights."}, {"real_time_factor": 0.9}, {}, [1, 1, 1], "third"),
        ({"breaks": "No GPU."}, {"starts_after": 9.0}, {}, [1, 1, 0], "second"),
        (*[{"real_time_factor": 0.9}] * 3, [1, 1, 1], "last"),
        ({"ms_per_word": 0}, {}, {}, [1, 1, 0], "second"),
    ],
    ids=["fast", "slow", "fails", "downloads", "all slow", "mute"],
)
def test_a_voice_with_weights_starts_only_if_those_before_it_do_not_serve(
    best: dict[str, Any],
    second: dict[str, Any],
    third: dict[str, Any],
    started: list[int],
    expected: str,
) -> None:
    async def run() -> tuple[str, list[int], list[PartStatus]]:
        how = {"best": best, "second": second, "third": third}
        voices = {n: Heavy(**{"real_time_factor": 0.3, **one}) for n, one in how.items()}
        parts = cast(**voices, last=QUICK)
        async with measuring(parts):
            await anyio.sleep(60)
            now = parts.roles["tts"].serving
            entered = [one.entered for one in voices.values()]
            return now.name if now else "", entered, parts.roles["tts"].statuses()

    name, entered, all_ = run_virtual(run)
    assert (name, entered) == (expected, started)
    for one, count in zip(all_, started, strict=False):
        is_held = one.detail == f"starts only if {expected} fails or is too slow on this machine"
        assert is_held == (count == 0)
        assert (one.state is State.WAITING) == is_held


def test_nothing_is_settled_before_a_voice_that_steps_in_is_measured() -> None:
    """The doctor waits for that."""

    async def run() -> list[str]:
        best, second = Heavy(real_time_factor=0.9), Heavy(real_time_factor=0.3, starts_after=2.0)
        parts, seen = cast(best=best, second=second, last=QUICK), list[str]()

        def look() -> None:
            if parts.is_settled() and not parts.roles["tts"].unmeasured():
                now = parts.roles["tts"].serving
                seen.append(now.name if now else "")

        parts.watchers.append(look)
        async with measuring(parts):
            await anyio.sleep(60)
        return seen

    assert run_virtual(run)[0] == "second"


def test_the_next_voice_starts_when_the_one_that_serves_is_stopped_or_breaks() -> None:
    async def run() -> tuple[list[int], str]:
        voices = {name: Heavy(real_time_factor=0.3) for name in ("best", "second")}
        parts = cast(**voices, last=QUICK)
        async with measuring(parts):
            await anyio.sleep(30)
            before = voices["second"].entered
            parts.roles["tts"].candidates[0].become(State.FAILED, "It broke.")
            await anyio.sleep(30)
            now = parts.roles["tts"].serving
            return [before, voices["second"].entered], now.name if now else ""

    assert run_virtual(run) == ([0, 1], "second")


# -- what is kept ----------------------------------------------------------------------------


def test_a_measurement_is_kept_and_not_made_again(tmp_path: Path) -> None:
    async def run(voice: Timed, again: bool = False) -> int:
        speeds = VoiceSpeeds(tmp_path / "data" / "speeds.json", again)
        assert await serving(cast(best=voice, last=QUICK), speeds) == "best"
        return len(voice.asked)

    assert run_virtual(run, Timed(real_time_factor=0.4)) > 1
    assert run_virtual(run, Timed(real_time_factor=0.4)) == 0
    assert run_virtual(run, Timed(real_time_factor=0.4, speed_key="model 2")) > 1
    assert run_virtual(run, Timed(real_time_factor=0.4, speed_key="model 2")) == 0
    assert run_virtual(run, Timed(real_time_factor=0.4, speed_key="model 2"), True) > 1


def test_what_another_machine_measured_does_not_count(tmp_path: Path) -> None:
    here = VoiceSpeeds(tmp_path / "speeds.json")
    here.load()
    assert here.machine == this_machine()
    here.keep("best", "model 1", 0.4)
    there = VoiceSpeeds(here.file, machine="another")
    there.load()
    assert here.of("best", "model 1") == 0.4
    assert there.of("best", "model 1") is None
    assert here.of("best", "model 2") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"best": 3}', '{"best": {"factor": "quick"}}'])
def test_a_damaged_file_is_measured_again_and_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "speeds.json"
    file.write_text(text)
    speeds = VoiceSpeeds(file, machine="this")
    speeds.load()
    assert speeds.of("best", "model 1") is None
    speeds.keep("best", "model 1", 0.4)
    assert json.loads(file.read_text())["best"]["factor"] == 0.4
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_only_costs_the_measurement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    speeds = VoiceSpeeds(tmp_path / "file" / "speeds.json", machine="this")
    speeds.keep("best", "model 1", 0.4)
    assert speeds.of("best", "model 1") == 0.4
    assert "cannot be written" in caplog.text


# -- when it is measured ---------------------------------------------------------------------


def test_nothing_is_measured_while_another_backend_starts() -> None:
    async def run() -> float:
        voice = Timed(real_time_factor=0.4)
        parts = cast(best=voice, last=QUICK)
        parts.roles["stt"] = Role("stt", [Candidate("stt", "slow", lambda: Timed(starts_after=7))])
        async with measuring(parts):
            await anyio.sleep(60)
        return voice.asked[0]

    assert run_virtual(run) >= 7


def test_nothing_is_measured_while_a_turn_goes_on_or_somebody_speaks() -> None:
    async def run() -> tuple[list[float], list[float]]:
        voice = Timed(real_time_factor=0.4)
        async with measuring(cast(best=voice, last=QUICK)) as bus:
            await anyio.sleep(0.5)  # in the middle of a measurement
            await bus.publish(UserStartedSpeaking(bus.turn("c")))
            await anyio.sleep(20)
            await bus.publish(UserPaused(bus.turn("c")))
            await anyio.sleep(CALM_SECONDS / 2)
            turn = bus.new_turn("c")
            await bus.publish(UserSaid(turn, "Hello.", "voice", "m"))
            await anyio.sleep(20)
            await bus.publish(TurnFinished(turn))
            await anyio.sleep(60)
        return voice.asked, voice.ended

    asked, ended = run_virtual(run)
    over = 0.5 + 20 + CALM_SECONDS / 2 + 20
    assert [at for at in asked if 0.5 <= at < over] == []
    assert all(at <= 0.5 or at > over for at in ended)
    assert len(asked) > 2


@pytest.mark.parametrize("tenths", range(0, 60, 3))
def test_a_turn_at_any_moment_ends_the_measurement_at_once(tenths: int) -> None:
    async def run() -> tuple[list[float], list[float], float, str]:
        voice, at = Timed(real_time_factor=0.4), tenths / 10
        parts = cast(best=voice, last=QUICK)
        async with measuring(parts) as bus:
            await anyio.sleep(at)
            turn = bus.new_turn("c")
            await bus.publish(UserSaid(turn, "Hello.", "text", "m"))
            await anyio.sleep(10)
            await bus.publish(TurnFinished(turn))
            await anyio.sleep(60)
            name = parts.roles["tts"].backend().speed_key
        return voice.asked, voice.ended, at, name

    asked, ended, at, name = run_virtual(run)
    assert not [one for one in asked if at < one < at + 10]
    assert not [one for one in ended if at + 0.01 < one < at + 10]
    assert name == "model 1"  # it was measured before or afterwards


# -- what goes wrong -------------------------------------------------------------------------


@define
class Odd(Timed):
    """A voice that does not do what it should."""

    what: str = ""

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[Any]:
        self.asked.append(anyio.current_time())
        if self.what == "raises":
            raise ZeroDivisionError("oops")
        if self.what == "stalls":
            await anyio.sleep_forever()
        while self.what == "endless":
            yield bytes(960)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("raises", "not measured yet how fast it is here: ZeroDivisionError"),
        ("mute", "not measured yet how fast it is here: The voice made no sound."),
        ("stalls", "too slow on this machine"),
    ],
)
def test_a_voice_that_cannot_be_measured_stands_behind_the_others(what: str, words: str) -> None:
    async def run() -> tuple[str, str, int]:
        odd = Odd(what=what)
        parts = cast(odd=odd, last=QUICK)
        async with measuring(parts):
            await anyio.sleep(300)
            now = parts.roles["tts"].serving
            return now.name if now else "", statuses(parts)["odd"].detail, len(odd.asked)

    name, detail, asked = run_virtual(run)
    assert (name, asked) == ("last", 1)
    assert words in detail


def test_a_voice_that_never_ends_is_stopped() -> None:
    async def run() -> str:
        return await serving(cast(endless=Odd(what="endless"), last=QUICK))

    assert run_virtual(run) == "endless"


def test_the_clause_is_short() -> None:
    assert len(CLAUSE.split()) < 8
    assert SLOWEST == 0.5
