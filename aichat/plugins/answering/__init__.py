"""Stage: decide who answers the user, and let each character write in turn.

The next character starts as soon as the text before it is complete; nobody waits for voices. The
history that the models see is kept in memory from ``MessageAdded``, so that an answer never waits
for the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import anyio
from attrs import Factory, define, field

from aichat.core import (
    BackendFailed,
    Bus,
    Character,
    Conversation,
    Message,
    Parts,
    closing,
    hookimpl,
    new_id,
    patience,
)
from aichat.core.events import (
    ConversationClosed,
    Line,
    LineBegan,
    LineInterrupted,
    LinesRevived,
    MessageAdded,
    ReplyClause,
    ReplyFinished,
    ReplyText,
    SpeakersChosen,
    UserSaid,
)

from .addressing import addressed
from .clauses import Clauses
from .own_words import OwnWords
from .prompts import prompt
from .speakable import speakable

HISTORY = 60
"""So many messages of a conversation are kept in memory."""
JOIN_SECONDS = 0.005
"""Text that follows within this time is shown together with it."""
TOKEN_SECONDS = 45.0
"""A model that writes nothing for so long has failed; backends may be stricter."""


@define
class Talk:
    """One conversation: what was said, who is here, and whose turn it is to write."""

    messages: dict[str, Message] = field(factory=dict)
    is_loaded: bool = False
    conversation: Conversation | None = None
    cast: Sequence[Character] = ()
    writing: tuple[Line, anyio.CancelScope] | None = None
    drafts: dict[str, Message] = field(factory=dict)
    """This turn's replies, which the next character reads before they were heard."""


@define
class Answering:
    """Leads the characters through a turn."""

    bus: Bus
    parts: Parts
    talks: dict[str, Talk] = field(factory=dict)

    def talk(self, conversation: str) -> Talk:
        """Return what is kept of a conversation."""
        if (talk := self.talks.get(conversation)) is None:
            talk = self.talks[conversation] = Talk()
        return talk

    # -- what is known -----------------------------------------------------------------------

    def learn(self, event: MessageAdded) -> None:
        """Keep a message, or its truer version."""
        talk = self.talk(event.turn.conversation)
        talk.messages[event.message.message_id] = event.message
        while len(talk.messages) > HISTORY:
            del talk.messages[next(iter(talk.messages))]

    def forget(self, event: ConversationClosed) -> None:
        """Drop what is kept of a conversation."""
        self.talks.pop(event.turn.conversation, None)

    async def _load(self, talk: Talk, conversation: str) -> None:
        storage = self.parts.storage
        talk.conversation, talk.cast = await storage.cast(conversation)
        if not talk.is_loaded:
            older = {m.message_id: m for m in await storage.recent_messages(conversation, HISTORY)}
            talk.messages = {**older, **talk.messages}
            talk.is_loaded = True

    # -- a turn ------------------------------------------------------------------------------

    async def answer(self, event: UserSaid) -> None:
        """Decide who answers, and let one after the other write."""
        talk = self.talk(event.turn.conversation)
        lines: tuple[Line, ...] = ()
        try:
            await self._load(talk, event.turn.conversation)
            lines = tuple(
                Line(event.turn, who.id, place, new_id(), who.name)
                for place, who in enumerate(addressed(event.text, talk.cast))
            )
        finally:  # also after a failure, so that the turn ends
            await self.bus.publish(SpeakersChosen(event.turn, lines))
        talk.drafts = {}
        for line in lines:
            await self._give_word(talk, line)

    async def revive(self, event: LinesRevived) -> None:
        """Let lines that were cut off be said: as they were written, or written anew."""
        talk = self.talk(event.turn.conversation)
        try:
            await self._load(talk, event.turn.conversation)
        finally:
            await self.bus.publish(SpeakersChosen(event.turn, event.lines))
        talk.drafts = {}
        for line, text in zip(event.lines, event.texts, strict=True):
            if text:
                await self._say(talk, line, text)
            else:
                await self._give_word(talk, line)

    async def _say(self, talk: Talk, line: Line, text: str) -> None:
        """Say a text that is there already."""
        await self.bus.publish(LineBegan(line))
        draft = Draft(self.bus, line)
        await draft.hand_over(await draft.add(text))
        await draft.finish()
        talk.drafts[line.message_id] = line.message(draft.text)

    async def _give_word(self, talk: Talk, line: Line) -> None:
        """Let one character write, unless somebody has stopped it already."""
        began = LineBegan(line)
        if self.bus.is_void(began):
            return
        await self.bus.publish(began)
        with anyio.CancelScope() as scope:
            talk.writing = (line, scope)
            await self._write(talk, began)
        talk.writing = None

    def stop(self, event: LineInterrupted) -> None:
        """A speaker was stopped who may still be writing: the next one begins."""
        writing = self.talk(event.turn.conversation).writing
        if writing and writing[0] == event.line:
            writing[1].cancel()

    async def _write(self, talk: Talk, event: LineBegan) -> None:
        """Stream one reply; what goes wrong with it is told and does not stop the next."""
        line = event.line
        character = next(who for who in talk.cast if who.id == line.character)
        draft = Draft(self.bus, line)
        try:
            await self._stream(talk, character, draft)
        except Exception as error:
            self.bus.report(event, error)
        await draft.finish()
        talk.drafts[line.message_id] = line.message(draft.text)

    async def _stream(self, talk: Talk, character: Character, draft: Draft) -> None:
        assert talk.conversation is not None  # noqa: S101  (_load has set it)
        others = [who.name for who in talk.cast if who.id != character.id]
        words = OwnWords(character.name, others)
        messages = {**talk.messages, **talk.drafts}.values()
        asked = prompt(character, talk.cast, messages, talk.conversation)
        async with closing(self.parts.llm.reply(asked)) as deltas:
            await self._read(deltas, words, draft)
        await draft.hand_over(await draft.add(words.flush()))
        if not draft.text.strip():
            raise BackendFailed(f"{character.name} wrote nothing.", "Ask again.")

    async def _read(self, deltas: AsyncIterator[str], words: OwnWords, draft: Draft) -> None:
        """Read until the stream ends, or another speaker's line begins, or nothing comes."""
        with patience(self.bus.clock, TOKEN_SECONDS, "The language model wrote nothing") as waiting:
            async for delta in deltas:
                if complete := await draft.add(words.feed(delta)):
                    waiting.pause()  # this may wait for the loudspeaker
                    await draft.hand_over(complete)
                if words.is_over:
                    return
                waiting.renew()
                if (
                    not draft.held
                ):  # what was published makes work that a fast model must not hold up
                    await anyio.lowlevel.checkpoint()


