"""Stage: decide who answers, and let each character write in turn.

The next character starts as soon as the text before it is complete; nobody waits for voices. The
history that the models see is kept in memory from ``MessageAdded``, so that an answer never waits
for the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import takewhile

import anyio
from attrs import define, evolve, field

from aichat.core import (
    BackendFailed,
    Breath,
    Bus,
    Character,
    Conversation,
    Habits,
    Overflow,
    Parts,
    ToolCall,
    Usage,
    Withdrawn,
    Written,
    closing,
    hookimpl,
    new_id,
    patience,
    replied,
)
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    Interrupted,
    Line,
    LineBegan,
    LineFinished,
    LineInterrupted,
    LinesRevived,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    MessagesRevealed,
    PromptSent,
    ReplyClause,
    ReplyUsage,
    SpeakersAsked,
    SpeakersChosen,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)

from .draft import Draft
from .foreseeing import Foreseeing
from .own_words import OwnWords
from .pace import Pace
from .prompts import Told, prompt, told
from .speakable import speakable
from .tooling import ROUNDS, Toolbox, tools_of
from .who import Past, Rules, answering, asked, going_on, rules, silence

HISTORY = 200
"""So many messages of a conversation are kept in memory."""
TOKEN_SECONDS = 45.0
"""A model that writes nothing for so long has failed; backends may be stricter."""


@define
class Talk:
    """One conversation: what was said, who is here, and whose turn it is to write."""

    messages: dict[str, Told] = field(factory=dict)
    hidden: set[str] = field(factory=set)
    """Messages that nobody is told of for now."""
    is_loaded: bool = False
    conversation: Conversation | None = None
    cast: Sequence[Character] = ()
    rules: Rules = field(factory=Rules)
    writing: tuple[Line, anyio.CancelScope] | None = None
    drafts: dict[str, Told] = field(factory=dict)
    """This turn's replies, which the next character reads before they were heard."""
    pace: Pace = field(factory=Pace)
    wrote: bool = False
    """Somebody wrote something in this turn."""
    may_go_on: bool = False
    """The user has neither spoken nor stopped anybody since the last turn of theirs."""
    by_themselves: int = 0
    """So many replies have followed on their own since then."""

    def begin_turn(self) -> None:
        """Nothing was written yet."""
        self.drafts, self.wrote, self.pace = {}, False, Pace()

    def keep_draft(self, line: Line, text: str) -> None:
        """Let those who write next in this turn know what was written."""
        if line.says == "new":
            self.drafts[line.message_id] = told(line.message(text))

    @property
    def last_speaker(self) -> str | None:
        """Who spoke last, as far as that was heard."""
        said = (one.message.character_id for one in reversed(self.messages.values()) if one.tokens)
        return next((id for id in said if id), None)


