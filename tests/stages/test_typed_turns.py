"""Typed turns: who answers, in which order, what is stored, what happens when something fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from aichat.core import CannotStart, NotFound, NotReady, Prompt, Unreachable, Usage, Voice
from aichat.core.events import (
    AudioReady,
    HandlerFailed,
    Interrupted,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    MessageAdded,
    ReplyFinished,
    ReplyText,
    ReplyUsage,
    SpeakersChosen,
    TurnFinished,
    TurnTimed,
    UserSaid,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import a_chat, a_store

pytestmark = pytest.mark.anyio

LONG = "{name} says one two three four five six seven eight nine ten. And then some more words."


async def test_everybody_answers_in_the_conversations_order() -> None:
    async with a_chat() as chat:
        await chat.say("hello")
        names = [name for name, _ in await chat.said()]
        assert names == ["user", "Olivia", "Mark", "Rosa"]
        places = [event.line.place for event in chat.heard.of(AudioReady)]
        assert places == sorted(places)
        assert set(places) == {0, 1, 2}
        assert len(chat.heard.of(TurnFinished)) == 1


async def test_only_who_is_addressed_answers() -> None:
    async with a_chat() as chat:
        await chat.say("@Rosa @Olivia what do you think?")
        assert [line.name for line in chat.heard.of(SpeakersChosen)[0].lines] == ["Rosa", "Olivia"]


async def test_the_next_writes_while_the_one_before_still_speaks() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=400)) as chat:
        await chat.say("@Olivia @Mark hi")
        events = chat.heard.events
        wrote = next(
            i for i, e in enumerate(events) if isinstance(e, ReplyText) and e.line.place == 1
        )
        played = [i for i, e in enumerate(events) if isinstance(e, AudioReady) and not e.line.place]
        assert wrote < played[-1]


async def test_the_next_speaker_reads_what_the_one_before_wrote() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia @Mark hi")
    told = [message.content for message in llm.asked[1].messages]
    assert told[-1].startswith("@Olivia @Mark hi\n\nOlivia: Olivia here.")


async def test_a_character_sees_the_conversation_from_its_own_point_of_view() -> None:
    llm = FakeLlm()
    async with a_chat(llm=llm) as chat:
        await chat.say("@Olivia hi")
        await chat.say("@Mark and you?")
        await chat.say("@Olivia again")
    roles = [(message.role, message.content.split()[0]) for message in llm.asked[-1].messages[1:]]
    assert roles == [
        ("user", "@Olivia"),
        ("assistant", "Olivia"),
        ("user", "@Mark"),
    ]
    later = llm.asked[-1].messages[-1].content.split("\n\n")
    assert [part.split()[0] for part in later] == ["@Mark", "Mark:", "@Olivia"]


async def test_audio_is_sent_no_faster_than_it_is_played_plus_a_lead() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=500)) as chat:
        began = chat.bus.clock.now()
        await chat.say("@Olivia hi")
        took = chat.bus.clock.now() - began
        frames = chat.heard.of(AudioReady)
        length = sum(len(frame.pcm) for frame in frames) / 2 / 24_000
        assert length == pytest.approx(8 * 0.5)
        assert took == pytest.approx(length, abs=0.1)
        assert [f.due for f in frames] == sorted(f.due for f in frames)


async def test_the_clauses_joined_are_the_text_and_the_audio_has_no_gap() -> None:
    async with a_chat(llm=FakeLlm(LONG)) as chat:
        await chat.say("@Olivia hi")
        position: dict[int, int] = {}
        for frame in [frame for frame in chat.heard.of(AudioReady) if frame.pcm]:
            assert frame.at == position.get(frame.index, 0)
            position[frame.index] = frame.at + len(frame.pcm) // 2
        assert list(position) == sorted(position)


class Moody:
    """Fails for Olivia, is silent for Mark, and works for Rosa."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        if prompt.character.name == "Olivia":
            yield "Well, "
            raise RuntimeError("secret details")
        if prompt.character.name == "Rosa":
            yield "Rosa works."


async def test_a_model_that_fails_or_says_nothing_does_not_stop_the_next() -> None:
    async with a_chat(llm=Moody(), failures=True) as chat:
        await chat.say("hi")
        assert await chat.said() == [("user", "hi"), ("Olivia", "Well,"), ("Rosa", "Rosa works.")]
        errors = [str(failed.error) for failed in chat.heard.of(HandlerFailed)]
        assert errors[0] == "secret details"
        assert errors[1].startswith("Mark wrote nothing.")
        await chat.say("@Rosa again")
        assert (await chat.said())[-1] == ("Rosa", "Rosa works.")


