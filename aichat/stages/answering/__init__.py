"""Stage: decides who answers, and streams each character's reply in turn.

The next character starts as soon as the text before it is complete; nobody waits for voices. The
history that the models see is kept in memory from ``MessageAdded``, so that an answer never waits
for the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

import anyio
from attrs import Factory, define, evolve, field

from aichat.core import (
    BackendFailed,
    Bus,
    Character,
    Llm,
    NotFound,
    Overflow,
    Parts,
    PerConversation,
    Prompt,
    ToolCall,
    hookimpl,
    new_id,
)
from aichat.core.events import (
    AudioReady,
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
    SpeakersAsked,
    SpeakersChosen,
    Turn,
    TurnFinished,
    UserSaid,
    UserStartedSpeaking,
)
from aichat.core.registry.standby import Standby
from aichat.core.turn_rules import TurnContext, read_rules
from aichat.toolkit.model_output.filtered_replies import ThinkingHabits

from .conversation_state import ConversationContext
from .prompt_history import ModelMessage, as_oneself, model_message, prompt
from .reply import Reply
from .reply_bounds import LONGEST_REPLY, REPLY_SECONDS, THINKING_SECONDS, ReplyBounds, shows
from .reply_round import ReplyRound
from .speakable import speakable
from .speaker_filter import SpeakerFilter
from .speaker_preview import SpeakerPreview
from .tool_calls import ROUNDS, Toolbox, tools_of
from .turn_taking import (
    choose_next_speakers,
    choose_requested_speakers,
    choose_speakers,
    explain_silence,
)

HISTORY = 200
"""Most messages of a conversation kept in memory."""


@define
class Answering:
    """Streams the replies of a turn, one character after the other."""

    bus: Bus
    parts: Parts
    contexts: PerConversation[ConversationContext] = field(
        default=Factory(
            lambda self: self.bus.per_conversation(ConversationContext), takes_self=True
        )
    )
    habits: ThinkingHabits = field(factory=ThinkingHabits)
    standby: Standby = field(
        default=Factory(
            lambda self: Standby(self.bus.clock, self.parts, "llm", self.bus.engine_calls.stuck),
            takes_self=True,
        )
    )

    # -- what is known -----------------------------------------------------------------------

    def note_message(self, event: MessageAdded) -> None:
        """Keep a message, or its truer version."""
        context, message = self.contexts.of(event.turn.conversation), event.message
        context.changes += event.changed
        if message.message_id in context.hidden:
            return
        if event.changed and message.message_id not in context.messages:
            return  # it is older than what is kept, or yet to be read
        context.messages[message.message_id] = model_message(message)
        context.replies.pop(message.message_id, None)
        while len(context.messages) > HISTORY:
            del context.messages[next(iter(context.messages))]

    def drop_message(self, event: MessageDeleted) -> None:
        """Drop a message that was deleted from the history."""
        context = self.contexts.of(event.turn.conversation)
        context.changes += 1
        context.messages.pop(event.message_id, None)
        context.hidden.discard(event.message_id)

    def hide_messages(self, event: MessagesHidden | MessagesRevealed) -> None:
        """Leave out messages that may come back; restored, they stand where they did."""
        context = self.contexts.of(event.turn.conversation)
        if isinstance(event, MessagesRevealed):
            context.hidden.difference_update(event.message_ids)
            context.is_loaded = False
            return
        context.hidden.update(event.message_ids)
        for id in event.message_ids:
            context.messages.pop(id, None)

    def note_user(
        self, event: UserSaid | SpeakersAsked | UserStartedSpeaking | Interrupted
    ) -> None:
        """Count anew; characters go on by themselves only after what the user wanted is done."""
        if not (isinstance(event, SpeakersAsked) and event.auto):
            context = self.contexts.of(event.turn.conversation)
            context.may_continue = isinstance(event, (UserSaid, SpeakersAsked))
            context.auto_replies = 0

    def track_text_lead(
        self, event: ReplyClause | AudioReady | LineFinished | LineInterrupted
    ) -> None:
        """Note how far the text is ahead of the loudspeaker."""
        self.contexts.of(event.turn.conversation).text_lead.note(event)

    async def _load(self, context: ConversationContext, turn: Turn) -> None:
        """Read the cast and the settings, unless a later turn has read them meanwhile."""
        context.newest = max(context.newest, turn.number)
        conversation, cast = await self.parts.storage.cast(turn.conversation)
        if turn.number == context.newest:
            context.conversation, context.cast = conversation, cast
            context.rules = read_rules(conversation.settings)
        await self._load_history(context, turn.conversation)

    async def _load_history(self, context: ConversationContext, conversation: str) -> None:
        while not context.is_loaded:
            before = context.changes
            recent = await self.parts.storage.recent_messages(conversation, HISTORY)
            if context.is_loaded or before != context.changes:
                continue  # what was read may be out of date
            known = {
                m.message_id: model_message(m) for m in recent if m.message_id not in context.hidden
            }
            context.messages = known | context.messages
            context.is_loaded = True

    async def last_speaker(self, conversation: str) -> str | None:
        """Return the id of the character that spoke last in a conversation."""
        context = self.contexts.of(conversation)
        await self._load_history(context, conversation)
        return context.last_speaker

    # -- a turn ------------------------------------------------------------------------------

    async def answer(self, event: UserSaid | SpeakersAsked) -> None:
        """Decide who answers, and let one after the other write."""
        context = self.contexts.of(event.turn.conversation)
        chosen = SpeakersChosen(event.turn, ())
        try:
            await self._load(context, event.turn)
            chosen = self._choose_speakers(context, event)
        finally:  # also after a failure, so that the turn ends
            await self.bus.publish(chosen)
        context.begin_turn()
        if isinstance(event, UserSaid):
            context.keep_words(event)
        for line in chosen.lines:
            if line.place:
                await self.bus.committed(event.turn)
            await self._write_line(context, line)

    def _choose_speakers(
        self, context: ConversationContext, event: UserSaid | SpeakersAsked
    ) -> SpeakersChosen:
        at, note = TurnContext(context.last_speaker, event.turn.number), ""
        if isinstance(event, UserSaid):
            speakers = choose_speakers(event.text, context.cast, context.rules, at)
            note = "" if speakers else explain_silence(event.text, context.cast, context.rules)
        elif not event.auto:
            speakers = choose_requested_speakers(event.characters, context.cast, context.rules, at)
        else:
            speakers = choose_next_speakers(context.cast, context.rules, at)
            return self._choose_for_auto(context, event, speakers)
        return SpeakersChosen(event.turn, _lines(event, speakers), note)

    def _choose_for_auto(
        self, context: ConversationContext, event: SpeakersAsked, speakers: Sequence[Character]
    ) -> SpeakersChosen:
        """Choose the characters that speak by themselves, up to the cap."""
        count, cap = context.auto_replies, context.rules.auto_cap
        lines = _lines(event, speakers[: cap - count])
        context.auto_replies += len(lines)
        return SpeakersChosen(event.turn, lines, "", count, cap)

    async def continue_by_themselves(self, event: TurnFinished) -> None:
        """In auto mode the characters go on when a turn is over, up to the cap."""
        conversation = event.turn.conversation
        context = self.contexts.of(conversation)
        if not (context.may_continue and context.wrote and context.rules.auto):
            return
        await self._load(context, event.turn)  # the user may have switched it off meanwhile
        is_new = self.bus.turn(conversation) == event.turn
        room = context.rules.auto and context.auto_replies < context.rules.auto_cap
        at = TurnContext(context.last_speaker, event.turn.number + 1)
        may_continue = is_new and context.may_continue and room
        if may_continue and choose_next_speakers(context.cast, context.rules, at):
            await self.bus.publish(SpeakersAsked(self.bus.new_turn(conversation), auto=True))

    async def revive_lines(self, event: LinesRevived) -> None:
        """Let lines that were cut off be said: as they were written, or written anew."""
        context = self.contexts.of(event.turn.conversation)
        try:
            await self._load(context, event.turn)
        finally:
            await self.bus.publish(SpeakersChosen(event.turn, event.lines))
        context.begin_turn()
        for line, text in zip(event.lines, event.texts, strict=True):
            if text:
                await self._repeat_line(context, line, text)
            else:
                await self._write_line(context, line)

    async def _repeat_line(self, context: ConversationContext, line: Line, text: str) -> None:
        """Speak a text that was written before."""
        await self.bus.publish(LineBegan(line))
        reply = Reply(self.bus, line, self.parts.speakable_filters, is_shown=line.is_again)
        await reply.hand_over(await reply.add(text))
        await reply.finish()
        if not self.bus.is_void(LineBegan(line)):  # else what was heard of it is a message
            context.keep_reply(line, reply.text)

    async def _write_line(self, context: ConversationContext, line: Line) -> None:
        """Let one character write, unless it was interrupted already."""
        began = LineBegan(line)
        await context.text_lead.wait_until_near()
        if self.bus.is_void(began):
            return
        await self.bus.publish(began)
        with anyio.CancelScope() as scope:
            context.writing = (line, scope)
            await self._write_reply(context, began)
        if context.writing == (line, scope):  # else another turn went on without us
            context.writing = None

    def stop_line(self, event: LineInterrupted) -> None:
        """A speaker was stopped who may still be writing: the next one begins."""
        context = self.contexts.of(event.turn.conversation)
        context.replies.pop(event.line.message_id, None)  # what was heard of it is a message
        if context.writing and context.writing[0] == event.line:
            context.writing[1].cancel()

    async def _write_reply(self, context: ConversationContext, event: LineBegan) -> None:
        """Stream one reply; an error is reported and does not stop the next."""
        line = event.line
        reply = Reply(self.bus, line, self.parts.speakable_filters)
        try:
            await self._stream_reply(context, _find_character(context.cast, line), reply)
        except Exception as error:
            self.bus.report(event, error)
        await reply.report_usage()
        await reply.finish()
        context.wrote = context.wrote or bool(reply.text.strip())
        context.keep_reply(line, reply.text)

    async def _stream_reply(
        self, context: ConversationContext, character: Character, reply: Reply
    ) -> None:
        assert context.conversation is not None  # noqa: S101  (_load has set it)
        llm: Llm = self.standby.choose()
        others = [who.name for who in context.cast if who.id != character.id]
        messages = await self._history(context, reply.line)
        room = getattr(llm, "context_tokens", None)
        sent = prompt(character, context.cast, messages, context.conversation, room)
        toolbox = Toolbox(self.bus, reply.line, tools_of(character, self.parts.tools))
        if toolbox.tools:
            sent = evolve(sent, tools=toolbox.tools)
        bounds = _bounds(character, llm)
        for rounds_left in range(ROUNDS, -1, -1):
            said, words = reply.begin_round(), SpeakerFilter(character.name, others)
            calls = await self._ask(llm, sent, reply, bounds, words)
            if words.is_over and rounds_left == ROUNDS and not shows(reply.text):
                await reply.retry()
                words = SpeakerFilter(character.name, others)
                calls = await self._ask(llm, as_oneself(sent, llm), reply, bounds, words)
            if not (calls and rounds_left):
                break
            await reply.pause()
            sent = await toolbox.go_on(sent, reply.text[said:], calls, last=rounds_left == 1)
        if not shows(reply.text):
            raise BackendFailed(f"{character.name} wrote nothing.", "Ask again.")

    async def _ask(
        self, llm: Llm, sent: Prompt, reply: Reply, bounds: ReplyBounds, words: SpeakerFilter
    ) -> Sequence[ToolCall]:
        """Read one stream of the model into the reply; return the tools that it asks for."""
        self.bus.post(PromptSent(reply.line, sent))
        return await ReplyRound(self.bus, reply, bounds, words).read(llm, sent, self.habits)

    async def _history(self, context: ConversationContext, line: Line) -> list[ModelMessage]:
        """Return what was said when a line is written: before it, for another version of it."""
        if line.says != "version":
            return [*(context.messages | context.replies).values()]
        if line.message_id in context.messages:
            before = takewhile(lambda id: id != line.message_id, context.messages)
            return [context.messages[id] for id in before]
        storage, here = self.parts.storage, line.turn.conversation
        older = await storage.recent_messages(here, HISTORY, before=line.message_id)
        return [
            model_message(message) for message in older if message.message_id not in context.hidden
        ]


def _bounds(character: Character, llm: Llm) -> ReplyBounds:
    return ReplyBounds(
        character.name,
        getattr(llm, "max_reply_letters", LONGEST_REPLY),
        getattr(llm, "thinking_seconds", THINKING_SECONDS),
        getattr(llm, "reply_seconds", REPLY_SECONDS),
    )


def _find_character(cast: Sequence[Character], line: Line) -> Character:
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
    bus.tap(answers.note_message)
    bus.tap(answers.drop_message)
    bus.tap(answers.hide_messages)
    bus.tap(answers.note_user)
    bus.tap(answers.stop_line)
    bus.tap(answers.track_text_lead, interruptible=True)
    bus.subscribe(answers.answer, interruptible=True, speculative=True)
    bus.subscribe(answers.continue_by_themselves, interruptible=True)
    bus.subscribe(answers.revive_lines, interruptible=True)
    preview = SpeakerPreview(bus, parts, answers.last_speaker)
    bus.subscribe(
        preview.foresee, lane_by=lambda draft: draft.writer, limit=1, overflow=Overflow.COALESCE
    )
