"""Feeds a recorded conversation into a fresh chat: the user's inputs, at the recorded times.

That is the microphone's audio, or the transcripts where no audio was kept; what was typed;
push-to-talk; interruptions; the loudspeaker's reports. What the characters do comes from the
chat's own backends. Nothing is stored: the fresh chat's storage is in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import anyio
from attrs import define, evolve, field
from pluggy import PluginManager

from aichat.core import (
    Backend,
    BadValue,
    Bus,
    Config,
    NotReady,
    Parts,
    Storage,
    hookimpl,
    new_id,
    open_chat,
)
from aichat.core.events import (
    AudioReceived,
    Interrupted,
    Line,
    LineInterrupted,
    LinePlayed,
    SpeakersChosen,
    TalkHeld,
    TalkReleased,
    UserSaid,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.models import Source
from aichat.core.registry.config import Part
from aichat.core.registry.selection import State
from aichat.core.registry.voice_speeds import VoiceSpeeds
from aichat.toolkit.event_log import Entry, EventLog, Header
from aichat.web import paths
from aichat.web.schemas.settings import LONGEST_MS

BY_HAND = ("interrupt", "left")
"""Reasons of interruptions that no stage derives from the audio."""
BY_ITSELF = "new_turn"
"""Reason of an interruption that follows from the inputs anyway."""


@define
class Audio:
    """The file of kept audio. Each chunk is checked against its hash."""

    path: Path
    pcm: bytes

    def chunk(self, entry: Entry) -> bytes:
        """Return what the microphone sent. Raises :class:`BadValue` if it is not there."""
        try:
            told = entry.data["pcm"]
            start, size, digest = told["start"], told["bytes"], told["sha256"]
            pcm = self.pcm[start : start + size]
        except (TypeError, KeyError) as error:
            raise BadValue(
                f"The audio at {entry.at:.3f} s is not described.", "Record the conversation again."
            ) from error
        if hashlib.sha256(pcm).hexdigest() != digest:
            raise BadValue(
                f"{self.path} does not hold the audio at {entry.at:.3f} s.",
                "Put the .pcm file that belongs to the recording beside it.",
            )
        return pcm


@define(eq=False)
class Feeder:
    """Feeds a recording's inputs into a bus. *audio* is None where none was kept."""

    bus: Bus
    log: EventLog
    audio: Audio | None = None
    skipped: int = 0
    """Number of inputs without a target, because the characters behaved differently this time."""
    said: UserSaid | None = field(init=False, default=None)
    """What the user said last."""
    turns: list[tuple[Line, ...]] = field(init=False, factory=list)
    """The lines of each turn of the replay, in order."""
    order: dict[int, int] = field(init=False, factory=dict)
    """The recording's turns in which speakers were chosen: which one each was."""

    def __attrs_post_init__(self) -> None:
        for entry in self.log.entries:
            if entry.event == SpeakersChosen.__name__:
                self.order.setdefault(entry.turn, len(self.order))

    @property
    def conversation(self) -> str:
        """The conversation's id."""
        return self.log.header.conversation.conversation_id

    async def feed(self) -> None:
        """Feed all inputs at their times; returns after the last one."""
        inputs, began = self._inputs(), self.bus.clock.now()
        tap = self.bus.tap(self._choose, conversation=self.conversation)
        try:
            for entry in self.log.entries:
                if take := inputs.get(entry.event):
                    await anyio.sleep(began + entry.at - self.bus.clock.now())
                    await take(entry)
        finally:
            self.bus.unsubscribe(tap)

    def _inputs(self) -> Mapping[str, Callable[[Entry], Any]]:
        takes: dict[type, Callable[[Entry], Any]] = {
            UserSaid: self._say,
            Interrupted: self._interrupt,
            LineInterrupted: self._interrupt_line,
            LinePlayed: self._play,
        }
        if self.audio:
            takes |= {AudioReceived: self._hear, TalkHeld: self._hold, TalkReleased: self._release}
        return {kind.__name__: take for kind, take in takes.items()}

    def _choose(self, event: SpeakersChosen) -> None:
        self.turns.append(event.lines)

    async def _hear(self, entry: Entry) -> None:
        assert self.audio  # noqa: S101  (only then is this called)
        turn = self.bus.turn(self.conversation)
        languages = tuple(entry.data.get("languages", ()))
        await self.bus.publish(AudioReceived(turn, self.audio.chunk(entry), languages))

    async def _hold(self, entry: Entry) -> None:
        self.bus.post(TalkHeld(self.bus.turn(self.conversation)))

    async def _release(self, entry: Entry) -> None:
        self.bus.post(TalkReleased(self.bus.turn(self.conversation)))

    async def _say(self, entry: Entry) -> None:
        source: Source = "voice" if entry.data.get("source") == "voice" else "text"
        if self.audio and source == "voice":
            return  # the recogniser says it
        said = UserSaid(
            self.bus.new_turn(self.conversation), str(entry.data.get("text")), source, new_id()
        )
        if self.said and entry.data.get("joins") is not None:
            said = evolve(said, message_id=self.said.message_id, joins=self.said.turn)
        self.said = said
        await self.bus.publish(said)

    def _is_fed(self, entry: Entry) -> bool:
        reason = entry.data.get("reason")
        return reason in BY_HAND or (self.audio is None and reason != BY_ITSELF)

    async def _interrupt(self, entry: Entry) -> None:
        if not self._is_fed(entry):
            return
        if live := self.bus.live_turn(self.conversation):
            self.bus.interrupt(Interrupted(live, str(entry.data.get("reason"))))
        else:
            self.skipped += 1

    async def _interrupt_line(self, entry: Entry) -> None:
        if not self._is_fed(entry):
            return
        line = self._line(entry)
        if line and line.turn == self.bus.live_turn(self.conversation):
            self.bus.interrupt(LineInterrupted(line, str(entry.data.get("reason"))))
        else:
            self.skipped += 1

    async def _play(self, entry: Entry) -> None:
        state, ms = entry.data.get("state"), entry.data.get("played_ms")
        line = self._line(entry)
        if line and state in ("playing", "flushed", "done") and _is_position(ms):
            loudspeaker = str(entry.data.get("loudspeaker", ""))
            self.bus.post(LinePlayed(line, float(ms), state, loudspeaker))
        else:
            self.skipped += 1

    def _line(self, entry: Entry) -> Line | None:
        """Find the replay's line that has the place of the recorded one."""
        at = self.order.get(entry.turn, len(self.turns))
        lines = self.turns[at] if at < len(self.turns) else ()
        return next((line for line in lines if line.place == entry.place), None)


