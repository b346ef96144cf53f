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
    Bus,
    Character,
    CooperativeYield,
    Llm,
    NotFound,
    Overflow,
    Parts,
    Thinking,
    ToolCall,
    Usage,
    Written,
    closing,
    hookimpl,
    idle_timeout,
    new_id,
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
    Turn,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)
from aichat.toolkit.replies import Habits, replied
from aichat.toolkit.visible_text import Withdrawn

from .conversation_context import Talk
from .draft_preview import Foreseeing
from .prompts import Told, prompt, told
from .reply import Draft
from .reply_bounds import LONGEST_REPLY, THINKING_SECONDS, Bounds, shows
from .speakable import speakable
from .speaker_filter import OwnWords
from .tool_calls import ROUNDS, Toolbox, tools_of
from .turn_taking import Past, answering, asked, going_on, rules, silence

HISTORY = 200
"""So many messages of a conversation are kept in memory."""
TOKEN_SECONDS = 45.0
"""A model that neither writes nor thinks for so long has failed; backends may be stricter."""


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
        talk.changes += event.changed
        if message.message_id in talk.hidden:
            return
        if event.changed and message.message_id not in talk.messages:
            return  # it is older than what is kept, or yet to be read
        talk.messages[message.message_id] = told(message)
        talk.drafts.pop(message.message_id, None)
        while len(talk.messages) > HISTORY:
            del talk.messages[next(iter(talk.messages))]

    def unlearn(self, event: MessageDeleted) -> None:
        """Tell nobody of a message that was deleted."""
        talk = self.talk(event.turn.conversation)
        talk.changes += 1
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

    async def _load(self, talk: Talk, turn: Turn) -> None:
        """Look who is here, unless a later turn has looked meanwhile."""
        talk.newest = max(talk.newest, turn.number)
        conversation, cast = await self.parts.storage.cast(turn.conversation)
        if turn.number == talk.newest:
            talk.conversation, talk.cast = conversation, cast
            talk.rules = rules(conversation.settings)
        await self._remember(talk, turn.conversation)

    async def _remember(self, talk: Talk, conversation: str) -> None:
        while not talk.is_loaded:
            before = talk.changes
            recent = await self.parts.storage.recent_messages(conversation, HISTORY)
            if talk.is_loaded or before != talk.changes:
                continue  # what was read may be out of date
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
            await self._load(talk, event.turn)
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
        await self._load(talk, event.turn)  # the user may have switched it off meanwhile
        is_new = self.bus.turn(conversation) == event.turn
        room = talk.rules.auto and talk.by_themselves < talk.rules.auto_cap
        past = Past(talk.last_speaker, event.turn.number + 1)
        if is_new and talk.may_go_on and room and going_on(talk.cast, talk.rules, past):
            await self.bus.publish(SpeakersAsked(self.bus.new_turn(conversation), auto=True))

    async def revive(self, event: LinesRevived) -> None:
        """Let lines that were cut off be said: as they were written, or written anew."""
        talk = self.talk(event.turn.conversation)
        try:
            await self._load(talk, event.turn)
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
        if not self.bus.is_void(LineBegan(line)):  # else what was heard of it is a message
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
        if talk.writing == (line, scope):  # else another turn went on without us
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
        draft = Draft(self.bus, line, self.parts.speakable_filters)
        try:
            await self._stream(talk, _member(talk.cast, line), draft)
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
        bounds = _bounds(character, llm)
        for rounds_left in range(ROUNDS, -1, -1):
            self.bus.post(PromptSent(draft.line, sent))
            said = draft.begin_round()
            words = OwnWords(character.name, others)
            async with closing(replied(llm, sent, self.habits)) as deltas:
                calls = await self._read(deltas, words, bounds, draft)
            await draft.hand_over(await draft.add(words.flush()))
            if not (calls and rounds_left):
                break
            await draft.pause()
            sent = await toolbox.go_on(sent, draft.text[said:], calls, last=rounds_left == 1)
        if not shows(draft.text):
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
        self,
        deltas: AsyncIterator[Written | Withdrawn],
        words: OwnWords,
        bounds: Bounds,
        draft: Draft,
    ) -> list[ToolCall]:
        """Read until the stream ends, or another speaker's line begins, or nothing shows.

        Returns the tools that the model asks for.
        """
        calls: list[ToolCall] = []
        breath = CooperativeYield(self.bus.clock)
        with idle_timeout(
            self.bus.clock, TOKEN_SECONDS, "The language model wrote nothing"
        ) as waiting:
            async for delta in deltas:
                if isinstance(delta, ToolCall):
                    calls.append(delta)
                    continue
                if isinstance(delta, Usage):
                    draft.count(delta)
                    continue
                if isinstance(delta, Thinking):
                    bounds.think(self.bus.clock.now())
                    waiting.renew()
                    await breath.checkpoint()
                    continue
                if isinstance(delta, Withdrawn):
                    words.flush()
                    words.feed("\n")  # what follows begins a line
                    await draft.withdraw()
                    continue
                for piece in bounds.slices(delta):
                    await draft.take(words.feed(piece), waiting)
                    if words.is_over:
                        return []
                    if not draft.held:  # what was published makes work that must not be delayed
                        await breath.checkpoint()
        return calls


def _bounds(character: Character, llm: Llm) -> Bounds:
    return Bounds(
        character.name,
        getattr(llm, "max_reply_letters", LONGEST_REPLY),
        getattr(llm, "thinking_seconds", THINKING_SECONDS),
    )


def _member(cast: Sequence[Character], line: Line) -> Character:
    for who in cast:
        if who.id == line.character:
            return who
    raise NotFound(f"{line.name} is not here any more.", "Ask somebody else.")


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
    bus.subscribe(answers.answer, interruptible=True, speculative=True)
    bus.subscribe(answers.go_on, interruptible=True)
    bus.subscribe(answers.revive, interruptible=True)
    foreseeing = Foreseeing(bus, parts, answers.last_speaker)
    bus.subscribe(
        foreseeing.foresee, lane_by=lambda draft: draft.writer, limit=1, overflow=Overflow.COALESCE
    )
