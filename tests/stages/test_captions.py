"""When words are heard: by the engine's marks, else by their share of the clause."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from attrs import frozen

from aichat.core import Voice, WordMark
from aichat.core.events import AudioReady, ClauseTimed, Line
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import a_chat

pytestmark = pytest.mark.anyio
TEXT = "One two three. Then four more words come."


@frozen
class Unmarked(FakeTts):
    """Knows no word times."""

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        async for chunk in super().speak(text, voice):
            if not isinstance(chunk, WordMark):
                yield chunk


def words(told: list[ClauseTimed]) -> list[tuple[str, float]]:
    """The last that was told of each clause: words, and ms after the line's beginning."""
    last = {event.index: event for event in told}
    return [
        (word, round(event.at + ms))
        for _, event in sorted(last.items())
        for word, ms in event.words
    ]


async def test_words_are_where_the_engine_says() -> None:
    async with a_chat(llm=FakeLlm(TEXT), tts=FakeTts(ms_per_word=200)) as chat:
        await chat.say("@Olivia hi")
        told = words(chat.heard.of(ClauseTimed))
        assert told == [(word, 200 * place) for place, word in enumerate(TEXT.split())]


async def test_without_marks_a_word_has_its_share_of_the_clause() -> None:
    async with a_chat(llm=FakeLlm(TEXT), tts=Unmarked(ms_per_word=200)) as chat:
        await chat.say("@Olivia hi")
        told = words(chat.heard.of(ClauseTimed))
        assert [word for word, _ in told] == TEXT.split()
        times = [at for _, at in told]
        assert times == sorted(times)
        assert dict(told)["Then"] == 600, "the second clause begins where the first has ended"
        assert all(abs(at - 200 * place) < 200 for place, at in enumerate(times))


async def test_a_clause_is_told_with_its_first_sound_and_lines_are_apart() -> None:
    async with a_chat(llm=FakeLlm(TEXT), tts=FakeTts(seconds=0.01)) as chat:
        await chat.say("@Olivia @Mark hi")
        seen: dict[Line, set[int]] = {}
        for event in chat.heard.events:
            if isinstance(event, AudioReady) and event.pcm:
                seen.setdefault(event.line, set()).add(event.index)
            if isinstance(event, ClauseTimed):
                assert event.index in seen.get(event.line, {event.index})
        assert len(seen) == 2
        assert {event.line for event in chat.heard.of(ClauseTimed)} == set(seen)
        first = [e for e in chat.heard.of(ClauseTimed) if e.line.place == 1 and e.index == 0]
        assert first[0].at == 0
