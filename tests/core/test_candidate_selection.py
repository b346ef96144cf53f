"""Who plays which part: the first in the list that is ready."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio
import anyio.lowlevel
import pytest
from attrs import define

from aichat.core import CannotStart, NotReady, Parts
from aichat.core.backends import PARTS
from aichat.core.registry.selection import Candidate, Role, State, run_parts
from support.waiting import HANG_SECONDS, blocked

pytestmark = pytest.mark.anyio


class Actor:
    """A backend with a start, a failure while it serves, and an end."""

    report: Callable[[str], None]

    def __init__(
        self,
        name: str = "",
        start: Callable[[Actor], Awaitable[object]] | None = None,
        breaks: anyio.Event | None = None,
    ) -> None:
        self.name, self.start, self.breaks = name, start, breaks
        self.report = lambda line: None
        self.log: list[str] = []

    async def __aenter__(self) -> Actor:
        if self.start:
            await self.start(self)
        self.tasks = anyio.create_task_group()
        await self.tasks.__aenter__()
        if self.breaks:
            self.tasks.start_soon(self.live)
        self.log.append("entered")
        return self

    async def live(self) -> None:
        assert self.breaks
        await self.breaks.wait()
        raise OSError("the engine caught fire")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            if kind is None:
                await anyio.lowlevel.checkpoint()  # an end that is cancelled does not get further
                self.log.append("left")
        finally:
            caught = await self.tasks.__aexit__(kind, error, trace)
        return caught


def cast(**parts: list[object]) -> Parts:
    """Parts with these actors (or makers of them); the rest are played by plain objects."""
    roles = {}
    for part in PARTS:
        actors = parts.get(part, [Actor(part)])
        candidates = [
            Candidate(part, getattr(actor, "name", "maker"), maker(actor), f"note {number}")
            for number, actor in enumerate(actors)
        ]
        roles[part] = Role(part, candidates)
    return Parts(roles)


def maker(actor: object) -> Callable[[], object]:
    return actor if callable(actor) and not isinstance(actor, Actor) else lambda: actor


def fails(problem: str) -> Callable[[Actor], Awaitable[object]]:
    async def start(actor: Actor) -> None:
        await anyio.lowlevel.checkpoint()
        raise CannotStart(problem, "Mend it.")

    return start


async def changed(parts: Parts) -> None:
    """Wait until the next thing happens to the cast."""
    happened = anyio.Event()
    parts.watchers.append(happened.set)
    with anyio.fail_after(HANG_SECONDS):
        await happened.wait()


async def test_the_first_in_the_list_that_is_ready_serves() -> None:
    best, second = Actor("best"), Actor("second")
    parts = cast(llm=[best, second])
    async with run_parts(parts):
        await blocked()
        assert parts.llm is best  # type: ignore[comparison-overlap]
        assert parts.is_ready()
        assert "note 0" in parts.notices()
        assert all(getattr(parts, part) for part in PARTS)


async def test_a_better_one_takes_over_when_it_is_ready_and_the_start_does_not_wait() -> None:
    gate = anyio.Event()

    async def slowly(actor: Actor) -> None:
        await gate.wait()

    best, second = Actor("best", slowly), Actor("second")
    parts = cast(stt=[best, second], vad=[Actor("slow", slowly)])
    with anyio.fail_after(HANG_SECONDS):
        async with run_parts(parts):
            await blocked()
            assert parts.stt is second  # type: ignore[comparison-overlap]
            assert not parts.is_ready()
            with pytest.raises(NotReady, match=r"vad part is still starting.\n  Hint: Wait"):
                _ = parts.vad
            gate.set()
            await blocked()
            assert parts.stt is best  # type: ignore[comparison-overlap]
            assert parts.is_ready()


async def test_a_start_that_fails_falls_back_and_says_why() -> None:
    parts = cast(llm=[Actor("openai", fails("No key.")), Actor("demo")])
    async with run_parts(parts):
        await blocked()
        openai, demo = (status for status in parts.statuses() if status.part == "llm")
    assert (openai.state, openai.serving) == (State.FAILED, False)
    assert openai.detail == "No key. Mend it."
    assert (demo.state, demo.serving, demo.notice) == (State.READY, True, "note 1")


async def test_a_part_that_nobody_can_play_names_every_reason() -> None:
    def explodes() -> object:
        raise ZeroDivisionError("oops")

    parts = cast(tts=[Actor("a", fails("No weights.")), explodes])
    async with run_parts(parts):
        await blocked()
        assert not parts.is_ready()
        with pytest.raises(NotReady, match=r"a: No weights\..* maker: ZeroDiv") as caught:
            _ = parts.tts
    assert caught.value.hint == "See [tts] in plugins.toml."
    assert caught.value.retryable


async def test_storage_that_fails_stops_the_start_and_everybody_ends_in_peace() -> None:
    vad = Actor("vad")
    parts = cast(
        vad=[vad], storage=[Actor("a", fails("Disk full.")), Actor("b", fails("No network."))]
    )
    with (
        anyio.fail_after(HANG_SECONDS),
        pytest.raises(CannotStart, match=r"storage part. a: Disk full. Mend it. b: No network."),
    ):
        async with run_parts(parts):
            raise AssertionError("never reached")
    assert vad.log == ["entered", "left"]


async def test_the_next_store_is_a_stand_in_that_starts_only_when_the_first_cannot() -> None:
    first, second = Actor("first"), Actor("second")
    async with run_parts(cast(storage=[first, second])) as _:
        await blocked()
    assert first.log == ["entered", "left"]
    assert second.log == []
    parts = cast(storage=[Actor("broken", fails("No.")), second])
    async with run_parts(parts):
        assert parts.storage is second  # type: ignore[comparison-overlap]


async def test_a_backend_that_breaks_while_it_serves_has_failed_and_the_next_serves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fire = anyio.Event()
    parts = cast(tts=[Actor("best", breaks=fire), Actor("second")])
    async with run_parts(parts):
        await blocked()
        assert parts.tts.name == "best"  # type: ignore[attr-defined]
        fire.set()
        await changed(parts)
        assert parts.tts.name == "second"  # type: ignore[attr-defined]
        best = next(status for status in parts.statuses() if status.name == "best")
        assert best.state is State.FAILED
        assert best.detail == "OSError: the engine caught fire"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_storage_that_breaks_while_it_serves_is_not_said_to_be_starting() -> None:
    fire = anyio.Event()
    parts = cast(storage=[Actor("disk", breaks=fire), Actor("stand-in")])
    async with run_parts(parts):
        fire.set()
        await changed(parts)
        with pytest.raises(NotReady, match=r"No storage backend serves. disk: OSError"):
            _ = parts.storage


async def test_progress_is_told_and_ends_with_the_start() -> None:
    seen: list[str] = []
    gate = anyio.Event()

    async def download(actor: Actor) -> None:
        actor.report("weights: 12 of 75 MB")
        await gate.wait()

    actor = Actor("whisper", download)
    parts = cast(stt=[actor])

    def watch() -> None:
        seen.append(next(status.detail for status in parts.statuses() if status.part == "stt"))

    parts.watchers.append(watch)
    async with run_parts(parts):
        await blocked()
        assert seen[-1] == "weights: 12 of 75 MB"
        gate.set()
        await blocked()
        assert seen[-1] == ""
        actor.report("a late word")
        assert seen[-1] == ""


async def test_a_watcher_that_raises_harms_no_backend() -> None:
    told: list[bool] = []
    parts = cast()

    def broken() -> None:
        raise RuntimeError("watcher")

    parts.watchers += [broken, lambda: told.append(parts.is_ready())]
    async with run_parts(parts):
        await blocked()
        assert parts.is_ready()
    assert told[-1]


async def test_leaving_while_somebody_still_starts_does_not_hang() -> None:
    async def for_ever(actor: Actor) -> None:
        await anyio.sleep_forever()

    slow, ready = Actor("slow", for_ever), Actor("ready")
    with anyio.fail_after(HANG_SECONDS):
        async with run_parts(cast(tts=[slow, ready])):
            await blocked()
    assert slow.log == []
    assert ready.log == ["entered", "left"]


async def test_the_only_candidate_says_itself_how_to_mend_it() -> None:
    actor = Actor("a", fails("Disk full."))
    with pytest.raises(CannotStart) as caught:
        async with run_parts(cast(storage=[actor])):
            raise AssertionError
    assert caught.value.problem == "Nothing can play the storage part. a: Disk full."
    assert caught.value.hint == "Mend it."


async def test_leaving_before_anybody_began_starts_nobody() -> None:
    def explodes() -> object:
        raise ZeroDivisionError

    actor = Actor("late")
    parts = cast(vad=[actor], sequencer=[explodes])
    with pytest.raises(CannotStart), anyio.fail_after(HANG_SECONDS):
        async with run_parts(parts):
            raise AssertionError
    assert actor.log in ([], ["entered", "left"])


async def test_cancelling_a_start_is_clean() -> None:
    async def for_ever(actor: Actor) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(HANG_SECONDS):
        async with anyio.create_task_group() as tasks:

            async def start() -> None:
                async with run_parts(cast(storage=[Actor("slow", for_ever)])):
                    raise AssertionError("never reached")

            tasks.start_soon(start)
            await blocked()
            tasks.cancel_scope.cancel()


async def test_an_error_of_the_block_lets_the_backends_end_first_and_comes_out_unchanged() -> None:
    actor = Actor("tts")

    async def broken() -> None:
        async with run_parts(cast(tts=[actor])):
            await blocked()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await broken()
    assert actor.log == ["entered", "left"]


async def test_a_backend_that_cannot_end_is_told_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Sticky:
        name = "sticky"

        async def __aenter__(self) -> Sticky:
            return self

        async def __aexit__(self, *_: object) -> None:
            raise OSError("will not close")

    other = Actor("other")
    async with run_parts(cast(tts=[Sticky()], llm=[other])):
        await blocked()
    assert other.log == ["entered", "left"]
    assert "will not close" in caplog.text


def test_a_cast_before_its_start_is_still_starting() -> None:
    parts = cast()
    assert not parts.is_ready()
    assert {status.state for status in parts.statuses()} == {State.WAITING}
    with pytest.raises(NotReady, match="still starting"):
        _ = parts.llm


async def test_a_model_that_the_user_fetches_is_for_one_start() -> None:
    started: list[tuple[str, bool]] = []

    @define
    class Recogniser:
        model: str = "large"
        download: bool = False

        async def __aenter__(self) -> Recogniser:
            started.append((self.model, self.download))
            raise CannotStart("No weights.", "Fetch them.")

        async def __aexit__(self, *_: object) -> None:
            pass

    parts = Parts({"stt": Role("stt", [Candidate("stt", "one", Recogniser, models={"tiny": 75})])})
    async with run_parts(parts):

        async def until_failed() -> None:
            with anyio.fail_after(HANG_SECONDS):
                while parts.statuses()[0].state is not State.FAILED:
                    await anyio.lowlevel.checkpoint()

        await until_failed()
        assert [one.name for one in parts.fetchable()] == ["one"]
        assert not parts.fetch("stt", "one", "huge")
        assert not parts.fetch("stt", "two", "tiny")
        assert parts.fetch("stt", "one", "tiny")
        assert not parts.fetch("stt", "one", "tiny"), "it is starting"
        await until_failed()
        assert parts.retry("stt", "one")
        await until_failed()
    assert started == [("large", False), ("tiny", True), ("large", False)]


async def test_a_download_for_a_backend_that_serves_is_told_to_users() -> None:
    class Served:
        report: Callable[[str], None] = staticmethod(lambda line: None)

    parts = Parts({"stt": Role("stt", [Candidate("stt", "served", Served)])})
    async with run_parts(parts):
        with anyio.fail_after(HANG_SECONDS):
            while not parts.is_ready():
                await anyio.lowlevel.checkpoint()
        parts.stt.report("weights: 12 of 145 MB")
        line = "Better speech recognition is on its way: served, weights: 12 of 145 MB."
        assert parts.notices() == [line]
        parts.stt.report("")
        assert parts.notices() == []


async def test_a_download_is_told_to_users_while_another_serves() -> None:
    told, go_on, ready = anyio.Event(), anyio.Event(), anyio.Event()

    class Slow:
        report: Callable[[str], None] = staticmethod(lambda line: None)

        async def __aenter__(self) -> Slow:
            self.report("weights: 12 of 75 MB")
            told.set()
            await go_on.wait()
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

    slow, quick = Candidate("stt", "slow", Slow), Candidate("stt", "quick", object)
    parts = Parts({"stt": Role("stt", [slow, quick])})
    async with run_parts(parts):
        with anyio.fail_after(HANG_SECONDS):
            await told.wait()
        line = "Better speech recognition is on its way: slow, weights: 12 of 75 MB."
        assert parts.notices() == [line]
        parts.watchers.append(lambda: ready.set() if slow.state is State.READY else None)
        go_on.set()
        with anyio.fail_after(HANG_SECONDS):
            await ready.wait()
        assert parts.notices() == []
