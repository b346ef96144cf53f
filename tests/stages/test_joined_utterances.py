"""Who goes on before any of the answer was heard makes one message and one turn with it.

Every utterance has frames of its own value, and its transcript is the word of that value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Message, Prompt, Unreachable, Utterance
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    AudioReceived,
    Event,
    Interrupted,
    LinePlayed,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    PlaybackPaused,
    PlaybackResumed,
    SpeakersChosen,
    Speculated,
    Turn,
    TurnFinished,
    UserSaid,
    UtteranceHeard,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts, FakeTurn
from aichat.stages.hearing import joined_utterances
from support.chat import Chat, a_chat, a_store
from support.microphone import QUIET

pytestmark = pytest.mark.anyio

WORDS = [
    "",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
]
END_MS = 300


@define
class WordStt:
    """Each utterance is the word of its frames' value."""

    seconds: float = 0.1
    wordless: frozenset[int] = frozenset()

    async def transcribe(self, utterance: Utterance) -> str:
        await anyio.sleep(self.seconds)
        spoken = sorted(set(utterance.pcm) - {0})
        return " ".join(WORDS[n] for n in spoken if n not in self.wordless)


@define
class Speaker:
    """The user of one conversation; each utterance has the next word."""

    chat: Chat
    conversation: str = "c"

    def word(self) -> int:
        heard = self.chat.heard.of(UtteranceHeard)
        return 1 + sum(1 for e in heard if e.key and e.turn.conversation == self.conversation)

    async def send(self, sample: int, frames: int) -> None:
        for _ in range(frames):
            frame = bytes([sample, 0]) * 320 if sample else QUIET
            turn = self.chat.bus.turn(self.conversation)
            await self.chat.bus.publish(AudioReceived(turn, frame))
            await anyio.sleep(0.02)

    async def say(self, frames: int = 20) -> None:
        """Speak, and be silent until the words are a message."""
        await self.send(self.word(), frames)
        await self.send(0, 30)

    def said(self) -> list[str]:
        said = self.chat.heard.of(UserSaid)
        return [one.text for one in said if one.turn.conversation == self.conversation]

    async def messages(self) -> list[tuple[str, str]]:
        await self.chat.bus.settled()
        stored = await self.chat.store.recent_messages(self.conversation)
        return [(m.name or m.role, m.content) for m in stored]


@asynccontextmanager
async def spoken(
    llm_seconds: float = 0.4, speculate: str = "off", **more: object
) -> AsyncIterator[tuple[Chat, Speaker]]:
    """A chat with Olivia; her model writes a word every *llm_seconds*."""
    more.setdefault("stt", WordStt())
    more.setdefault("storage", await a_store(["Olivia"]))
    turn = FakeTurn(end_ms=END_MS, barge_in_ms=250, speculate=speculate)
    more.setdefault("llm", FakeLlm("I see. Go on.", seconds=llm_seconds))
    async with a_chat(turn=turn, tts=FakeTts(ms_per_word=400), **more) as chat:
        yield chat, Speaker(chat)


async def test_two_utterances_before_any_answer_are_one_message_and_one_turn() -> None:
    async with spoken() as (chat, user):
        await user.say()
        await user.say()
        assert await user.messages() == [("user", "one two"), ("Olivia", "I see. Go on.")]
        first, second = chat.heard.of(UserSaid)
        assert (second.joins, second.message_id) == (first.turn, first.message_id)
        (message, reply) = await chat.store.recent_messages("c")
        assert message.turn_id == reply.turn_id == second.turn.id
        added = [e.message for e in chat.heard.of(MessageAdded) if e.message.role == "user"]
        assert message.created_at == added[0].created_at
        (asked,) = {prompt.messages[-1].content for prompt in chat.parts.llm.asked[1:]}
        assert asked == "one two"


async def test_any_number_of_utterances_join() -> None:
    async with spoken() as (_, user):
        for _ in range(5):
            await user.say()
        assert await user.messages() == [
            ("user", "one two three four five"), ("Olivia", "I see. Go on."),
        ]  # fmt: skip


