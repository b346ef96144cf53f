"""What stages know may change while they wait for the store, or for each other."""

from __future__ import annotations

import anyio
import pytest
from attrs import evolve

from aichat.core import Character, Message, NotFound
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    HandlerFailed,
    Interrupted,
    LineInterrupted,
    LinesRevived,
    MessageAdded,
    MessageDeleted,
    ReplyFinished,
    RestWanted,
    RewriteWanted,
    SpeakersChosen,
    TurnFinished,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.toolkit.message_versions import edited, versions
from support.chat import Chat, a_chat, a_store
from support.slow_store import a_slow_store

pytestmark = pytest.mark.anyio
LONG = "One two three four five six seven eight nine ten. And then some more words."


def known(llm: FakeLlm, which: int = -1) -> str:
    """What a character was given to read."""
    return " | ".join(message.content for message in llm.asked[which].messages)


# -- answering -----------------------------------------------------------------------------------


async def test_what_is_deleted_while_the_history_is_read_is_in_no_prompt() -> None:
    store = await a_slow_store()
    for id in ("first", "second"):
        await store.add_message(Message(id, "c", "user", f"the {id} thing"))
    llm = FakeLlm("Yes.")
    async with a_chat(storage=store, llm=llm) as chat:
        store.message_pauses = [1.0]
        await chat.begin("@Olivia hi")
        await anyio.sleep(0.5)
        await store.delete_message("second")
        chat.bus.post(MessageDeleted(chat.bus.turn("c"), "second"))
        await chat.bus.settled()
        assert "the first thing" in known(llm)
        assert "the second thing" not in known(llm)


async def test_what_is_changed_while_the_history_is_read_is_in_the_prompt_as_it_is_now() -> None:
    store = await a_slow_store()
    first = Message("first", "c", "user", "the old thing")
    for message in (first, Message("second", "c", "user", "the second thing")):
        await store.add_message(message)
    llm = FakeLlm("Yes.")
    async with a_chat(storage=store, llm=llm) as chat:
        store.message_pauses = [1.0]
        await chat.begin("@Olivia hi")
        await anyio.sleep(0.5)
        new = edited(first, "the new thing")
        await store.add_message(new)
        chat.bus.post(MessageAdded(chat.bus.turn("c"), new, changed=True))
        await chat.bus.settled()
        told = known(llm)
        assert "the old thing" not in told
        assert told.index("the new thing") < told.index("the second thing")


async def test_an_old_message_that_is_changed_does_not_become_the_newest() -> None:
    store = await a_store()
    for number in range(250):
        await store.add_message(Message(f"m{number}", "c", "user", f"thing {number} of many"))
    llm = FakeLlm("Yes.")
    async with a_chat(storage=store, llm=llm) as chat:
        await chat.say("@Olivia hi")
        old = edited(await store.message("m3"), "something quite old")
        await store.add_message(old)
        chat.bus.post(MessageAdded(chat.bus.turn("c"), old, changed=True))
        await chat.say("@Olivia again")
        assert "something quite old" not in known(llm)


async def test_a_turn_is_answered_by_who_is_here_now_however_late_an_older_look_comes() -> None:
    store = await a_slow_store()
    await store.change_conversation("c", {"settings": {"auto": True, "strategy": "everyone"}})
    llm = FakeLlm("Yes.")
    async with a_chat(storage=store, llm=llm, failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(ReplyFinished)
        store.cast_pauses = [5.0]  # for whoever asks when the turn is over
        await chat.until(TurnFinished)
        await anyio.sleep(0.1)
        store.cast_pauses = [0.0]
        await store.add_character(Character("ann", "Ann", "You are Ann."))
        await store.join_conversation("c", "ann")
        llm.seconds = 10.0
        await chat.begin("@Ann @Ann hi, and @Mark")
        chosen = await chat.until(SpeakersChosen, 2)
        assert "ann" in [line.character for line in chosen.lines]
        await anyio.sleep(60)
        assert not [f for f in chat.heard.of(HandlerFailed) if "RuntimeError" in repr(f.error)]
        if live := chat.bus.live_turn("c"):
            chat.bus.interrupt(Interrupted(live))


async def test_who_left_before_it_was_their_turn_ends_no_turn() -> None:
    store = await a_store()
    async with a_chat(storage=store, llm=FakeLlm(LONG), tts=FakeTts(200), failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(1.1)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        line = chat.heard.of(SpeakersChosen)[0].lines[0]
        turn = chat.bus.new_turn("c")
        gone = evolve(line, turn=turn, character="nobody", name="Nobody", message_id="n")
        await chat.bus.publish(LinesRevived(turn, (gone,), ("",)))
        await chat.bus.settled()
        assert chat.bus.live_turn("c") is None
        assert NotFound in [type(f.error) for f in chat.heard.of(HandlerFailed)]


async def test_a_line_that_is_said_after_all_and_stopped_is_known_only_as_far_as_heard() -> None:
    llm = FakeLlm(LONG)
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia @Mark hi")
        await chat.until(AudioReady)
        await anyio.sleep(0.5)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        first = (await chat.store.recent_messages("c"))[-1].message_id
        await chat.bus.publish(RestWanted(chat.bus.new_turn("c"), first))
        line = (await chat.until(SpeakersChosen, 2)).lines[0]
        await chat.until(AudioReady, len(chat.heard.of(AudioReady)) + 1)
        await anyio.sleep(0.3)
        chat.bus.interrupt(LineInterrupted(line))
        await chat.bus.settled()
        await chat.say("@Rosa what was said?")
        assert known(llm).count("some more words") <= 1, "Mark's, who was not stopped"


# -- playing -------------------------------------------------------------------------------------


async def test_a_player_whose_conversation_is_closed_waits_for_nothing() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        with anyio.fail_after(60):
            await chat.bus.settled()


# -- remembering ---------------------------------------------------------------------------------


async def rewriting(chat: Chat, llm: FakeLlm) -> Message:
    """Have another version of a message begun, and let a little of it be heard."""
    await chat.say("@Olivia hi")
    message: Message = (await chat.store.recent_messages("c"))[-1]
    llm.text = LONG
    await chat.bus.publish(RewriteWanted(chat.bus.new_turn("c"), message.message_id))
    await chat.until(AudioReady, len(chat.heard.of(AudioReady)) + 1)
    await anyio.sleep(0.5)
    return message


async def test_what_is_edited_while_another_version_is_written_is_kept_beside_it() -> None:
    llm = FakeLlm("Once.")
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        old = await rewriting(chat, llm)
        mine = edited(old, "My own words.")
        await chat.store.add_message(mine)
        chat.bus.post(MessageAdded(chat.bus.turn("c"), mine, changed=True))
        await chat.bus.settled()
        kept = await chat.store.message(old.message_id)
        assert kept.content == LONG
        assert [one["content"] for one in versions(kept)] == ["My own words.", LONG]


async def test_what_is_deleted_while_another_version_is_written_does_not_come_back() -> None:
    llm = FakeLlm("Once.")
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        old = await rewriting(chat, llm)
        await chat.store.delete_message(old.message_id)
        chat.bus.post(MessageDeleted(chat.bus.turn("c"), old.message_id))
        await chat.bus.settled()
        with pytest.raises(NotFound):
            await chat.store.message(old.message_id)