@define
class Draft:
    """A reply as it is written: publishes its text piece by piece and its clauses.

    Pieces that come faster than people can see are joined, at most up to the end of a clause.
    """

    bus: Bus
    line: Line
    text: str = ""
    held: str = ""
    told: float = field(default=Factory(lambda self: self.bus.clock.now(), takes_self=True))
    pieces: int = 0
    clauses: Clauses = field(factory=Clauses)
    made: int = 0

    async def add(self, delta: str) -> list[str]:
        """Show *delta*; return the clauses that it completes, to be handed over."""
        if not self.text:
            delta = delta.lstrip()
        if not delta:
            return []
        self.text += delta
        self.held += delta
        complete = self.clauses.feed(delta)
        now = self.bus.clock.now()
        if complete or now - self.told >= JOIN_SECONDS:
            self.told = now
            await self._show()
        return complete

    async def finish(self) -> None:
        """Hand over the rest."""
        await self._show()
        await self.hand_over(self.clauses.flush())
        await self.bus.publish(ReplyFinished(self.line, self.text, self.made))

    async def _show(self) -> None:
        held, self.held = self.held, ""
        if held:
            await self.bus.publish(ReplyText(self.line, held, self.pieces))
            self.pieces += 1

    async def hand_over(self, pieces: list[str]) -> None:
        """Give clauses to be spoken; waits when the line is far ahead of the loudspeaker."""
        for piece in pieces:
            await self.bus.publish(ReplyClause(self.line, self.made, speakable(piece), piece))
            self.made += 1


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Answer what the user says."""
    answering = Answering(bus, parts)
    bus.tap(answering.learn)
    bus.tap(answering.forget)
    bus.tap(answering.stop)
    bus.subscribe(answering.answer, interruptible=True)
    bus.subscribe(answering.revive, interruptible=True)