async def test_a_message_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined_utterances, "LONGEST", len("one two"))
    async with spoken() as (_, user):
        for _ in range(4):
            await user.say()
        assert user.said() == ["one", "one two", "one two three", "four"]


async def test_once_something_of_the_answer_was_heard_the_next_utterance_is_a_new_message() -> None:
    async with spoken(llm_seconds=0.05) as (chat, user):
        await user.say()
        await chat.until(AudioReady)
        await anyio.sleep(0.5)
        await user.say()
        messages = await user.messages()
        assert [content for who, content in messages if who == "user"] == ["one", "two"]
        stored = (await chat.store.recent_messages("c"))[1]
        assert stored.interrupted
        assert stored.heard


async def test_an_answer_that_waits_at_the_loudspeaker_is_withdrawn() -> None:
    """It was sent, so it would be shown as not spoken; but the user has not finished."""
    async with spoken(llm_seconds=0.02) as (chat, user):
        await user.send(1, 20)
        while not chat.heard.of(UserSaid):
            await user.send(0, 1)
        chat.bus.post(PlaybackPaused(chat.bus.turn("c"), "away"))  # the page is being loaded anew
        await chat.until(SpeakersChosen)
        await anyio.sleep(1)
        await user.say()
        assert await user.messages() == [("user", "one two"), ("Olivia", "I see. Go on.")]


async def test_audio_that_was_sent_but_not_heard_leaves_no_message() -> None:
    """The loudspeaker holds at the first sample: it heard a voice before it could begin."""
    async with spoken(llm_seconds=0.02) as (chat, user):
        await user.send(1, 20)
        while not chat.heard.of(AudioReady):
            await user.send(0, 1)
        line = chat.heard.of(AudioReady)[0].line
        chat.bus.post(LinePlayed(line, 0.0, "paused"))
        await user.say()
        assert chat.heard.of(UserSaid)[-1].joins == line.turn
        chat.bus.post(LinePlayed(line, 400.0, "flushed"))  # it comes too late to change that
        assert await user.messages() == [("user", "one two"), ("Olivia", "I see. Go on.")]


async def test_words_that_a_loudspeaker_has_played_all_the_same_are_kept() -> None:
    """The loudspeaker held a little late, as it is far away."""
    async with spoken(llm_seconds=0.02) as (chat, user):
        await user.send(1, 20)
        while not chat.heard.of(AudioReady):
            await user.send(0, 1)
        line = chat.heard.of(AudioReady)[0].line
        await user.send(2, 30)
        chat.bus.post(LinePlayed(line, 500.0, "flushed"))
        await user.send(0, 30)
        assert user.said() == ["one", "two"]
        messages = await chat.store.recent_messages("c")
        assert [m.said for m in messages][:2] == ["one", "I see."]


async def test_typed_words_join_nothing_and_nothing_joins_them() -> None:
    async with spoken() as (chat, user):
        await user.say()
        await chat.begin("typed")
        await user.say()
        assert user.said() == ["one", "typed", "two"]
        assert [e.joins for e in chat.heard.of(UserSaid)] == [None] * 3


async def test_who_stops_the_characters_has_finished() -> None:
    async with spoken() as (chat, user):
        await user.say()
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await user.say()
        assert user.said() == ["one", "two"]


class Broken(FakeLlm):
    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        raise Unreachable("It is away.", "Wait.")
        yield ""


async def test_an_answer_that_failed_is_over() -> None:
    async with spoken(llm=Broken(), failures=True) as (chat, user):
        await user.say()
        await chat.until(TurnFinished)
        await user.say()
        assert user.said() == ["one", "two"]


async def test_an_edited_message_is_continued_as_it_is_now() -> None:
    async with spoken() as (chat, user):
        await user.say()
        said = chat.heard.of(MessageAdded)[-1].message
        changed = evolve(said, content="Won", extensions={"stars": 5})
        chat.bus.post(MessageAdded(chat.bus.turn("c"), changed, changed=True))
        await user.say()
        assert (await user.messages())[0] == ("user", "Won two")
        assert (await chat.store.recent_messages("c"))[0].extensions["stars"] == 5


