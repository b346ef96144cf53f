"""Utterances that join the message before them, because nothing of its answer has been heard.

A user who goes on before that had not finished: both utterances are one message, which is answered
as a whole. The turn that had begun to answer it is withdrawn. The words are what counts: while they
are awaited the loudspeakers hold, so nothing is heard meanwhile.
"""

from __future__ import annotations

from attrs import define, evolve

from aichat.core import Bus, new_id
from aichat.core.events import (
    AudioReady,
    Interrupted,
    LinePlayed,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    PlaybackPaused,
    PlaybackResumed,
    Turn,
    TurnFinished,
    UserSaid,
)

from .microphone_state import Microphones
from .spoken_message import SpokenMessage

BY_VOICE = ("barge_in", "new_turn")
"""Reasons of interruptions that a voice makes; any other ends what the user was saying."""
LONGEST = 10_000
"""Letters of a message beyond which nothing joins it: somebody talks who wants no answer."""


def said(turn: Turn, text: str, before: UserSaid | None) -> UserSaid:
    """Return what the user says with an utterance of *text*, which joins the message *before*."""
    if before is None:
        return UserSaid(turn, text, "voice", new_id())
    return evolve(before, turn=turn, text=f"{before.text} {text}", joins=before.turn)


@define
class JoinedUtterances:
    """Decides, for each conversation, which utterances join the message before them."""

    bus: Bus
    microphones: Microphones

    def before(self, conversation: str) -> UserSaid | None:
        """Return the message that is joined by an utterance whose words come now, if any."""
        mic = self.microphones.get(conversation)
        spoken = mic and mic.spoken
        if not spoken or spoken.is_closed or len(spoken.said.text) > LONGEST:
            return None
        if spoken.is_heard(self.bus.clock.now()):
            return None
        return spoken.said if self.bus.turn(conversation) == spoken.said.turn else None

    # -- what happens to the message, by tap ---------------------------------------------------

    def note_message(self, event: UserSaid) -> None:
        """Keep a spoken message; nothing joins a typed one."""
        if mic := self.microphones.get(event.turn.conversation):
            mic.spoken = SpokenMessage(event) if event.source == "voice" else None

    def note_change(self, event: MessageAdded | MessageDeleted | MessagesHidden) -> None:
        """Continue an edited message as it is now, but none that is gone or has an answer."""
        mic = self.microphones.get(event.turn.conversation)
        if not (mic and (spoken := mic.spoken)):
            return
        id = spoken.said.message_id
        if isinstance(event, MessageAdded):
            message = event.message
            if event.changed and message.message_id == id:
                spoken.said = evolve(spoken.said, text=message.content)
            elif message.turn_id == spoken.said.turn.id and message.role == "assistant":
                spoken.is_closed = True  # a loudspeaker has played words of it
        elif id in (event.message_ids if isinstance(event, MessagesHidden) else [event.message_id]):
            spoken.is_closed = True

    # -- what happens to its answer, by tap ----------------------------------------------------

    def note_answer(
        self,
        event: AudioReady | LinePlayed | PlaybackPaused | PlaybackResumed
        | TurnFinished | Interrupted,
    ) -> None:  # fmt: skip
        """Note when the answer is heard, and when it cannot be any more."""
        mic = self.microphones.get(event.turn.conversation)
        if not (mic and (spoken := mic.spoken) and spoken.said.turn == event.turn):
            return
        now = self.bus.clock.now()
        if isinstance(event, AudioReady):
            if event.pcm:
                spoken.sounds_at = min(spoken.sounds_at, event.due)
        elif isinstance(event, LinePlayed):
            spoken.note_position(event, now)
        elif isinstance(event, PlaybackPaused):
            spoken.hold(event.cause, now)
        elif isinstance(event, PlaybackResumed):
            spoken.resume(event.cause, now)
        elif isinstance(event, TurnFinished) or event.reason not in BY_VOICE:
            spoken.is_closed = True

    def subscribe(self) -> None:
        """Subscribe."""
        for tap in (self.note_message, self.note_change, self.note_answer):
            self.bus.tap(tap)