@define
class Answering:
    """Leads the characters through a turn."""

    bus: Bus
    parts: Parts
    talks: dict[str, Talk] = field(factory=dict)
    habits: Habits = field(factory=Habits)

    def talk(self, conversation: str) -> Talk:
        """Return what is kept of a conversation."""
        if (talk := self.talks.get(conversation)) is None:
            talk = self.talks[conversation] = Talk()
        return talk

    # -- what is known -----------------------------------------------------------------------

    def learn(self, event: MessageAdded) -> None:
        """Keep a message, or its truer version."""
        talk, message = self.talk(event.turn.conversation), event.message
        if message.message_id in talk.hidden:
            return
        talk.messages[message.message_id] = told(message)
        talk.drafts.pop(message.message_id, None)
        while len(talk.messages) > HISTORY:
            del talk.messages[next(iter(talk.messages))]

    def unlearn(self, event: MessageDeleted) -> None:
        """Tell nobody of a message that was deleted."""
        talk = self.talk(event.turn.conversation)
        talk.messages.pop(event.message_id, None)
        talk.hidden.discard(event.message_id)

    def hide(self, event: MessagesHidden | MessagesRevealed) -> None:
        """Tell nobody of messages that may come back; when they do, they stand where they did."""
        talk = self.talk(event.turn.conversation)
        if isinstance(event, MessagesRevealed):
            talk.hidden.difference_update(event.message_ids)
            talk.is_loaded = False
            return
        talk.hidden.update(event.message_ids)
        for id in event.message_ids:
            talk.messages.pop(id, None)

    def forget(self, event: ConversationClosed) -> None:
        """Drop what is kept of a conversation."""
        self.talks.pop(event.turn.conversation, None)

    def heed(self, event: UserSaid | SpeakersAsked | UserStartedSpeaking | Interrupted) -> None:
        """Count anew; characters go on by themselves only after what the user wanted is done."""
        if not (isinstance(event, SpeakersAsked) and event.auto):
            talk = self.talk(event.turn.conversation)
            talk.may_go_on = isinstance(event, (UserSaid, SpeakersAsked))
            talk.by_themselves = 0

    def keep_pace(self, event: ReplyClause | AudioReady | LineFinished | LineInterrupted) -> None:
        """Note how far the text is ahead of the loudspeaker."""
        self.talk(event.turn.conversation).pace.note(event)

    async def _load(self, talk: Talk, conversation: str) -> None:
        storage = self.parts.storage
        talk.conversation, talk.cast = await storage.cast(conversation)
        talk.rules = rules(talk.conversation.settings)
        await self._remember(talk, conversation)

    async def _remember(self, talk: Talk, conversation: str) -> None:
        if not talk.is_loaded:
            recent = await self.parts.storage.recent_messages(conversation, HISTORY)
            known = {m.message_id: told(m) for m in recent if m.message_id not in talk.hidden}
            talk.messages = known | talk.messages
            talk.is_loaded = True

    async def last_speaker(self, conversation: str) -> str | None:
        """Tell who spoke last in a conversation."""
        talk = self.talk(conversation)
        await self._remember(talk, conversation)
        return talk.last_speaker

    # -- a turn ------------------------------------------------------------------------------

    async def answer(self, event: UserSaid | SpeakersAsked) -> None:
        """Decide who answers, and let one after the other write."""
        talk = self.talk(event.turn.conversation)
        chosen = SpeakersChosen(event.turn, ())
        try:
            await self._load(talk, event.turn.conversation)
            chosen = self._choose(talk, event)
        finally:  # also after a failure, so that the turn ends
            await self.bus.publish(chosen)
        talk.begin_turn()
        if isinstance(event, UserSaid) and event.message_id not in talk.messages:
            talk.drafts[event.message_id] = told(event.message())  # of a provisional turn
        for line in chosen.lines:
            if line.place:
                await self.bus.committed(event.turn)
            await self._give_word(talk, line)

    def _choose(self, talk: Talk, event: UserSaid | SpeakersAsked) -> SpeakersChosen:
        past, note = Past(talk.last_speaker, event.turn.number), ""
        if isinstance(event, UserSaid):
            speakers = answering(event.text, talk.cast, talk.rules, past)
            note = "" if speakers else silence(event.text, talk.cast, talk.rules)
        elif not event.auto:
            speakers = asked(event.characters, talk.cast, talk.rules, past)
        else:
            speakers = going_on(talk.cast, talk.rules, past)
            return self._by_themselves(talk, event, speakers)
        return SpeakersChosen(event.turn, _lines(event, speakers), note)

    def _by_themselves(
        self, talk: Talk, event: SpeakersAsked, speakers: Sequence[Character]
    ) -> SpeakersChosen:
        """Let characters speak by themselves, as many as may still."""
        count, cap = talk.by_themselves, talk.rules.auto_cap
        lines = _lines(event, speakers[: cap - count])
        talk.by_themselves += len(lines)
        return SpeakersChosen(event.turn, lines, "", count, cap)

    async def go_on(self, event: TurnFinished) -> None:
        """In auto mode the characters go on when a turn is over, up to the cap."""
        conversation = event.turn.conversation
        talk = self.talk(conversation)
        if not (talk.may_go_on and talk.wrote and talk.rules.auto):
            return
        await self._load(talk, conversation)  # the user may have switched it off meanwhile
        is_new = self.bus.turn(conversation) == event.turn
        room = talk.rules.auto and talk.by_themselves < talk.rules.auto_cap
        past = Past(talk.last_speaker, event.turn.number + 1)
        if is_new and talk.may_go_on and room and going_on(talk.cast, talk.rules, past):
            await self.bus.publish(SpeakersAsked(self.bus.new_turn(conversation), auto=True))

    async def revive(self, event: LinesRevived) -> None:
        """Let lines that were cut off be said: as they were written, or written anew."""
        talk = self.talk(event.turn.conversation)
        try:
            await self._load(talk, event.turn.conversation)
        finally:
            await self.bus.publish(SpeakersChosen(event.turn, event.lines))
        talk.begin_turn()
        for line, text in zip(event.lines, event.texts, strict=True):
            if text:
                await self._say(talk, line, text)
            else:
                await self._give_word(talk, line)

    async def _say(self, talk: Talk, line: Line, text: str) -> None:
        """Say a text that is there already."""
        await self.bus.publish(LineBegan(line))
        draft = Draft(self.bus, line, self.parts.speakable_filters, is_shown=line.is_again)
        await draft.hand_over(await draft.add(text))
        await draft.finish()
        talk.keep_draft(line, draft.text)

    async def _give_word(self, talk: Talk, line: Line) -> None:
        """Let one character write, unless somebody has stopped it already."""
        began = LineBegan(line)
        await talk.pace.near()
        if self.bus.is_void(began):
            return
        await self.bus.publish(began)
        with anyio.CancelScope() as scope:
            talk.writing = (line, scope)
            await self._write(talk, began)
        talk.writing = None

    def stop(self, event: LineInterrupted) -> None:
        """A speaker was stopped who may still be writing: the next one begins."""
        talk = self.talk(event.turn.conversation)
        talk.drafts.pop(event.line.message_id, None)  # what was heard of it is a message
        if talk.writing and talk.writing[0] == event.line:
            talk.writing[1].cancel()

    async def _write(self, talk: Talk, event: LineBegan) -> None:
        """Stream one reply; what goes wrong with it is told and does not stop the next."""
        line = event.line
        character = next(who for who in talk.cast if who.id == line.character)
        draft = Draft(self.bus, line, self.parts.speakable_filters)
        try:
            await self._stream(talk, character, draft)
        except Exception as error:
            self.bus.report(event, error)
        if (took := draft.usage) is not None:
            numbers = (took.prompt_tokens, took.reply_tokens, took.cost)
            await self.bus.publish(ReplyUsage(line, took.model, *numbers))
        await draft.finish()
        talk.wrote = talk.wrote or bool(draft.text.strip())
        talk.keep_draft(line, draft.text)

    async def _stream(self, talk: Talk, character: Character, draft: Draft) -> None:
        assert talk.conversation is not None  # noqa: S101  (_load has set it)
        llm = self.parts.llm
        others = [who.name for who in talk.cast if who.id != character.id]
        messages = await self._known(talk, draft.line)
        room = getattr(llm, "context_tokens", None)
        sent = prompt(character, talk.cast, messages, talk.conversation, room)
        toolbox = Toolbox(self.bus, draft.line, tools_of(character, self.parts.tools))
        sent = evolve(sent, tools=toolbox.tools)
        for rounds_left in range(ROUNDS, -1, -1):
            self.bus.post(PromptSent(draft.line, sent))
            said = draft.begin_round()
            words = OwnWords(character.name, others)
            async with closing(replied(llm, sent, self.habits)) as deltas:
                calls = await self._read(deltas, words, draft)
            await draft.hand_over(await draft.add(words.flush()))
            if not (calls and rounds_left):
                break
            await draft.pause()
            sent = await toolbox.go_on(sent, draft.text[said:], calls, last=rounds_left == 1)
        if not draft.text.strip():
            raise BackendFailed(f"{character.name} wrote nothing.", "Ask again.")

    async def _known(self, talk: Talk, line: Line) -> list[Told]:
        """Return what was said when a line is written: before it, for another version of it."""
        if line.says != "version":
            return [*talk.messages.values(), *talk.drafts.values()]
        if line.message_id in talk.messages:
            before = takewhile(lambda id: id != line.message_id, talk.messages)
            return [talk.messages[id] for id in before]
        storage, here = self.parts.storage, line.turn.conversation
        older = await storage.recent_messages(here, HISTORY, before=line.message_id)
        return [told(message) for message in older if message.message_id not in talk.hidden]

    async def _read(
        self, deltas: AsyncIterator[Written | Withdrawn], words: OwnWords, draft: Draft
    ) -> list[ToolCall]:
        """Read until the stream ends, or another speaker's line begins, or nothing comes.

        Returns the tools that the model asks for.
        """
        calls: list[ToolCall] = []
        breath = Breath(self.bus.clock)
        with patience(self.bus.clock, TOKEN_SECONDS, "The language model wrote nothing") as waiting:
            async for delta in deltas:
                if isinstance(delta, ToolCall):
                    calls.append(delta)
                    continue
                if isinstance(delta, Usage):
                    draft.count(delta)
                    continue
                if isinstance(delta, Withdrawn):
                    words.flush()
                    words.feed("\n")  # what follows begins a line
                    await draft.withdraw()
                    continue
                if complete := await draft.add(words.feed(delta)):
                    waiting.pause()  # this may wait for the loudspeaker
                    await draft.hand_over(complete)
                if words.is_over:
                    return []
                waiting.renew()
                if not draft.held:  # what was published makes work that a fast model must not delay
                    await breath.take()
        return calls


def _lines(event: UserSaid | SpeakersAsked, speakers: Sequence[Character]) -> tuple[Line, ...]:
    return tuple(
        Line(event.turn, who.id, place, new_id(), who.name) for place, who in enumerate(speakers)
    )


@hookimpl
def speakable_filter() -> Callable[[str], str]:
    """Leave out mark-up, code, emoji and stage directions."""
    return speakable


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Answer what the user says."""
    answers = Answering(bus, parts)
    bus.tap(answers.learn)
    bus.tap(answers.unlearn)
    bus.tap(answers.hide)
    bus.tap(answers.heed)
    bus.tap(answers.forget)
    bus.tap(answers.stop)
    bus.tap(answers.keep_pace, interruptible=True)
    bus.subscribe(answers.answer, interruptible=True, ahead=True)
    bus.subscribe(answers.go_on, interruptible=True)
    bus.subscribe(answers.revive, interruptible=True)
    foreseeing = Foreseeing(bus, parts, answers.last_speaker)
    bus.subscribe(
        foreseeing.foresee, lane_by=lambda draft: draft.writer, limit=1, overflow=Overflow.COALESCE
    )