def _is_position(ms: Any) -> TypeGuard[float]:
    return isinstance(ms, int | float) and 0 <= ms <= LONGEST_MS


# -- the fresh chat --------------------------------------------------------------------------


class ReplayStorage(MemoryStorage):
    """The conversation as it was when the recording began."""

    def __init__(self, header: Header) -> None:
        super().__init__(header.characters, header.voices)
        self._header = header

    async def __aenter__(self) -> ReplayStorage:
        """Put in the conversation and what had been said."""
        await self.add_conversation(self._header.conversation)
        for message in self._header.messages:
            await self.add_message(message)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Delete the conversation."""


@define(eq=False)
class ReplayPlugin:
    """Offers ``[storage] use = "replay"``."""

    header: Header

    @hookimpl
    def storage_backend(self) -> Backend[Storage]:
        """Offer the storage."""

        def make() -> ReplayStorage:
            return ReplayStorage(self.header)

        return Backend("replay", make)


async def replay(
    log: EventLog,
    audio: Audio | None,
    config: Config,
    manager: PluginManager,
    listen: Callable[[Bus], object],
) -> Feeder:
    """Play *log* in a fresh chat; *listen* may subscribe before anything happens.

    Raises :class:`NotReady` when nobody can play a part.
    """
    manager.register(ReplayPlugin(log.header))
    config = evolve(config, parts={**config.parts, "storage": Part(("replay",))})
    speeds = VoiceSpeeds(paths.voice_speeds())
    async with open_chat(config, manager, speeds=speeds) as (bus, parts):
        await _all_started(parts)
        listen(bus)
        feeder = Feeder(bus, log, audio)
        await feeder.feed()
        await bus.settled()
    return feeder


async def _all_started(parts: Parts) -> None:
    """Wait for every backend, so that the selection does not depend on which is ready first."""
    while any(one.state in (State.WAITING, State.STARTING) for one in parts.statuses()):
        changed = anyio.Event()
        parts.watchers.append(changed.set)
        await changed.wait()
        parts.watchers.remove(changed.set)
    if not parts.is_ready():
        reasons = " ".join(role.reasons() for role in parts.roles.values() if not role.serving)
        raise NotReady(
            f"A part has no backend that is ready. {reasons}", "See `litestar aichat doctor`."
        )
