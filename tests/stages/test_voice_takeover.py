"""A voice backend that becomes the best one while a conversation goes on: it waits for a turn."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from attrs import define

from aichat.core import Parts, Voice, WordMark
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import ReplayWanted, SpeechSynthesized, Turn
from aichat.core.registry.selection import Candidate, State
from aichat.core.testing.fakes import FakeLlm
from aichat.core.testing.simulated_backends import SimulatedTts
from support.chat import Chat, a_chat

OLD, NEW, NEWEST = b"\x11\x11", b"\x22\x22", b"\x33\x33"
TEXT = "{name} begins, as always. Then there is more, which takes a while. And here it ends."
MOMENTS = [tenth / 10 for tenth in range(0, 130, 8)]


@define(eq=False)
class Tone(SimulatedTts):
    """A voice whose samples are all the same, so that what it says shows who said it."""

    sample: bytes = OLD
    ms_per_word: int = 80
    real_time_factor: float = 0.3
    fails_after: int = 1_000_000
    """Clauses after which it stalls."""
    speed_key: str = ""

    async def speak(self, text: str, voice: Voice):  # type: ignore[no-untyped-def, override]
        self.fails_after -= 1
        if self.fails_after < 0:
            await anyio.sleep_forever()
        async for piece in super().speak(text, voice):
            is_mark = isinstance(piece, WordMark)
            yield piece if is_mark else self.sample * (len(piece) // 2)


def another(parts: Parts, backend: Tone, *, first: bool = True) -> Candidate:
    """Add a candidate that is still starting, before or after the others."""
    role = parts.roles["tts"]
    one = Candidate("tts", "another", lambda: backend, state=State.STARTING)
    role.candidates = [one, *role.candidates] if first else [*role.candidates, one]
    return one


async def become_ready(candidate: Candidate, at: float) -> None:
    await anyio.sleep(at)
    candidate.backend = candidate.make()
    candidate.become(State.READY)


def engines(chat: Chat) -> dict[Turn, set[bytes]]:
    """Return who spoke in each turn, in the order of the turns."""
    found: dict[Turn, set[bytes]] = {}
    for event in chat.heard.of(SpeechSynthesized):
        if event.pcm:
            found.setdefault(event.line.turn, set()).add(event.pcm[:2])
    return found


async def talk(
    moments: Sequence[float], *, replay: bool = False, **how: object
) -> list[set[bytes]]:
    """Have three turns, while better voices take over; return who spoke in each turn."""
    llm = FakeLlm(TEXT, seconds=0.05)
    async with a_chat(llm=llm, tts=Tone(**how)) as chat, anyio.create_task_group() as tasks:
        for at, sample in zip(moments, (NEW, NEWEST), strict=False):
            candidate = another(chat.parts, Tone(sample=sample))
            tasks.start_soon(become_ready, candidate, at)
        await chat.say("Olivia, Mark and Rosa, hello!")
        if replay:
            message = await chat.last_message()
            await chat.bus.publish(ReplayWanted(chat.bus.new_turn("c"), message.message_id))
            await chat.bus.settled()
        await chat.say("Mark, and you?")
        tasks.cancel_scope.cancel()
        return list(engines(chat).values())


@pytest.mark.parametrize("at", MOMENTS)
def test_a_takeover_at_any_moment_changes_the_voice_between_turns_only(at: float) -> None:
    spoken = run_virtual(lambda: talk([at]))
    assert len(spoken) == 2
    assert all(len(one) == 1 for one in spoken)
    assert sorted(map(min, spoken)) == list(map(min, spoken))  # never back to the old one


@pytest.mark.parametrize("at", MOMENTS[::2])
def test_two_takeovers_in_a_row_do_not_mix_either(at: float) -> None:
    spoken = run_virtual(lambda: talk([at, at + 0.3]))
    assert all(len(one) == 1 for one in spoken)


@pytest.mark.parametrize("at", MOMENTS[::2])
def test_a_replay_is_spoken_by_one_voice(at: float) -> None:
    """By the old one, as it was, or all of it by the new one."""
    spoken = run_virtual(lambda: talk([at], replay=True))
    assert len(spoken) == 3
    assert all(len(one) == 1 for one in spoken)


def test_the_takeovers_come_before_during_and_after_the_turns() -> None:
    spoken = [
        run_virtual(lambda at=at: talk([at])) for at in (0.0, MOMENTS[len(MOMENTS) // 3], 60.0)
    ]
    assert spoken == [[{NEW}, {NEW}], [{OLD}, {NEW}], [{OLD}, {OLD}]]


def test_the_voice_that_steps_in_for_one_that_stalls_stays_for_the_turn() -> None:
    """A better one that becomes ready meanwhile waits as it does otherwise."""

    async def run() -> list[set[bytes]]:
        llm = FakeLlm(TEXT, seconds=0.05)
        async with a_chat(failures=True, llm=llm, tts=Tone(fails_after=1)) as chat:
            second = another(chat.parts, Tone(sample=NEW), first=False)
            await become_ready(second, 0)
            async with anyio.create_task_group() as tasks:
                best = another(chat.parts, Tone(sample=NEWEST))
                tasks.start_soon(become_ready, best, 21)  # the second clause has just stalled
                await chat.say("Olivia, Mark and Rosa, hello!")
                await chat.say("Mark, and you?")
            return list(engines(chat).values())

    assert run_virtual(run) == [{OLD, NEW}, {NEWEST}]


def test_a_measurement_that_says_too_slow_takes_effect_between_turns_too() -> None:
    async def run() -> list[set[bytes]]:
        llm = FakeLlm(TEXT, seconds=0.05)
        async with a_chat(llm=llm, tts=Tone(speed_key="model")) as chat:
            second = another(chat.parts, Tone(sample=NEW, speed_key="model"), first=False)
            await become_ready(second, 0)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chat.say, "Olivia, Mark and Rosa, hello!")
                await anyio.sleep(1)
                chat.parts.roles["tts"].candidates[0].measured(0.8)
            await chat.say("Mark, and you?")
            return list(engines(chat).values())

    assert run_virtual(run) == [{OLD}, {NEW}]
