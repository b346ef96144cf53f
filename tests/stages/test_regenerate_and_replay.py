"""A message is said again, in a new take, or another one takes its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import anyio
import pytest
from attrs import define, evolve, field

from aichat.core import Message, NotFound, Prompt, Usage, Voice, WordMark
from aichat.core.events import (
    AudioReady,
    Event,
    HandlerFailed,
    Interrupted,
    LineFinished,
    MessageAdded,
    MessageDeleted,
    MessagesHidden,
    MessagesRevealed,
    ReplayWanted,
    ReplyText,
    RewriteWanted,
    SpeakersChosen,
    TurnFinished,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.toolkit.message_versions import chosen, versions
from support.chat import Chat, a_chat

pytestmark = pytest.mark.anyio


@define
class Counting(FakeLlm):
    """Writes another text each time."""

    calls: Any = field(factory=lambda: count(1))

    async def reply(self, prompt: Prompt) -> AsyncIterator[Any]:
        self.asked.append(prompt)
        number = next(self.calls)
        for word in f"Answer {number} is this one and no other.".split(" "):
            await anyio.sleep(self.seconds)
            yield word + " "
        yield Usage("m", 10 * number, number, number / 1000)


@define
class Listed(FakeTts):
    """Knows what it was asked to say."""

    said: list[str] = field(factory=list)

    def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        self.said.append(text)
        return super().speak(text, voice)


async def want(chat: Chat, kind: type[Event], *given: object) -> None:
    await chat.bus.publish(kind(chat.bus.new_turn("c"), *given))  # type: ignore[call-arg]
    await chat.bus.settled()


def sound(chat: Chat, turn: int) -> bytes:
    """What went to the loudspeaker in the turn of that place."""
    chosen_ = chat.heard.of(SpeakersChosen)[turn]
    return b"".join(e.pcm for e in chat.heard.of(AudioReady) if e.turn == chosen_.turn)


async def test_a_message_is_played_again_without_the_engine() -> None:
    tts = Listed()
    async with a_chat(tts=tts) as chat:
        await chat.say("@Olivia hi")
        before, asked = await chat.last_message(), len(tts.said)
        await want(chat, ReplayWanted, before.message_id)
        assert len(tts.said) == asked
        assert sound(chat, 1) == sound(chat, 0) != b""
        assert await chat.last_message() == before
        assert len(await chat.store.recent_messages("c")) == 2
        again = chat.heard.of(SpeakersChosen)[1]
        assert [(line.message_id, line.is_again) for line in again.lines] == [
            (before.message_id, True)
        ]
        assert not [e for e in chat.heard.of(ReplyText) if e.turn == again.turn]
        assert len(chat.heard.of(TurnFinished)) == 2


async def test_a_new_take_asks_the_engine_and_is_what_is_played_then() -> None:
    tts = Listed()
    async with a_chat(tts=tts) as chat:
        await chat.say("@Olivia hi")
        before, first = await chat.last_message(), list(tts.said)
        await want(chat, ReplayWanted, before.message_id, 0, True)
        assert tts.said == first * 2
        await want(chat, ReplayWanted, before.message_id)
        assert tts.said == first * 2
        assert await chat.last_message() == before


async def test_from_a_word_on_only_the_rest_is_said() -> None:
    tts = Listed()
    async with a_chat(tts=tts) as chat:
        await chat.say("@Olivia hi")
        before = await chat.last_message()
        first, start = len(tts.said), before.content.index("course")
        await want(chat, ReplayWanted, before.message_id, start)
        assert tts.said[first:] == ["course."], "the clause after it was spoken before"
        await want(chat, ReplayWanted, before.message_id, start, True)
        assert " ".join(tts.said[first + 1 :]) == "course. What else?"


async def test_a_replay_that_is_interrupted_changes_nothing() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=200)) as chat:
        await chat.say("@Olivia hi")
        before = await chat.last_message()
        await chat.bus.publish(ReplayWanted(chat.bus.new_turn("c"), before.message_id))
        await chat.until(SpeakersChosen, 2)
        await anyio.sleep(0.5)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        assert [m.content for m in await chat.store.recent_messages("c")] == [
            "@Olivia hi",
            before.content,
        ]
        assert await chat.last_message() == before


async def test_another_version_is_asked_for_with_what_was_before_the_message() -> None:
    llm = Counting()
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        first = await chat.last_message()
        await chat.say("@Mark and you?")
        await want(chat, RewriteWanted, first.message_id)
        told = [message.content for message in llm.asked[-1].messages[1:]]
        assert told == ["@Olivia hi"]
        new, later = await chat.last_message(1), await chat.last_message()
        assert (new.message_id, new.content) == (
            first.message_id,
            "Answer 3 is this one and no other.",
        )
        assert [one["content"][:8] for one in versions(new)] == ["Answer 1", "Answer 3"]
        assert new.created_at == first.created_at
        assert later.name == "Mark"
        assert new.extensions["usage"]["reply_tokens"] == 3
        assert versions(new)[0]["usage"]["reply_tokens"] == 1
        await chat.say("@Mark once more")
        told = [message.content for message in llm.asked[-1].messages[1:]]
        assert "Answer 3 is this one and no other." in told[0]
        assert not any("Answer 1" in text for text in told)


async def test_a_version_that_is_interrupted_keeps_what_was_heard() -> None:
    llm = Counting()
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        await chat.say("@Olivia hi")
        first = await chat.last_message()
        await chat.bus.publish(RewriteWanted(chat.bus.new_turn("c"), first.message_id))
        await chat.until(SpeakersChosen, 2)
        await anyio.sleep(0.75)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        cut = await chat.last_message()
        assert cut.interrupted
        assert cut.content.startswith("Answer 2 is this")
        assert cut.heard is not None
        assert cut.content.startswith(cut.heard)
        assert chosen(cut, 0).content == first.content


@pytest.mark.parametrize("how", ["interrupted", "failed"])
async def test_a_version_of_which_nothing_came_leaves_the_message_as_it_was(how: str) -> None:
    llm = Counting(seconds=5.0 if how == "interrupted" else 0.0)
    async with a_chat(llm=llm, failures=how == "failed") as chat:
        await chat.say("@Olivia hi")
        first = await chat.last_message()
        if how == "failed":
            llm.calls = iter(())  # the next call fails
        await chat.bus.publish(RewriteWanted(chat.bus.new_turn("c"), first.message_id))
        await chat.until(SpeakersChosen, 2)
        await anyio.sleep(1)
        if how == "interrupted":
            chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        assert await chat.last_message() == first
        shown = chat.heard.of(MessageAdded)[-1]
        assert shown.message == first, "whoever showed it as thinking is told"
        assert chat.bus.live_turn("c") is None


async def test_a_version_of_a_message_that_memory_has_lost_is_asked_for_all_the_same() -> None:
    async with a_chat(llm=Counting()) as chat:
        await chat.say("@Olivia first")
        first = await chat.last_message()
        more = [evolve(first, message_id=f"m{n}", content=f"more {n}") for n in range(250)]
        await chat.store.add_messages(more)
    llm = Counting()
    async with a_chat(llm=llm, storage=chat.store) as later:
        await want(later, RewriteWanted, first.message_id)
        assert [m.content for m in llm.asked[-1].messages[1:]] == ["@Olivia first"]
        kept = await later.store.message(first.message_id)
        assert len(versions(kept)) == 2


@pytest.mark.parametrize("kind", [ReplayWanted, RewriteWanted])
@pytest.mark.parametrize("whose", ["user", "nobody", "somebody who left", "elsewhere"])
async def test_what_nobody_here_has_said_is_not_said_again(kind: type[Event], whose: str) -> None:
    async with a_chat(failures=True) as chat:
        await chat.say("@Olivia hi")
        id = (await chat.last_message(0 if whose == "user" else 1)).message_id
        if whose == "somebody who left":
            await chat.store.leave_conversation("c", "olivia")
        elif whose == "elsewhere":
            other = await chat.store.conversation("c")
            await chat.store.add_conversation(evolve(other, conversation_id="d"))
            moved = evolve(await chat.last_message(), conversation_id="d", message_id="other")
            await chat.store.add_message(moved)
        ids = {"nobody": "nobody", "elsewhere": "other"}
        await want(chat, kind, ids.get(whose, id))
        assert isinstance(chat.heard.of(HandlerFailed)[0].error, NotFound)
        assert chat.bus.live_turn("c") is None
        assert len(chat.heard.of(LineFinished)) == 1


async def test_what_was_deleted_or_changed_is_told_to_nobody() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia a secret")
        secret, answer = await chat.last_message(0), await chat.last_message()
        chat.bus.post(MessageDeleted(chat.bus.turn("c"), secret.message_id))
        mended = evolve(answer, content="I say something else.")
        chat.bus.post(MessageAdded(chat.bus.turn("c"), mended, changed=True))
        await chat.bus.settled()
        assert [m.content for m in await chat.store.recent_messages("c")] == [mended.content]
        await chat.say("@Mark hi")
        told = " ".join(message.content for message in llm.asked[-1].messages[1:])
        assert "secret" not in told
        assert mended.content in told
        assert answer.content not in told


async def test_of_what_is_hidden_nobody_is_told_until_it_is_back_in_its_place() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm) as chat:
        for words in ("one", "two", "three"):
            await chat.say(f"@Olivia {words}")
        hidden = tuple(one.message_id for one in (await chat.store.recent_messages("c"))[2:4])

        async def told() -> list[str]:
            await chat.say("@Mark hi")
            return [m.content for m in llm.asked[-1].messages[1:] if m.role == "user"]

        chat.bus.post(MessagesHidden(chat.bus.turn("c"), hidden))
        assert not any("two" in words for words in await told())
        chat.bus.post(MessagesRevealed(chat.bus.turn("c"), hidden))
        places = [
            next(i for i, words in enumerate(await told()) if one in words)
            for one in ("one", "two", "three")
        ]
        assert places == sorted(places)


async def test_a_message_that_waits_for_the_store_can_be_deleted() -> None:
    async with a_chat(failures=True) as chat:
        whole = chat.store.add_message

        async def refuse(_: Message) -> None:
            from aichat.core import Unreachable

            raise Unreachable("The disk is full.", "Empty it.")

        chat.store.add_message = refuse
        await chat.say("@Olivia hi")
        mine = next(e.message for e in chat.heard.of(MessageAdded) if e.message.role == "user")
        chat.bus.post(MessageDeleted(chat.bus.turn("c"), mine.message_id))
        await chat.bus.settled()
        chat.store.add_message = whole
        await chat.say("@Olivia again")
        kept = [m.content for m in await chat.store.recent_messages("c")]
        assert "@Olivia hi" not in kept
        assert "@Olivia again" in kept