@pytest.mark.parametrize("gone", ["deleted", "hidden"])
async def test_a_message_that_is_gone_is_not_continued(gone: str) -> None:
    async with spoken() as (chat, user):
        await user.say()
        turn, id = chat.bus.turn("c"), chat.heard.of(UserSaid)[0].message_id
        event = MessagesHidden(turn, (id,)) if gone == "hidden" else MessageDeleted(turn, id)
        chat.bus.post(event)
        await user.say()
        assert user.said() == ["one", "two"]


async def test_conversations_join_nothing_of_each_other() -> None:
    store = await a_store(["Olivia"])
    await store.add_conversation(evolve((await store.cast("c"))[0], conversation_id="d"))
    async with spoken(storage=store) as (chat, user):
        other = Speaker(chat, "d")
        async with anyio.create_task_group() as both:
            both.start_soon(user.say)
            both.start_soon(other.say)
        await other.say()
        await anyio.sleep(4)
        await user.say()
        assert (user.said(), other.said()) == (["one", "two"], ["one", "one two"])


@define
class FailingStore(MemoryStorage):
    refusals: int = 0

    async def add_message(self, message: Message) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unreachable("The disk is away.", "Bring it back.")
        await super().add_message(message)


@pytest.mark.parametrize("refusals", [1, 3])
async def test_a_store_that_fails_keeps_one_message_in_the_end(refusals: int) -> None:
    store = FailingStore()
    vars(store).update(vars(await a_store(["Olivia"])))
    store.refusals = refusals
    async with spoken(storage=store, failures=True) as (chat, user):
        await user.say()
        await user.say()
        await chat.bus.settled()
        await anyio.sleep(60)
        assert await user.messages() == [("user", "one two"), ("Olivia", "I see. Go on.")]


async def test_a_speculative_answer_is_to_the_whole_message() -> None:
    async with spoken(speculate="on") as (chat, user):
        await user.say()
        await user.say()
        assert (await user.messages())[0] == ("user", "one two")
        assert [s.kept for s in chat.heard.of(Speculated)][-1]
        contents = [prompt.messages[-1].content for prompt in chat.parts.llm.asked]
        assert contents[0] == "one"
        assert set(contents[1:]) == {"one two"}


async def test_a_speculative_answer_to_a_message_that_has_changed_is_revoked() -> None:
    async with spoken(speculate="on") as (chat, user):
        await user.say()
        said = chat.heard.of(MessageAdded)[-1].message
        await user.send(2, 20)
        await user.send(0, 10)  # it is transcribed and answered by now
        changed = evolve(said, content="Won")
        chat.bus.post(MessageAdded(chat.bus.turn("c"), changed, changed=True))
        await user.send(0, 20)
        assert (await user.messages())[0] == ("user", "Won two")
        assert not chat.heard.of(Speculated)[-1].kept


# -- any order -------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(1, 40)),
        st.tuples(st.just("quiet"), st.integers(1, 80)),
        st.tuples(st.just("wait"), st.integers(1, 150)),
        st.tuples(st.sampled_from(["type", "stop", "hold", "go on"]), st.just(1)),
    ),
    min_size=3,
    max_size=10,
)


