"""Answers that would fill the memory: refused in words, after a bounded number of bytes."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import anyio
import httpx
import httpx2
import pytest
from attrs import define

from aichat.core import BackendFailed, CannotStart, Utterance, Voice, closing
from aichat.core.testing.llm_contract import ask
from aichat.plugins.openai import OpenAiLlm, OpenAiStt, OpenAiTts
from aichat.plugins.postgres.supabase import Supabase
from aichat.toolkit.bounded_http import ASK, MB, bounds
from support.fake_openrouter import Wire

pytestmark = pytest.mark.anyio

SPEECH = b"\x10\x20" * 16_000


@cache
def bomb(megabytes: int) -> bytes:
    """So many megabytes of blanks, packed."""
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * MB
    return b"".join([*(packer.compress(blanks) for _ in range(megabytes)), packer.flush()])


@define
class Heavy:
    """A server that gives the same answer to all; *endless* repeats the body for ever."""

    body: bytes
    kind: str = "application/json"
    encoding: str = "gzip"
    status: int = 200
    endless: bool = False
    url: str = ""
    sent: int = 0
    asked: int = 0

    async def answer(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            try:
                await self._answer(stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return  # the client has left

    async def _answer(self, stream: anyio.abc.SocketStream) -> None:
        wire = Wire(stream)
        await wire.request()
        self.asked += 1
        packed = f"content-encoding: {self.encoding}\r\n" if self.encoding else ""
        head = f"HTTP/1.1 {self.status} X\r\ncontent-type: {self.kind}\r\n{packed}"
        await stream.send(f"{head}connection: close\r\n\r\n".encode())
        while True:
            for at in range(0, len(self.body), 65_536):
                piece = self.body[at : at + 65_536]
                await stream.send(piece)
                self.sent += len(piece)
            if not self.endless:
                return


@asynccontextmanager
async def served(heavy: Heavy) -> AsyncIterator[Heavy]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    heavy.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/v1"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, heavy.answer)
        yield heavy
        tasks.cancel_scope.cancel()


async def hear(url: str) -> object:
    async with OpenAiStt(api_key="k", base_url=url) as stt:
        return await stt.transcribe(Utterance("u", SPEECH, final=True))


async def speak(url: str) -> object:
    async with (
        OpenAiTts(api_key="k", base_url=url) as tts,
        closing(tts.speak("Hello.", Voice("Olivia"))) as chunks,
    ):
        return [chunk async for chunk in chunks]


async def models(url: str) -> object:
    async with OpenAiLlm(api_key="k", base_url=url, model="m") as llm:
        return await llm.models()


async def reply(url: str) -> object:
    async with (
        OpenAiLlm(api_key="k", base_url=url, model="m") as llm,
        closing(llm.reply(ask("Hello?"))) as words,
    ):
        return [word async for word in words]


async def store(url: str) -> object:
    async with Supabase(url, "sb_secret_key"):
        return None


@pytest.mark.parametrize("use", [hear, models, store])
async def test_a_bomb_is_refused_in_words_and_takes_little_memory(use) -> None:
    packed = bomb(600)
    async with served(Heavy(packed)) as heavy:
        tracemalloc.start()
        try:
            with pytest.raises((BackendFailed, CannotStart), match="is larger than"):
                await use(heavy.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert heavy.asked == 1  # it is not asked again
        assert peak < 400 * MB


@pytest.mark.parametrize(
    "heavy",
    [
        Heavy(b'{"text": "' + b"spam " * MB + b'"}', encoding=""),
        Heavy(b"x" * MB, encoding="", endless=True),
        Heavy(bomb(5) * 20),
    ],
    ids=["5 MB of text", "no end", "many members"],
)
async def test_a_transcript_without_an_end_is_refused(heavy: Heavy) -> None:
    async with served(heavy):
        with pytest.raises(BackendFailed, match="The answer of the speech recogniser is larger"):
            await hear(heavy.url)
        assert heavy.sent < 12 * MB  # what the sockets hold besides


@pytest.mark.parametrize("use", [hear, speak, reply])
async def test_a_refusal_is_bounded_as_well(use) -> None:
    async with served(Heavy(bomb(600), status=400)) as heavy:
        with pytest.raises(BackendFailed):
            await use(heavy.url)


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "nonsense"])
async def test_what_is_packed_as_nobody_asked_is_refused(encoding: str) -> None:
    async with served(Heavy(bomb(1), encoding=encoding)) as heavy:
        with pytest.raises(BackendFailed, match="has a compression that was not requested"):
            await hear(heavy.url)


@pytest.mark.parametrize(
    "heavy",
    [
        Heavy(bomb(1)[:100] + b"junk" * 100),
        Heavy(b'{"text": "never packed"}'),
        Heavy(gzip.compress(b""), endless=True),
    ],
    ids=["junk", "not packed", "empty members without end"],
)
async def test_broken_gzip_is_told(heavy: Heavy) -> None:
    async with served(heavy):
        with pytest.raises(BackendFailed, match="is broken gzip"):
            await hear(heavy.url)


async def test_packed_answers_of_a_usual_size_are_read() -> None:
    async with served(Heavy(gzip.compress(b'{"text": "hello"}'))) as heavy:
        assert await hear(heavy.url) == "hello"
    async with served(
        Heavy(gzip.compress(b'{"data": [{"id"') + gzip.compress(b': "a"}]}'))
    ) as heavy:
        assert [model.id for model in await models(heavy.url)] == ["a"]
    sound = b"\x10\x03" * 5_000
    async with served(Heavy(gzip.compress(sound), kind="audio/pcm")) as heavy:
        assert b"".join(await speak(heavy.url)) == sound


@pytest.mark.parametrize("http", [httpx, httpx2])
async def test_an_answer_that_says_it_is_too_large_is_not_read(http) -> None:
    hook = bounds(http, lambda _: 10, "the server", "Check it.")

    def answer(request):
        return http.Response(200, content=b"x" * 11)

    async with http.AsyncClient(
        transport=http.MockTransport(answer), headers=ASK, event_hooks={"response": [hook]}
    ) as client:
        with pytest.raises(BackendFailed, match="The answer of the server is larger than"):
            await client.get("http://localhost")