class Counting(FakeLlm):
    """Tells what a reply took."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        async for word in super().reply(prompt):
            yield word
        yield Usage("maker/large", 30, 7, 0.002)


async def test_what_a_reply_took_is_told_before_it_is_complete() -> None:
    async with a_chat(llm=Counting("Hi there.")) as chat:
        await chat.say("@Olivia @Mark hi")
        told = [e for e in chat.heard.events if isinstance(e, ReplyUsage | ReplyFinished)]
        assert [(type(event), event.line.name) for event in told] == [
            (ReplyUsage, "Olivia"),
            (ReplyFinished, "Olivia"),
            (ReplyUsage, "Mark"),
            (ReplyFinished, "Mark"),
        ]
        assert told[0] == ReplyUsage(told[0].line, "maker/large", 30, 7, 0.002)
        assert chat.heard.of(ReplyFinished)[0].text == "Hi there. "


async def test_what_a_reply_took_is_nobodys_matter_before_the_turn_is_certain() -> None:
    async with a_chat(llm=Counting("Hi there.")) as chat:
        for number, happens in enumerate([chat.bus.revoke, chat.bus.commit]):
            turn = chat.bus.speculative_turn("c")
            await chat.bus.publish(UserSaid(turn, "@Olivia hi", "voice", f"m{number}"))
            await anyio.sleep(5)
            assert chat.heard.of(ReplyUsage) == []
            assert happens(turn)
            await chat.bus.settled()
        assert [event.cost for event in chat.heard.of(ReplyUsage)] == [0.002]
        *_, message = await chat.store.recent_messages("c")
        assert message.extensions["usage"]["cost"] == 0.002


class Hanging:
    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        if prompt.character.name == "Olivia":
            await anyio.sleep_forever()
        yield "I am awake."


async def test_a_model_that_hangs_is_given_up_and_told() -> None:
    async with a_chat(llm=Hanging(), failures=True) as chat:
        await chat.say("@Olivia @Mark hi")
        assert await chat.said() == [("user", "@Olivia @Mark hi"), ("Mark", "I am awake.")]
        assert "wrote nothing for 45 seconds" in str(chat.heard.of(HandlerFailed)[0].error)


class Hoarse(FakeTts):
    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        if voice.voice == "Olivia":
            raise RuntimeError("out of memory")
        if voice.voice == "Mark":
            return
        if voice.voice == "Rosa":
            await anyio.sleep_forever()
        yield b""


async def test_a_voice_that_fails_is_silent_or_hangs_leaves_the_text() -> None:
    async with a_chat(tts=Hoarse(), llm=FakeLlm("{name} speaks."), failures=True) as chat:
        await chat.say("hi")
        assert [name for name, _ in await chat.said()] == ["user", "Olivia", "Mark", "Rosa"]
        errors = [str(failed.error).partition("\n")[0] for failed in chat.heard.of(HandlerFailed)]
        assert sorted(errors) == [
            "The voice made no sound for 20 seconds.",
            "The voice made no sound.",
            "out of memory",
        ]
        assert chat.bus.live_turn("c") is None


async def test_a_conversation_that_is_gone_ends_the_turn_with_an_error() -> None:
    async with a_chat(failures=True) as chat:
        await chat.say("hi", "nowhere")
        assert chat.heard.of(SpeakersChosen)[0].lines == ()
        assert len(chat.heard.of(TurnFinished)) == 1


async def test_an_interruption_keeps_what_was_heard_and_nothing_of_who_had_not_begun() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia @Mark hi")
        await chat.until(AudioReady)
        await anyio.sleep(1.1)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        last = len(chat.heard.events)
        await anyio.sleep(5)
        assert not [e for e in chat.heard.events[last:] if isinstance(e, (AudioReady, ReplyText))]
        assert await chat.said() == [
            ("user", "@Olivia @Mark hi"),
            ("Olivia", "Olivia says one two three four"),
        ]
        message = (await chat.store.recent_messages("c"))[-1]
        assert message.interrupted
        assert message.content.endswith("more words.")


async def test_the_loudspeaker_has_the_last_word_on_what_was_heard() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(1.1)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        chat.bus.post(LinePlayed(line, 500, "flushed"))
        await chat.bus.settled()
        assert (await chat.said())[-1] == ("Olivia", "Olivia says one")


async def test_what_was_not_heard_is_not_in_the_next_prompt() -> None:
    llm = FakeLlm(LONG)
    async with a_chat(llm=llm, tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await anyio.sleep(0.5)
        await chat.begin("@Olivia never mind")
        await chat.until(ReplyFinished, 2)
    assert [m.content for m in llm.asked[-1].messages[1:]] == [
        "@Olivia hi", "Olivia says one", "@Olivia never mind",
    ]  # fmt: skip


async def test_one_speaker_is_stopped_and_the_next_goes_on() -> None:
    async with a_chat(llm=FakeLlm(LONG, seconds=0.02), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.begin("@Olivia @Mark hi")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(0.5)
        chat.bus.interrupt(LineInterrupted(line))
        await chat.bus.settled()
        said = await chat.said()
        assert said[1] == ("Olivia", "Olivia says one")
        assert said[2][0] == "Mark"
        assert said[2][1].endswith("more words.")
        assert [e.line.name for e in chat.heard.of(LineFinished)] == ["Mark"]
        assert len(chat.heard.of(TurnFinished)) == 1


async def test_a_speaker_who_is_stopped_while_writing_gives_the_word_to_the_next() -> None:
    async with a_chat(llm=FakeLlm(LONG, seconds=1.0)) as chat:
        await chat.begin("@Olivia @Mark hi")
        line = (await chat.until(ReplyText)).line
        chat.bus.interrupt(LineInterrupted(line))
        await chat.bus.settled()
        assert [e.line.name for e in chat.heard.of(LineFinished)] == ["Mark"]


async def test_after_an_interruption_the_next_turn_works() -> None:
    async with a_chat(tts=FakeTts(seconds=0.01)) as chat:
        for _ in range(5):
            await chat.begin("@Olivia hi")
            await chat.until(AudioReady)
            chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.say("@Mark still there?")
        assert (await chat.said())[-1] == ("Mark", "Mark here. I agree, of course. What else?")


class FullDisk(MemoryStorage):
    full = False

    async def add_message(self, message: object) -> None:
        if self.full:
            raise Unreachable("The disk is full.", "Make room.")
        await super().add_message(message)  # type: ignore[arg-type]


async def test_messages_that_the_store_refuses_are_written_once_it_can() -> None:
    plain, store = await a_store(), FullDisk()
    store.__dict__.update(plain.__dict__)
    async with a_chat(storage=store, failures=True) as chat:
        store.full = True
        await chat.say("@Olivia one")
        assert await chat.said() == []
        assert "2 message(s) could not be stored yet." in str(
            chat.heard.of(HandlerFailed)[-1].error
        )
        store.full = False
        await chat.say("@Olivia two")
        assert [text for name, text in await chat.said() if name == "user"] == [
            "@Olivia one", "@Olivia two",
        ]  # fmt: skip
        assert len(await chat.said()) == 4


async def test_what_a_character_says_while_it_is_deleted_is_kept_under_its_name() -> None:
    async with a_chat() as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await chat.store.delete_character("olivia")
        await chat.bus.settled()
        _, said = await chat.store.recent_messages("c")
        assert said.content == "Olivia here. I agree, of course. What else?"
        assert (said.name, said.character_id) == ("Olivia", None)


async def test_what_is_said_in_a_conversation_that_is_deleted_meanwhile_is_told() -> None:
    async with a_chat(failures=True) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await chat.store.delete_conversation("c")
        await chat.bus.settled()
        assert [type(failure.error) for failure in chat.heard.of(HandlerFailed)] == [NotFound]


async def test_every_turn_has_its_waterfall() -> None:
    async with a_chat(llm=FakeLlm("Well, yes, of course I do.", seconds=0.1)) as chat:
        await chat.say("@Olivia hi")
        marks = dict(chat.heard.of(TurnTimed)[0].marks)
        assert list(marks) == [
            "transcribed", "first_text", "first_clause", "first_speech", "first_audio",
        ]  # fmt: skip
        assert marks["first_text"] == pytest.approx(100, abs=5)


async def test_a_line_far_ahead_of_the_loudspeaker_holds_back_its_model() -> None:
    endless = FakeLlm(
        " ".join(f"Sentence number {n} of the {{name}} saga is here." for n in range(80))
    )
    async with a_chat(llm=endless, tts=FakeTts(ms_per_word=500)) as chat:
        await chat.begin("@Olivia hi")
        await anyio.sleep(30)
        written = sum(len(e.text) for e in chat.heard.of(ReplyText))
        assert written < 40 * 30  # far less than the 80 sentences
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))


async def test_no_part_is_needed_but_the_one_that_is_used() -> None:
    class NoVoice:
        async def __aenter__(self) -> None:
            raise CannotStart("No voice.", "Install one.")

        async def __aexit__(self, *error: object) -> None: ...

    store = await a_store()
    from aichat.core import load_plugins, new_id, open_chat
    from aichat.core.events import UserSaid
    from support.chat import Given, Listener

    given, heard = Given(storage=store, tts=NoVoice()), Listener()
    async with open_chat(given.config(), load_plugins(extra=[given])) as (bus, _):
        bus.tap(heard.hear)
        await anyio.sleep(0.1)
        await bus.publish(UserSaid(bus.new_turn("c"), "@Mark hi", "text", new_id()))
        await bus.settled()
    assert {type(f.error) for f in heard.of(HandlerFailed)} == {NotReady}
    assert [e.message.name for e in heard.of(MessageAdded)] == [None, "Mark"]
