"""Selection of backends. A part has one or several candidates, in order of preference.

All candidates of a part start concurrently; the first in the list that is ready serves. So a small
recogniser can serve while the weights of a better one are being downloaded, and takes over again
when that one fails.

A voice may be too slow for the machine it runs on. One that declares what its speed depends on
(``speed_key``) is measured before it is preferred to others, and passed over while another one
serves if it is slower than :data:`SLOWEST`. A candidate that is alone is not measured. Of voices
with weights only the best that may serve is started: the next one is neither downloaded nor loaded
before it is known that this one fails or is too slow.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from functools import partial
from itertools import takewhile
from typing import Any, Protocol, cast

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus
from attrs import Factory, define, frozen

from aichat.core.backends import Llm, Sequencer, Stt, Tts, TurnDetector, Vad, speed_key
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.errors import AichatError, CannotStart, NotReady
from aichat.core.pending_writes import MessageWrites
from aichat.core.redaction import redacted
from aichat.core.storage import Storage
from aichat.core.tools import Tool

from .live_settings import LiveSetting

log = logging.getLogger(__name__)

WORDS = {
    "vad": "voice detection",
    "turn": "turn detection",
    "stt": "better speech recognition",
    "llm": "a better language model",
    "tts": "a better voice",
}
"""Display names of the parts that may have weights to download."""


DOWNLOAD = "weights:"
"""How the lines begin that report the progress of a download."""


class State(StrEnum):
    """State of a candidate's start."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@frozen
class PartStatus:
    """One candidate, as the plug-ins page and the health check show it."""

    part: str
    name: str
    state: State
    serving: bool
    detail: str
    notice: str
    models: Mapping[str, int] = Factory(dict)
    """Models that the user may fetch for it, with their megabytes."""


class Reports(Protocol):
    """A backend that reports the progress of its start."""

    report: Callable[[str], None]


SLOWEST = 0.5
"""Highest real-time factor of a voice that is preferred: a turn has other work to do as well."""
PREFERRED = (0, 0.0)
"""The standing of candidates that are known, or said, to be fast enough."""
NEEDED_AT_START = ("sequencer", "storage")
"""Parts that aichat waits for when it starts."""
STOPPED = "You stopped it while it was starting. Try again when it suits you."


