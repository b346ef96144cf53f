"""Barge-in, in two stages. First the loudspeakers hold their position; then words decide.

A browser that detects speech while characters sound holds at once and says so; where it did not,
the server's own detector makes everybody hold. Words that are no backchannel, or speech of some
length, confirm: everything of the turn is cancelled. Otherwise the loudspeakers go on with the very
next sample: when the final transcript holds no words, and in any case (the watchdog) a set time
after the voice ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import anyio
from attrs import Factory, define, field

from aichat.core import Bus, NotReady, Parts, PerConversation
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.events import (
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    PlaybackPaused,
    PlaybackResumed,
    SpeakersChosen,
    TranscriptUpdated,
    Turn,
    TurnFinished,
    UserPaused,
    UserResumed,
    UserStartedSpeaking,
)

from .backchannels import BACK_CHANNELS, STOP_PHRASES, Backchannels, Verdict

RESUME_MS = 1_000
"""Silence (ms) after the voice ended at which the loudspeakers go on, if nothing was decided."""
FALSE_ALARM_MS = 500
"""Time (ms) after which they go on if a browser held them and the server heard no voice."""
MAX_VOICE_SECONDS = 10.0
"""Timeout (s) since the last sign of a voice whose end is never reported."""
BACKCHANNEL_FACTOR = 3
"""Factor on the length at which speech confirms that may be a backchannel ("hold on ...")."""


@lru_cache(maxsize=16)
def _backchannels_of(back_channels: tuple[str, ...], stop_phrases: tuple[str, ...]) -> Backchannels:
    return Backchannels(back_channels, stop_phrases)


@define
class Hold:
    """The loudspeakers of one conversation hold their position."""

    turn: Turn
    since: float
    voiced: bool = False
    """Whether the server hears a voice now,"""
    was_voiced: bool = False
    """or has heard one since the hold began."""
    changed: ChangeSignal = field(factory=ChangeSignal)
    is_over: bool = False

    def note(self, voiced: bool, now: float) -> None:
        """The voice began or ended."""
        self.voiced, self.since = voiced, now
        self.was_voiced = self.was_voiced or voiced
        self.changed.notify_all()

    def end(self) -> None:
        """Nothing is held any more."""
        self.is_over = True
        self.changed.notify_all()

    def deadline(self, resume_ms: int) -> float:
        """Return when to go on if nothing more happens, in seconds of the bus clock."""
        if self.voiced:
            return self.since + MAX_VOICE_SECONDS
        return self.since + (resume_ms if self.was_voiced else min(resume_ms, FALSE_ALARM_MS)) / 1e3


@define
class Floor:
    """What the characters of one conversation are saying."""

    hold: Hold | None = None
    lines: list[Line] = field(factory=list)
    """Lines that sound or are about to, in order."""
    is_stopped: bool = False
    """Whether it was interrupted since the last turn: "stop" has had its effect."""

    def release(self) -> Hold | None:
        """End the hold, if there is one; return it."""
        hold, self.hold = self.hold, None
        if hold:
            hold.end()
        return hold


@define
class BargeInDetector:
    """Barge-in detector: decides, for each conversation, whether the user interrupts."""

    bus: Bus
    parts: Parts
    floors: PerConversation[Floor] = field(
        default=Factory(
            lambda self: self.bus.per_conversation(Floor, close=Floor.release), takes_self=True
        )
    )

    # -- the voice ---------------------------------------------------------------------------

    def heard_voice(self, turn: Turn, speech_ms: int, transcript: str, *, held: bool) -> None:
        """The user has spoken for *speech_ms* over a turn that goes on; *held*: push-to-talk."""
        if held or speech_ms > self._limit(turn, transcript):
            self._confirm(turn)
        elif self.floors.of(turn.conversation).hold is None:
            self._hold(turn)
            self._note(turn, voiced=True)

    def _limit(self, turn: Turn, transcript: str) -> int:
        limit = self.parts.turn.barge_in_ms
        if transcript and self._may_be_backchannel(turn, transcript):
            limit *= BACKCHANNEL_FACTOR
        return limit

    def _may_be_backchannel(self, turn: Turn, transcript: str) -> bool:
        return self._backchannels().may_become_backchannel(transcript, self._names(turn))

    def note_voice(self, event: UserStartedSpeaking | UserResumed | UserPaused) -> None:
        """The voice began or ended."""
        self._note(event.turn, voiced=not isinstance(event, UserPaused))

    def _note(self, turn: Turn, *, voiced: bool) -> None:
        if hold := self.floors.of(turn.conversation).hold:
            hold.note(voiced, self.bus.clock.now())

    def hold_by_client(self, event: LinePlayed) -> None:
        """A browser heard speech and holds its loudspeaker."""
        if event.state != "paused" or self.floors.of(event.turn.conversation).hold:
            return
        if self.bus.live_turn(event.turn.conversation) == event.turn:
            self._hold(event.turn)
        else:  # there is nothing to break into: what is left of it may be played
            self.bus.post(PlaybackResumed(event.turn))

    # -- the words ---------------------------------------------------------------------------

    def note_transcript(self, event: TranscriptUpdated) -> None:
        """Words over characters confirm; that there were none lets the characters go on."""
        turn = self.bus.live_turn(event.turn.conversation)
        if event.final and not event.text:
            self._resume(event.turn.conversation)
            return
        said = "" if event.final else f"{event.text} {event.tail}".strip()
        if turn and said and not self._may_be_backchannel(turn, said):
            self._confirm(turn)

    def absorbs(self, turn: Turn, text: str) -> bool:
        """Return whether the final *text* was a backchannel or stop phrase: it opens no turn."""
        live = self.bus.live_turn(turn.conversation)
        verdict = self._backchannels().judge(text, self._names(live or turn))
        has_stopped = verdict.kind == "stop" and self.floors.of(turn.conversation).is_stopped
        if verdict.kind == "words" or not (live or has_stopped):
            return False
        self.bus.post(TranscriptUpdated(turn, text, final=True))
        if live and verdict.kind == "stop":
            self._stop(live, verdict)
        self._resume(turn.conversation)
        return True

    def _stop(self, turn: Turn, verdict: Verdict) -> None:
        for line in list(self.floors.of(turn.conversation).lines):
            if line.name in verdict.names:
                self.bus.interrupt(LineInterrupted(line, "asked"))
        if not verdict.names:
            self.bus.interrupt(Interrupted(turn, "asked"))

    def _backchannels(self) -> Backchannels:
        back_channels: Sequence[str] | None = self._setting("back_channels", None)
        stop_phrases: Sequence[str] | None = self._setting("stop_phrases", None)
        return _backchannels_of(
            BACK_CHANNELS if back_channels is None else tuple(back_channels),
            STOP_PHRASES if stop_phrases is None else tuple(stop_phrases),
        )

    def _setting(self, name: str, default: Any) -> Any:
        """Return a setting of the turn detector, else *default*."""
        try:
            return getattr(self.parts.turn, name, default)
        except NotReady:
            return default

    def _names(self, turn: Turn) -> list[str]:
        lines = self.floors.of(turn.conversation).lines
        return [line.name for line in lines if line.turn == turn]

    # -- the hold ----------------------------------------------------------------------------

    def _hold(self, turn: Turn) -> None:
        self.floors.of(turn.conversation).hold = Hold(turn, self.bus.clock.now())
        self.bus.post(PlaybackPaused(turn))

    def _confirm(self, turn: Turn) -> None:
        self.bus.interrupt(Interrupted(turn, "barge_in"))

    def _resume(self, conversation: str) -> None:
        if hold := self.floors.of(conversation).release():
            self.bus.post(PlaybackResumed(hold.turn))

    async def resume_when_due(self, event: PlaybackPaused) -> None:
        """Let the loudspeakers go on when nothing was decided in time."""
        hold = self.floors.of(event.turn.conversation).hold
        while hold and not hold.is_over:
            resume_ms = self._setting("resume_ms", RESUME_MS)
            left = hold.deadline(resume_ms) - self.bus.clock.now()
            if left <= 0:
                return self._resume(event.turn.conversation)
            with anyio.move_on_after(left):
                await hold.changed.wait()

    # -- the turn ----------------------------------------------------------------------------

    def note_speakers(self, event: SpeakersChosen) -> None:
        """Note who will speak."""
        floor = self.floors.of(event.turn.conversation)
        floor.is_stopped, floor.lines = False, list(event.lines)

    def finish_line(self, event: LineFinished | LineInterrupted) -> None:
        """Drop a line that is over."""
        lines = self.floors.of(event.turn.conversation).lines
        if event.line in lines:
            lines.remove(event.line)

    def end_turn(self, event: Interrupted | TurnFinished) -> None:
        """The turn is over: there is nothing to hold."""
        floor = self.floors.of(event.turn.conversation)
        if floor.hold and floor.hold.turn.number <= event.turn.number:
            hold = floor.release()
            if hold and isinstance(event, TurnFinished):
                self.bus.post(PlaybackResumed(hold.turn))
        floor.is_stopped = floor.is_stopped or isinstance(event, Interrupted)

    def subscribe(self) -> None:
        """Subscribe."""
        for tap in (
            self.note_voice,
            self.hold_by_client,
            self.note_transcript,
            self.note_speakers,
            self.finish_line,
            self.end_turn,
        ):
            self.bus.tap(tap)
        self.bus.subscribe(self.resume_when_due)