@define
class Ear:
    """Listens to the loudspeaker, step by step: was anything of each turn's answer heard?"""

    chat: Chat
    due: dict[Turn, float] = field(factory=dict)
    """When the first of it is heard, unless the loudspeaker holds before that."""
    heard: set[Turn] = field(factory=set)
    over: set[Turn] = field(factory=set)
    holds: set[tuple[Turn, str]] = field(factory=set)
    joined: list[tuple[UserSaid, bool, bool]] = field(factory=list)
    """What was said by voice; whether it could join the message before, and whether it had to."""
    before: UserSaid | None = None
    now: float = 0.0

    def hear(self, event: Event) -> None:
        self._let_pass(event.turn)
        if isinstance(event, AudioReady) and event.pcm:
            self.due.setdefault(event.turn, event.due)
        elif isinstance(event, PlaybackPaused):
            self.holds.add((event.turn, event.cause))
        elif isinstance(event, PlaybackResumed):
            self.holds.discard((event.turn, event.cause))
        elif isinstance(event, TurnFinished | Interrupted):
            if getattr(event, "reason", "") not in ("barge_in", "new_turn"):
                self.over.add(event.turn)
        elif isinstance(event, UserSaid):
            self._judge(event)

    def _let_pass(self, turn: Turn) -> None:
        """Count the time since the last event, for each turn that is not held."""
        now = self.chat.bus.clock.now()
        for one, due in self.due.items():
            if any(held == one for held, _ in self.holds):
                self.due[one] = due + (now - self.now if due >= self.now else 0.0)
            elif due < now:
                self.heard.add(one)
        self.now = now

    def _judge(self, event: UserSaid) -> None:
        before, self.before = self.before, event
        if event.source == "voice" and before:
            may = before.source == "voice" and not {before.turn} & (self.heard | self.over)
            self.joined.append((event, may, event.joins is not None))


async def take(chat: Chat, user: Speaker, step: str, frames: int) -> None:
    turn = chat.bus.turn("c")
    match step:
        case "speak":
            await user.send(user.word(), frames)
        case "quiet":
            await user.send(0, frames)
        case "wait":
            await anyio.sleep(frames * 0.02)
        case "type":
            await chat.begin("typed")
        case "stop" if live := chat.bus.live_turn("c"):
            chat.bus.interrupt(Interrupted(live))
        case "hold":
            chat.bus.post(PlaybackPaused(turn, "away"))
        case "go on":
            chat.bus.post(PlaybackResumed(turn, "away"))


@settings(deadline=None, max_examples=60)
@given(
    steps=STEPS,
    stt_seconds=st.floats(0, 2),
    llm_seconds=st.floats(0, 1),
    speculate=st.sampled_from(["on", "off"]),
    wordless=st.frozensets(st.integers(1, 4), max_size=2),
)
def test_in_any_order_of_events_no_word_is_lost_and_nothing_that_was_heard_is_withdrawn(
    steps: Sequence[tuple[str, int]],
    stt_seconds: float,
    llm_seconds: float,
    speculate: str,
    wordless: frozenset[int],
) -> None:
    async def main() -> None:
        stt = WordStt(stt_seconds, wordless)
        async with spoken(llm_seconds, speculate, stt=stt) as (chat, user):
            ear = Ear(chat)
            chat.bus.tap(ear.hear)
            for step, frames in steps:
                await take(chat, user, step, frames)
            if turn := chat.bus.live_turn("c"):
                chat.bus.post(PlaybackResumed(turn, "away"))
            await user.send(0, 20)
            await chat.bus.settled()
            await check(chat, user, ear, wordless)

    run_virtual(main)


async def check(chat: Chat, user: Speaker, ear: Ear, wordless: frozenset[int]) -> None:
    for said, may, joins in ear.joined:
        assert joins == may, said
    stored = await chat.store.recent_messages("c", 200)
    said = [m for m in stored if m.role == "user"]
    by_voice = " ".join(m.content for m in said if m.source == "voice").split()
    spoken = [WORDS[n] for n in range(1, user.word()) if n not in wordless]
    assert by_voice == spoken  # every word once, in order
    last = {e.message_id: e for e in chat.heard.of(UserSaid)}
    assert [(m.message_id, m.content, m.turn_id) for m in said] == [
        (id, e.text, e.turn.id) for id, e in last.items()
    ]
    withdrawn = {e.joins.id for e in chat.heard.of(UserSaid) if e.joins}
    assert not [m for m in stored if m.turn_id in withdrawn]
    heard = {turn.id for turn in ear.heard}
    assert not heard & withdrawn