@define(eq=False)
class Candidate:
    """One backend in a part's ``use = [...]``. *make* builds it from its settings."""

    part: str
    name: str
    make: Callable[[], object]
    notice: str = ""
    models: Mapping[str, int] = Factory(dict)
    """Models that the user may fetch for it, with their megabytes."""
    state: State = State.WAITING
    detail: str = ""
    failure: Exception | None = None
    """Why it failed, once it has."""
    backend: object = None
    changed: Callable[[], None] = lambda: None
    scope: anyio.CancelScope | None = None
    live: Mapping[str, LiveSetting] = Factory(dict)
    """The settings that may be changed while it serves."""
    tuned: Mapping[str, Any] = Factory(dict)
    """Changed settings and their values; also of a backend that is not ready yet."""
    base: Mapping[str, Any] = Factory(dict)
    """Their values by plugins.toml and the environment, known once the backend was made."""
    once: Mapping[str, Any] = Factory(dict)
    """Settings for the next start alone, such as a download that the user requests."""
    factor: float | None = None
    """Its real-time factor on this machine, once it was measured."""
    unmeasurable: str = ""
    """Why it could not be measured."""
    is_voice_with_weights: bool = False
    """Known once the backend was made."""
    until_wanted: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
    """Waits until weights are wanted of it; set by :func:`run_parts`."""

    @property
    def speed_key(self) -> str:
        """What the speed of a voice depends on besides the machine; empty: it is not measured."""
        return speed_key(self.backend) if self.part == "tts" else ""

    @property
    def standing(self) -> tuple[int, float]:
        """What comes before its place in ``use``: fast, not measured, or slow by how much."""
        if self.factor is None:
            return (1, 0.0) if self.speed_key else PREFERRED
        return (2, self.factor) if self.factor > SLOWEST else PREFERRED

    @property
    def may_serve(self) -> bool:
        """Whether it serves, or may once it has started and was measured."""
        return self.state is not State.FAILED and not self.unmeasurable and self.standing[0] < 2

    @property
    def is_downloading(self) -> bool:
        """Whether its start waits for a download."""
        return self.state is State.STARTING and self.detail.startswith(DOWNLOAD)

    def measured(self, factor: float) -> None:
        """Take in its real-time factor, and notify the watchers."""
        self.factor = factor
        level = logging.WARNING if factor > SLOWEST else logging.INFO
        log.log(level, "%s %s: %s", self.part, self.name, self.speed)
        self.changed()

    def not_measured(self, why: str) -> None:
        """Note why it could not be measured, and notify the watchers."""
        self.unmeasurable = redacted(why)
        log.warning("%s %s: %s", self.part, self.name, self.speed)
        self.changed()

    @property
    def speed(self) -> str:
        """What is known of its speed, for the user."""
        if self.factor is None:
            why = self.unmeasurable or "that waits for a moment in which nobody speaks"
            return f"not measured yet how fast it is here: {why}"
        work = f"{self.factor:.2f} s of work for a second of speech"
        if self.factor > SLOWEST:
            again = "`litestar aichat doctor` measures again"
            return f"too slow on this machine: {work}, more than {SLOWEST:g} s; {again}"
        return f"fast enough on this machine: {work}"

    def tune(self, values: Mapping[str, Any]) -> None:
        """Override exactly these settings of plugins.toml; the values were checked."""
        self.tuned = dict(values)
        for name, base in self.base.items() if self.backend is not None else ():
            setattr(self.backend, name, self.tuned.get(name, base))

    def become(self, state: State, detail: str = "") -> None:
        """Set the state, and notify the watchers."""
        self.state, self.detail = state, redacted(detail)
        self.changed()

    async def run(
        self, closing: anyio.Event, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Start, serve until *closing*, stop. A failed start sets the state and does not raise."""
        if closing.is_set():
            return
        self.become(State.STARTING)
        try:
            with anyio.CancelScope() as self.scope:
                async with self._entered():
                    self.become(State.READY)
                    task_status.started()
                    await closing.wait()
            if self.state is State.STARTING and not closing.is_set():
                self.become(State.FAILED, STOPPED)
        except Exception as error:
            never_served = self.state is State.STARTING
            self._fail(error)
            if never_served:
                task_status.started()

    def give_up_starting(self) -> None:
        """Cancel a start that is still in progress, or waits until it is wanted."""
        if self.state is not State.READY and self.scope:
            self.scope.cancel()

    @asynccontextmanager
    async def _entered(self) -> AsyncIterator[None]:
        backend = self.make()
        for name, value in self.once.items():
            setattr(backend, name, value)
        self.once = {}
        if self.part == "tts" and getattr(backend, "weights", None):
            self.is_voice_with_weights = True
            await self.until_wanted()
        if hasattr(backend, "report"):
            cast(Reports, backend).report = self._report
        if isinstance(backend, AbstractAsyncContextManager):
            async with backend:
                self._take(backend)
                yield
        else:
            self._take(backend)
            yield

    def _take(self, backend: object) -> None:
        self.base = {name: getattr(backend, name) for name in self.live}
        self.backend, self.factor, self.unmeasurable = backend, None, ""
        self.tune(self.tuned)

    def _report(self, line: str) -> None:
        """Take a line about the start, or about a download of a backend that serves already."""
        if self.state is State.STARTING:  # a late report does not hide why it failed
            self.become(State.STARTING, line)
        elif self.state is State.READY:
            self.become(State.READY, line if line.startswith(DOWNLOAD) else "")

    def _fail(self, error: Exception) -> None:
        was_ready, self.backend = self.state is State.READY, None
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        self.failure = error
        known = isinstance(error, AichatError)
        unknown = f"{type(error).__name__}: {error}"
        reason = error.line if isinstance(error, AichatError) else unknown
        if was_ready or not known:
            log.error("%s %s failed: %s", self.part, self.name, reason, exc_info=error)
        else:
            log.warning("%s %s does not serve: %s", self.part, self.name, reason)
        self.become(State.FAILED, reason)


@define(eq=False)
class Role:
    """One part and its candidates, best first."""

    part: str
    candidates: Sequence[Candidate]

    @property
    def serving(self) -> Candidate | None:
        """The best candidate that is ready."""
        for candidate in self.candidates:  # read for every frame of audio, so without a list
            if candidate.state is State.READY and candidate.standing == PREFERRED:
                return candidate
        return next(iter(self._ready()), None)

    def _ready(self) -> list[Candidate]:
        ready = [c for c in self.candidates if c.state is State.READY]
        return sorted(ready, key=lambda c: c.standing)

    def ready(self) -> list[Any]:
        """Return the backends that are ready, best first."""
        return [c.backend for c in self._ready()]

    def preferred_to(self, one: Candidate) -> Candidate | None:
        """Return the best voice with weights before *one* in ``use`` that may serve."""
        before = takewhile(lambda other: other is not one, self.candidates)
        return next((c for c in before if c.is_voice_with_weights and c.may_serve), None)

    def is_settled(self, one: Candidate) -> bool:
        """Return whether one is ready, has failed, downloads, or waits for a better voice."""
        if one.state is State.WAITING:
            return one.is_voice_with_weights and self.preferred_to(one) is not None
        return one.state is not State.STARTING or one.is_downloading

    def unmeasured(self) -> list[Candidate]:
        """Return the candidates whose speed is yet to be measured, in their order in ``use``."""
        ready = [c for c in self.candidates if c.state is State.READY and c.speed_key]
        is_alone = len(self.candidates) == 1
        return [] if is_alone else [c for c in ready if c.factor is None and not c.unmeasurable]

    def backend(self) -> Any:
        """Return the backend that serves, or raise :class:`NotReady` with the reasons."""
        if serving := self.serving:
            return serving.backend
        if any(c.state is State.STARTING for c in self.candidates) or not self.has_begun:
            raise NotReady(f"The {self.part} part is still starting.", "Wait a moment.")
        raise NotReady(
            f"No {self.part} backend serves. {self.reasons()}",
            f"See [{self.part}] in plugins.toml.",
        )

    @property
    def has_begun(self) -> bool:
        """Whether any candidate has begun to start."""
        return any(c.state is not State.WAITING for c in self.candidates)

    def reasons(self) -> str:
        """Return why the failed candidates failed."""
        failed = [c for c in self.candidates if c.state is State.FAILED]
        return " ".join(f"{c.name}: {c.detail}" for c in failed)

    def downloads(self) -> list[str]:
        """Return a line for each download of a candidate that serves, or is better than that."""
        what = WORDS.get(self.part, self.part).capitalize()
        serving = self.serving
        better = takewhile(lambda c: c is not serving, self.candidates)
        return [
            f"{what} is on its way: {c.name}, {c.detail}."
            for c in (*better, *([serving] if serving else ()))
            if c.state in (State.STARTING, State.READY) and c.detail.startswith(DOWNLOAD)
        ]

    def statuses(self) -> list[PartStatus]:
        """Return the status of every candidate."""
        serving = self.serving
        return [
            PartStatus(c.part, c.name, c.state, c is serving, self._detail(c), c.notice, c.models)
            for c in self.candidates
        ]

    def passed_over(self) -> list[PartStatus]:
        """Return the statuses of those that come before the serving one in ``use``."""
        return list(takewhile(lambda status: not status.serving, self.statuses()))

    def _detail(self, one: Candidate) -> str:
        """Return its detail, or what is known of its speed if that has decided something."""
        is_alone = len(self.candidates) == 1
        if one.detail or is_alone or one.state is not State.READY or not one.speed_key:
            return one.detail
        return one.speed if one is self.serving or one.standing != PREFERRED else ""


@define(eq=False)
class Parts:
    """The selected backends. Get a part each time you use it: its backend can change."""

    roles: Mapping[str, Role]
    watchers: list[Callable[[], None]] = Factory(list)
    speakable_filters: Sequence[Callable[[str], str]] = ()
    """Filters of what is read out of a clause: each receives the result of the one before."""
    tools: Mapping[str, Tool] = Factory(dict)
    """What characters may use, by name."""
    writes: MessageWrites = Factory(MessageWrites)
    """Who writes a message now, and what waits for the store."""
    begin: Callable[[Candidate], None] = lambda candidate: None
    """Starts a candidate; set by :func:`run_parts`."""
    news: ChangeSignal = Factory(ChangeSignal)
    """That a candidate's state has changed."""

    @property
    def vad(self) -> Vad:
        """Voice activity detection."""
        return cast(Vad, self.roles["vad"].backend())

    @property
    def turn(self) -> TurnDetector:
        """Endpointing and barge-in."""
        return cast(TurnDetector, self.roles["turn"].backend())

    @property
    def stt(self) -> Stt:
        """Speech to text."""
        return cast(Stt, self.roles["stt"].backend())

    @property
    def llm(self) -> Llm:
        """Language model."""
        return cast(Llm, self.roles["llm"].backend())

    @property
    def tts(self) -> Tts:
        """Text to speech."""
        return cast(Tts, self.roles["tts"].backend())

    @property
    def sequencer(self) -> Sequencer:
        """Order of playback."""
        return cast(Sequencer, self.roles["sequencer"].backend())

    @property
    def storage(self) -> Storage:
        """The store."""
        return cast(Storage, self.roles["storage"].backend())

    def statuses(self) -> list[PartStatus]:
        """Return the status of every candidate of every part."""
        return [status for role in self.roles.values() for status in role.statuses()]

    def fetchable(self) -> list[PartStatus]:
        """Return the candidates that would be better than what serves, if the user fetched one."""
        return [
            status
            for role in self.roles.values()
            for status in takewhile(lambda one: not one.serving, role.statuses())
            if status.models
        ]

    def fetch(self, part: str, name: str, model: str) -> bool:
        """Restart a candidate that failed or was stopped with one of its models, downloaded."""
        candidate = self.candidate(part, name)
        is_known = candidate is not None and model in candidate.models
        return is_known and self.retry(part, name, model=model, download=True)

    def stop(self, part: str, name: str) -> bool:
        """Cancel a start in progress, such as a download; return False if there is none.

        Storage and sequencer cannot be stopped: aichat itself waits for them.
        """
        candidate = self.candidate(part, name)
        if candidate and part not in NEEDED_AT_START and candidate.state is State.STARTING:
            candidate.give_up_starting()
            return True
        return False

    def retry(self, part: str, name: str, **once: Any) -> bool:
        """Restart a candidate that failed or was stopped; return False if there is none.

        *once* are settings for this start alone, in place of those in plugins.toml.
        Storage and sequencer are chosen once: what was begun with one does not go on with another.
        """
        candidate = self.candidate(part, name)
        if candidate and part not in NEEDED_AT_START and candidate.state is State.FAILED:
            candidate.once = once
            candidate.become(State.STARTING)  # at once, so that it is not started twice
            self.begin(candidate)
            return True
        return False

    def candidate(self, part: str, name: str) -> Candidate | None:
        """Return a candidate of a part; None if there is none of that name."""
        role = self.roles.get(part)
        return next((c for c in role.candidates if c.name == name), None) if role else None

    def is_ready(self) -> bool:
        """Return whether every part has a backend that is ready."""
        return all(role.serving for role in self.roles.values())

    def is_settled(self) -> bool:
        """Return whether no candidate is about to start, downloads aside."""
        return all(role.is_settled(c) for role in self.roles.values() for c in role.candidates)

    def notices(self) -> list[str]:
        """Return notices for the user: of the serving backends, and of downloads."""
        serving = [role.serving for role in self.roles.values()]
        notices = [candidate.notice for candidate in serving if candidate and candidate.notice]
        return notices + [line for role in self.roles.values() for line in role.downloads()]

    def changed(self) -> None:
        """Notify the watchers that a candidate's state has changed."""
        for watcher in list(self.watchers):
            try:
                watcher()
            except Exception:
                log.exception("watcher %r failed", watcher)
        self.news.notify_all()

    async def until_wanted(self, one: Candidate) -> None:
        """Wait while a better voice may serve, so that weights are not downloaded for nothing."""
        while better := self.roles[one.part].preferred_to(one):
            why = f"starts only if {better.name} fails or is too slow on this machine"
            if (one.state, one.detail) != (State.WAITING, why):
                one.become(State.WAITING, why)
            await self.news.wait()
        one.become(State.STARTING)


@asynccontextmanager
async def run_parts(parts: Parts) -> AsyncIterator[None]:
    """Run every candidate for the block. It begins when storage and sequencer are ready.

    Raises :class:`CannotStart` when one of those two has no backend that can start.
    """
    closing, failure = anyio.Event(), None
    async with anyio.create_task_group() as tasks:

        def begin(candidate: Candidate) -> None:
            tasks.start_soon(candidate.run, closing)

        parts.begin = begin
        try:
            for role in parts.roles.values():
                await _start(tasks, parts, role, closing)
            yield
        except Exception as error:
            failure = error  # raised after every backend has stopped
        finally:
            closing.set()
            for role in parts.roles.values():
                for candidate in role.candidates:
                    candidate.give_up_starting()
    if failure:
        raise failure


async def _start(tasks: TaskGroup, parts: Parts, role: Role, closing: anyio.Event) -> None:
    """Start a part's candidates; wait for one only where nothing works without it."""
    for candidate in role.candidates:
        candidate.changed = parts.changed
        candidate.until_wanted = partial(parts.until_wanted, candidate)
    if role.part in NEEDED_AT_START:
        await _start_one(tasks, role, closing)
    else:
        for candidate in role.candidates:
            parts.begin(candidate)


async def _start_one(tasks: TaskGroup, role: Role, closing: anyio.Event) -> None:
    """Start the candidates one after the other until one is ready: there is one store only."""
    for candidate in role.candidates:
        await tasks.start(candidate.run, closing)
        if role.serving:
            return
    problem = f"Nothing can play the {role.part} part."
    match [c.failure for c in role.candidates]:
        case [AichatError() as only]:
            raise CannotStart(f"{problem} {role.candidates[0].name}: {only.problem}", only.hint)
    mend = f"Mend one of them, or name another under [{role.part}] in plugins.toml."
    raise CannotStart(f"{problem} {role.reasons()}", mend)
