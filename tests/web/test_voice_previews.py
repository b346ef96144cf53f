"""Voices that are tried before anybody uses them, and the cache of what they said."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field

from aichat.core import NotFound, NotReady, Voice, WordMark, load_plugins, open_chat
from aichat.core.errors import BackendError
from aichat.core.testing.fakes import FakeTts
from aichat.web.schemas import voices
from aichat.web.services import voice_previews
from aichat.web.services.voice_previews import Previews, seeded
from support.audio_files import tone, wav
from support.chat import Given, a_store, all_ready
from support.in_process_server import Server, a_server

pytestmark = pytest.mark.anyio


@define
class Recorded:
    """A voice that notes what it is asked to say."""

    sample_rate: int = 22_050
    max_concurrent: int = 1
    asked: list[tuple[str, Voice]] = field(factory=list)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        self.asked.append((text, voice))
        if text == "silence please":
            return
        for _ in range(40 if text != "on and on" else 10_000):
            yield b"\1\0" * 441


@pytest.fixture(scope="module")
def tts() -> Recorded:
    return Recorded()


@pytest.fixture(scope="module")
def server(tts: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AICHAT_DATA", str(tmp_path_factory.mktemp("data")))
        with a_server(tts=tts) as server:
            yield server


def ask(server: Server, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/api/voices/preview", json=body, trust_env=False, timeout=30)


def seconds(file: bytes) -> float:
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (22_050, 1)
        return reader.getnframes() / reader.getframerate()


def test_a_voice_speaks_before_it_is_kept(server: Server, tts: Recorded) -> None:
    draft = {"voice": "warm", "speaker_desc": "Female, warm", "scene_prompt": "A quiet room."}
    answer = ask(server, draft=draft, text="Good evening.", seed=7)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert seconds(answer.content) == pytest.approx(0.8)
    text, voice = tts.asked[-1]
    assert (text, voice.speaker_desc) == ("Good evening.", "Female, warm")
    assert voice.settings == {"seed": 7}
    assert httpx.get(f"{server.url}/api/voices/warm", trust_env=False).status_code == 404


def test_the_same_is_made_once_and_another_seed_is_another_take(
    server: Server, tts: Recorded
) -> None:
    before = len(tts.asked)
    draft = {"voice": "twice"}
    for seed in (1, 1, 2, 1, None):
        assert ask(server, draft=draft, text="Once.", seed=seed).status_code == 200
    assert [voice.settings for _, voice in tts.asked[before:]] == [{"seed": 1}, {"seed": 2}, {}]


def test_a_voice_that_is_kept_speaks_by_its_key(server: Server, tts: Recorded) -> None:
    made = {"voice": "kept one", "speaker_desc": "Low"}
    httpx.post(f"{server.url}/api/voices", json=made, trust_env=False).raise_for_status()
    assert ask(server, voice="kept one").status_code == 200
    assert tts.asked[-1][0] == voices.SENTENCE
    assert tts.asked[-1][1].speaker_desc == "Low"
    assert ask(server, voice="nobody").status_code == 404


def test_what_cannot_be_said_is_refused_in_words(server: Server) -> None:
    assert "either" in ask(server).json()["detail"]
    assert ask(server, voice="a", draft={"voice": "b"}).status_code == 400
    assert ask(server, draft={"voice": "x"}, text="...").json()["extra"][0]["field"] == "text"
    assert ask(server, draft={"voice": "x"}, text="a" * 301).status_code == 400
    assert ask(server, draft={"voice": "x", "pitch": 3}).status_code == 400
    silent = ask(server, draft={"voice": "x"}, text="silence please")
    assert silent.status_code == 503
    assert "no sound" in silent.json()["detail"]


def test_a_voice_that_never_ends_is_cut(server: Server) -> None:
    answer = ask(server, draft={"voice": "x"}, text="on and on")
    assert seconds(answer.content) == voice_previews.LONGEST_SECONDS


def test_a_clip_is_kept_tried_and_then_made_a_voice(server: Server, tts: Recorded) -> None:
    sent = httpx.post(
        f"{server.url}/api/voices/clips",
        data={"transcript": " Hello. "},
        files={"file": wav(tone())},
        trust_env=False,
        timeout=60,
    )
    assert sent.status_code == 201, sent.text
    clip = sent.json()
    assert (clip["transcript"], clip["seconds"]) == ("Hello.", pytest.approx(2, abs=0.05))
    keys = {"audio_path": clip["audio_path"], "text_path": clip["text_path"]}
    draft = {"voice": "me", "method": "clone", **keys, "settings": {"consent": "2026-01-01"}}
    assert ask(server, draft=draft, text="As I sound.").status_code == 200
    assert tts.asked[-1][1].audio_path == clip["audio_path"]
    made = httpx.post(f"{server.url}/api/voices", json=draft, trust_env=False)
    assert made.status_code == 201
    heard = httpx.get(f"{server.url}/clips/{clip['audio_path']}", trust_env=False)
    assert heard.headers["content-type"] == "audio/wav"
    words = httpx.get(f"{server.url}/clips/{clip['text_path']}", trust_env=False)
    assert words.status_code == 404


def test_consent_is_kept_with_the_time(server: Server) -> None:
    for name, consent in (("agreed", "yes"), ("silent", "no")):
        form = {"voice_name": name, "transcript": "Hello.", "consent": consent}
        made = httpx.post(
            f"{server.url}/api/voices/upload",
            data=form, files={"file": wav(tone())}, trust_env=False, timeout=60,
        ).json()  # fmt: skip
        assert ("consent" in made["settings"]) == (consent == "yes")


@pytest.mark.parametrize("name", ["upload", "clips", "preview"])
def test_a_voice_cannot_have_the_name_of_an_address(server: Server, name: str) -> None:
    made = httpx.post(f"{server.url}/api/voices", json={"voice": name}, trust_env=False)
    assert made.json()["extra"][0]["field"] == "voice"


@define
class Slow:
    """Speaks until nobody listens."""

    sample_rate: int = 24_000
    max_concurrent: int = 1
    begun: threading.Event = field(factory=threading.Event)
    left: threading.Event = field(factory=threading.Event)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        self.begun.set()
        try:
            await anyio.sleep_forever()
            yield b""
        finally:
            self.left.set()


def test_a_preview_that_nobody_waits_for_any_more_is_given_up() -> None:
    tts = Slow()
    with a_server(tts=tts) as server:
        address = ("127.0.0.1", server.port)
        body = b'{"draft": {"voice": "A", "method": "description"}, "text": "One."}'
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /api/voices/preview HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                b"application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            assert tts.begun.wait(10)
            assert not tts.left.is_set()
        assert tts.left.wait(10)


@define
class Halting:
    """Says one thing, and the next when a test lets it."""

    sample_rate: int = 24_000
    max_concurrent: int = 1
    goes_on: anyio.Event = field(factory=anyio.Event)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        yield b"\1\0" * 100
        await self.goes_on.wait()
        yield b"\2\0" * 100


async def test_a_preview_sounds_while_it_is_made_and_is_kept_when_it_is_whole(
    tmp_path: Path,
) -> None:
    tts = Halting()
    given = Given(tts=tts, storage=await a_store())
    async with open_chat(given.config(), load_plugins(extra=[given])) as (_, parts):
        await all_ready(parts)
        kept = Previews(tmp_path, given.config())
        pieces = kept.stream(parts, Voice("a"), "One.")
        first = await anext(pieces)
        assert first[:4] + first[8:12] + first[36:40] == b"RIFFWAVEdata"
        assert first[44:] == b"\1\0" * 100
        tts.goes_on.set()
        assert [piece async for piece in pieces] == [b"\2\0" * 100]
        whole = await kept.speak(parts, Voice("a"), "One.")
        assert not whole.is_new
        with wave.open(io.BytesIO(whole.wav)) as reader:
            assert (reader.getframerate(), reader.getnframes()) == (24_000, 200)


# -- the cache -----------------------------------------------------------------------------------


async def test_the_cache_keeps_what_was_heard_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Given(tts=FakeTts(), storage=await a_store())
    config = given.config()
    monkeypatch.setattr(voice_previews, "MOST_BYTES", 30_000)
    async with open_chat(config, load_plugins(extra=[given])) as (_, parts):
        await all_ready(parts)
        kept = Previews(tmp_path / "previews", config)
        first, second, third = [
            await kept.speak(parts, Voice(name), "One two.") for name in ("a", "b", "c")
        ]
        assert {len(one.wav) for one in (first, second, third)} == {9_644}
        for age, one in ((30, first), (20, second), (10, third)):
            past = time.time() - age
            os.utime(tmp_path / "previews" / f"{one.key}.wav", (past, past))
        assert await kept.again(first.key) == first.wav  # so it is the one heard last
        await kept.speak(parts, Voice("d"), "One two.")
        with pytest.raises(NotFound):
            await kept.again(second.key)
        assert await kept.again(first.key) == first.wav
        for strange in ("", "../secret", first.key.upper()):
            with pytest.raises(NotFound):
                await kept.again(strange)


async def test_so_many_wait_for_a_preview_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_previews, "WAITING", 2)
    given = Given(tts=FakeTts(seconds=3_600), storage=await a_store())
    ends: list[str] = []
    async with open_chat(given.config(), load_plugins(extra=[given])) as (_, parts):
        await all_ready(parts)
        kept = Previews(tmp_path, given.config())

        async def try_it(name: str) -> None:
            try:
                await kept.speak(parts, Voice(name), "One.")
            except NotReady as error:
                ends.append(error.problem)

        async with anyio.create_task_group() as tasks:
            for name in "abcd":
                tasks.start_soon(try_it, name)
            while not ends:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert ends == ["Too many voices are being tried."]


def test_a_seed_is_a_setting_like_others() -> None:
    voice = Voice("a", settings={"espeak": {"pitch": 3}})
    assert seeded(voice, None) == voice
    assert seeded(voice, 0).settings == {"espeak": {"pitch": 3}, "seed": 0}


# -- voices that misbehave -----------------------------------------------------------------------


@define
class Odd:
    """Sends one chunk again and again."""

    chunk: Any
    times: int = 1_000_000
    sample_rate: int = 24_000
    max_concurrent: int = 1
    closed: int = 0

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[Any]:
        try:
            for _ in range(self.times):
                yield self.chunk
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    ("chunk", "problem"),
    [
        (bytes(960), "silence for over 10 seconds"),
        (b"", "20,000 chunks without a sample"),
        (b"\1\0\1", "half a sample"),
        ([0.5, 0.25], "sent list, not bytes"),
        (WordMark(0, 1, 0), "more words than the text has letters"),
    ],
)
async def test_a_voice_that_misbehaves_is_refused_in_words_and_closed(
    tmp_path: Path, chunk: Any, problem: str
) -> None:
    tts = Odd(chunk)
    given = Given(tts=tts, storage=await a_store())
    async with open_chat(given.config(), load_plugins(extra=[given])) as (_, parts):
        await all_ready(parts)
        with pytest.raises(BackendError, match=problem):
            await Previews(tmp_path, given.config()).speak(parts, Voice("a"), "One.")
        assert tts.closed == 1
