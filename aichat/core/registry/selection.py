"""Who plays which part. A part has one or several candidates, in order of preference.

All candidates of a part start side by side; the first in the list that is ready serves. So a small
recogniser can serve while the weights of a better one are on their way, and takes over again when
nothing better is left.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from itertools import takewhile
from typing import Any, Protocol, cast

import anyio
from anyio.abc import TaskGroup, TaskStatus
from attrs import Factory, define, frozen

from aichat.core.backends import Llm, Sequencer, Stt, Tts, TurnDetector, Vad
from aichat.core.errors import AichatError, CannotStart, NotReady
from aichat.core.message_writes import MessageWrites
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
"""What users call the parts that may have weights to fetch."""


class State(StrEnum):
    """How far a candidate has got."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@frozen
class Status:
    """One candidate, as the plug-ins page and the health check show it."""

    part: str
    name: str
    state: State
    serving: bool
    detail: str
    notice: str


class Reports(Protocol):
    """A backend that tells how its start goes."""

    report: Callable[[str], None]


NEEDED_AT_START = ("sequencer", "storage")
STOPPED = "You stopped it while it was starting. Try again when it suits you."


@define(eq=False)
class Candidate:
    """One backend on its way to a part. *make* builds it from its settings."""

    part: str
    name: str
    make: Callable[[], object]
    notice: str = ""
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
    """Those that were, with their values; also of a backend that does not serve yet."""
    base: Mapping[str, Any] = Factory(dict)
    """What they all are by plugins.toml and the environment, known once the backend was made."""

    def tune(self, values: Mapping[str, Any]) -> None:
        """Let exactly these differ from what plugins.toml says; they were checked."""
        self.tuned = dict(values)
        for name, base in self.base.items() if self.backend is not None else ():
            setattr(self.backend, name, self.tuned.get(name, base))

    def become(self, state: State, detail: str = "") -> None:
        """Note how the start went."""
        self.state, self.detail = state, redacted(detail)
        self.changed()

    async def run(
        self, closing: anyio.Event, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Start, serve until *closing*, end. A start that fails is told, not raised."""
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
        """Cancel a start that is still going on: nobody waits for it any more."""
        if self.state is State.STARTING and self.scope:
            self.scope.cancel()

    @asynccontextmanager
    async def _entered(self) -> AsyncIterator[None]:
        backend = self.make()
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
        self.backend = backend
        self.tune(self.tuned)

    def _report(self, line: str) -> None:
        if self.state is State.STARTING:  # a late word does not cover up why it failed
            self.become(State.STARTING, line)

    def _fail(self, error: Exception) -> None:
        was_ready, self.backend = self.state is State.READY, None
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        self.failure = error
        known = isinstance(error, AichatError)
        told = f"{type(error).__name__}: {error}"
        reason = error.line if isinstance(error, AichatError) else told
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
        return next((c for c in self.candidates if c.state is State.READY), None)

    def ready(self) -> list[Any]:
        """Return the backends that could play the part now, best first."""
        return [c.backend for c in self.candidates if c.state is State.READY]

    def backend(self) -> Any:
        """Return what plays the part now, or raise :class:`NotReady` with the reasons."""
        for candidate in self.candidates:
            if candidate.state is State.READY:
                return candidate.backend
        if any(c.state is State.STARTING for c in self.candidates) or not self.has_begun:
            raise NotReady(f"The {self.part} part is still starting.", "Wait a moment.")
        raise NotReady(
            f"No {self.part} backend serves. {self.reasons()}",
            f"See [{self.part}] in plugins.toml.",
        )

    @property
    def has_begun(self) -> bool:
        """Somebody has at least tried to start."""
        return any(c.state is not State.WAITING for c in self.candidates)

    def reasons(self) -> str:
        """Say why those who failed did."""
        failed = [c for c in self.candidates if c.state is State.FAILED]
        return " ".join(f"{c.name}: {c.detail}" for c in failed)

    def downloads(self) -> list[str]:
        """Describe the downloads of those who would go before who serves now."""
        what = WORDS.get(self.part, self.part).capitalize()
        return [
            f"{what} is on its way: {c.name}, {c.detail}."
            for c in takewhile(lambda c: c.state is not State.READY, self.candidates)
            if c.state is State.STARTING and c.detail.startswith("weights:")
        ]

    def statuses(self) -> list[Status]:
        """Describe every candidate."""
        serving = self.serving
        return [
            Status(c.part, c.name, c.state, c is serving, c.detail, c.notice)
            for c in self.candidates
        ]


@define(eq=False)
class Parts:
    """The cast. Ask for a part each time you use it: who plays it can change."""

    roles: Mapping[str, Role]
    watchers: list[Callable[[], None]] = Factory(list)
    speakable_filters: Sequence[Callable[[str], str]] = ()
    """What of a clause is read out: each gets what the one before has made of it."""
    tools: Mapping[str, Tool] = Factory(dict)
    """What characters may use, by name."""
    writes: MessageWrites = Factory(MessageWrites)
    """Who writes a message now, and what waits for the store."""
    begin: Callable[[Candidate], None] = lambda candidate: None
    """Starts a candidate, while the parts are performed."""

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
        """What is kept."""
        return cast(Storage, self.roles["storage"].backend())

    def statuses(self) -> list[Status]:
        """Describe every candidate of every part."""
        return [status for role in self.roles.values() for status in role.statuses()]

    def stop(self, part: str, name: str) -> bool:
        """Give up a start that still goes on, such as a download; False where there is none.

        Nothing stops what aichat itself waits for before it is there.
        """
        candidate = self.candidate(part, name)
        if candidate and part not in NEEDED_AT_START and candidate.state is State.STARTING:
            candidate.give_up_starting()
            return True
        return False

    def retry(self, part: str, name: str) -> bool:
        """Start once more who could not, or was stopped; False where there is nobody like that.

        Storage and sequencer are chosen once: what was begun with one does not go on with another.
        """
        candidate = self.candidate(part, name)
        if candidate and part not in NEEDED_AT_START and candidate.state is State.FAILED:
            candidate.become(State.STARTING)  # at once: nobody starts it twice
            self.begin(candidate)
            return True
        return False

    def candidate(self, part: str, name: str) -> Candidate | None:
        """Return one candidate of a part; None where it has no such one."""
        role = self.roles.get(part)
        return next((c for c in role.candidates if c.name == name), None) if role else None

    def is_ready(self) -> bool:
        """Tell whether somebody plays every part."""
        return all(role.serving for role in self.roles.values())

    def notices(self) -> list[str]:
        """Return what the user should know of who serves now, and of downloads that go on."""
        serving = [role.serving for role in self.roles.values()]
        notices = [candidate.notice for candidate in serving if candidate and candidate.notice]
        return notices + [line for role in self.roles.values() for line in role.downloads()]

    def changed(self) -> None:
        """Tell the watchers that somebody started, failed or got further."""
        for watcher in list(self.watchers):
            try:
                watcher()
            except Exception:
                log.exception("watcher %r failed", watcher)


@asynccontextmanager
async def perform(parts: Parts) -> AsyncIterator[None]:
    """Start every candidate. Waits for storage and sequencer only; the rest go on starting.

    Raises :class:`CannotStart` when nothing can play one of those two.
    """
    closing, failure = anyio.Event(), None
    async with anyio.create_task_group() as tasks:

        def begin(candidate: Candidate) -> None:
            tasks.start_soon(candidate.run, closing)

        parts.begin = begin
        try:
            for role in parts.roles.values():
                for candidate in role.candidates:
                    candidate.changed = parts.changed
                if role.part in NEEDED_AT_START:
                    await _start_one(tasks, role, closing)
                else:
                    for candidate in role.candidates:
                        parts.begin(candidate)
            yield
        except Exception as error:
            failure = error  # raised when every backend has ended in peace
        finally:
            closing.set()
            for role in parts.roles.values():
                for candidate in role.candidates:
                    candidate.give_up_starting()
    if failure:
        raise failure


async def _start_one(tasks: TaskGroup, role: Role, closing: anyio.Event) -> None:
    """Start the candidates one after the other until one serves: a store is one place."""
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
