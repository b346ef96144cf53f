"""POST /api/voices/upload, and the process that decodes what strangers send."""

from __future__ import annotations

import io
import json
import logging
import os
import struct
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import numpy as np
import pytest

from aichat.core import BadValue, CannotStart
from aichat.core.testing.fakes import FakeStt
from aichat.web.services import uploads
from aichat.web.services.uploads import Busy, Uploads, clips, decoder
from aichat.web.services.uploads.clips import Clip, decode
from support.audio_files import Samples, encoded, every_kind, film, silence_for_hours, tone, wav
from support.in_process_server import Server, a_server

SOUND = tone()
FILES = every_kind(SOUND)
numbers = iter(range(1_000))


@pytest.fixture(scope="module")
def stt() -> FakeStt:
    return FakeStt("  The quick brown fox.  ")


@pytest.fixture(scope="module")
def server(stt: FakeStt) -> Iterator[Server]:
    with a_server(stt=stt) as server:
        yield server


def upload(server: Server, file: bytes | None, **fields: str) -> httpx.Response:
    fields.setdefault("voice_name", f"voice {next(numbers)}")
    files = {} if file is None else {"file": ("../../etc/passwd", file)}
    return httpx.post(
        f"{server.url}/api/voices/upload", data=fields, files=files, trust_env=False, timeout=60
    )


def clip(server: Server, key: str) -> bytes:
    kept: bytes = anyio.run(server.store.clip, key)
    return kept


def heard(file: bytes) -> Samples:
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        assert reader.getframerate() == 24_000
        pcm = reader.readframes(reader.getnframes())
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768


def refused(answer: httpx.Response, status: int) -> str:
    body = answer.json()
    assert answer.status_code == body["status_code"] == status, answer.text
    for secret in ("Traceback", ".py", "/tmp", "libav"):
        assert secret not in answer.text
    detail: str = body["detail"]
    assert detail.endswith(".")
    return detail


# -- what is kept ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_a_clip_of_every_kind_becomes_a_voice(server: Server, kind: str) -> None:
    answer = upload(server, FILES[kind], voice_name=f"from {kind}", transcript=" Hello there. ")
    assert answer.status_code == 201, answer.text
    voice = answer.json()
    assert (voice["voice"], voice["method"], voice["audio_tokens"]) == (
        f"from {kind}",
        "clone",
        None,
    )
    samples = heard(clip(server, voice["audio_path"]))
    assert len(samples) / 24_000 == pytest.approx(2.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 24_000 / len(samples) == pytest.approx(220, abs=2)
    assert clip(server, voice["text_path"]) == b"Hello there."
    listed = httpx.get(f"{server.url}/api/voices/from {kind}", trust_env=False)
    assert listed.json() == voice


@pytest.mark.parametrize("peak", [0.01, 0.1, 1.0])
def test_quiet_and_loud_clips_come_out_equally_loud(server: Server, peak: float) -> None:
    voice = upload(server, wav(tone(peak=peak)), transcript="Hello.").json()
    samples = heard(clip(server, voice["audio_path"]))
    loud = samples[np.abs(samples) > 0.01]
    assert 20 * np.log10(np.sqrt((loud**2).mean())) == pytest.approx(-20, abs=1.5)
    assert np.abs(samples).max() < 0.9


def test_a_clip_with_one_loud_click_does_not_clip(server: Server) -> None:
    sound = tone(peak=0.02)
    sound[1_000:1_010] = 0.99
    voice = upload(server, wav(sound), transcript="Click.").json()
    assert np.abs(heard(clip(server, voice["audio_path"]))).max() == pytest.approx(0.89, abs=0.02)


def test_without_a_transcript_the_clip_is_written_down(server: Server, stt: FakeStt) -> None:
    voice = upload(server, FILES["mp3"]).json()
    assert clip(server, voice["text_path"]) == b"The quick brown fox."
    assert stt.asked[-1].final
    assert len(stt.asked[-1].pcm) == pytest.approx(2 * 16_000 * 2, rel=0.05)
    blank = upload(server, FILES["mp3"], transcript="  ").json()
    assert clip(server, blank["text_path"]) == b"The quick brown fox."


def test_a_clip_without_words_has_no_transcript() -> None:
    class Deaf(FakeStt):
        async def transcribe(self, utterance: Any) -> str:
            return " "

    with a_server(stt=Deaf()) as server:
        voice = upload(server, FILES["wav"]).json()
    assert voice["text_path"] is None
    assert voice["audio_path"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("spam " * 1_000_000, "wrote 5,000,000 letters"),
        (None, "gave NoneType"),
        (b"x", "gave bytes"),
    ],
)
def test_what_is_no_transcript_of_a_clip_is_told(answer: Any, problem: str) -> None:
    class Odd(FakeStt):
        async def transcribe(self, utterance: Any) -> Any:
            return answer

    with a_server(stt=Odd()) as server:
        assert problem in refused(upload(server, FILES["wav"]), 503)


def test_while_nobody_can_write_it_down_a_transcript_is_asked_for() -> None:
    class Missing:
        async def __aenter__(self) -> None:
            raise CannotStart("There are no weights.", "Fetch them.")

        async def __aexit__(self, *error: object) -> None: ...

    with a_server(stt=Missing()) as server:
        answer = upload(server, FILES["wav"], voice_name="later")
        assert "Send its transcript" in refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert httpx.get(f"{server.url}/api/voices/later", trust_env=False).status_code == 404
        answer = upload(server, FILES["wav"], voice_name="later", transcript="Hello.")
        assert answer.status_code == 201


def test_junk_is_refused_as_junk_while_nobody_can_write_a_clip_down() -> None:
    class Missing:
        async def __aenter__(self) -> None:
            raise CannotStart("There are no weights.", "Fetch them.")

        async def __aexit__(self, *error: object) -> None: ...

    with a_server(stt=Missing()) as server:
        for name, junk in NOT_AUDIO.items():
            answer = upload(server, junk)
            assert answer.status_code in (400, 413), name
            clip = httpx.post(
                f"{server.url}/api/voices/clips", files={"file": ("x", junk)}, trust_env=False
            )
            assert clip.status_code in (400, 413), name
            form = {"voice": "x", "consent": "on", "do": "save"}
            page = httpx.post(
                f"{server.url}/voices/clone", data=form, files={"file": ("x.wav", junk)},
                trust_env=False,
            )  # fmt: skip
            assert page.status_code == 400
            assert "The clip cannot be transcribed" not in page.text, name


def test_a_voice_is_named_in_the_form_or_in_the_address(server: Server) -> None:
    def sent(address: str, **fields: str) -> httpx.Response:
        return httpx.post(
            f"{server.url}/api/voices/upload{address}",
            data={"transcript": "Hello.", **fields},
            files={"file": ("a.wav", FILES["wav"])},
            trust_env=False,
            timeout=60,
        )

    assert sent("?voice_name=by%20address").json()["voice"] == "by address"
    assert sent("", voice_name="by form").json()["voice"] == "by form"
    both = sent("?voice_name=by%20both", voice_name="by both")
    assert both.json()["voice"] == "by both"
    for answer in (
        sent("?voice_name=one", voice_name="other"),
        sent(""),
        sent("?voice_name="),
        sent("?voice_name=upload"),
        sent("?voice_name=a%2Fb"),
        sent("?voice_name=%20"),
        sent("?voice_name=" + "x" * 101),
        sent("?voice_name=%00"),
    ):
        refused(answer, 400)
        assert [one["field"] for one in answer.json()["extra"]] == ["voice_name"]
    assert refused(sent("?voice_name=by%20address"), 409)


def test_a_voice_that_is_there_is_not_replaced(server: Server) -> None:
    first = upload(server, FILES["wav"], voice_name="taken", transcript="One.").json()
    before = set(server.store._clips)
    refused(upload(server, wav(tone(3)), voice_name="taken", transcript="Two."), 409)
    assert set(server.store._clips) == before
    now = httpx.get(f"{server.url}/api/voices/taken", trust_env=False)
    assert now.json() == first


# -- what is refused ---------------------------------------------------------------------------

LIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
NOT_AUDIO = {
    "nothing": b"",
    "one byte": b"\0",
    "zeros": bytes(10_000),
    "text": b"This is no sound at all.\n" * 100,
    "a page": b"<!doctype html><title>x</title><audio src=http://127.0.0.1/a.mp3>",
    "a playlist": LIST,
    "a script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1_000),
    "another RIFF": b"RIFF" + struct.pack("<I", 1_000) + b"AVI " + bytes(1_000),
    "a film": film(),
    "a playlist in ID3": b"ID3\x04\0\0\0\0\0\0" + LIST * 10,
    "only a header": FILES["wav"][:44],
    "half a header": FILES["wav"][:20],
    "an m4a without its end": FILES["m4a"][:3_000],
    "an ogg of noise": b"OggS" + bytes(range(256)) * 40,
    "a flac of noise": b"fLaC" + bytes(range(256)) * 40,
    "a webm of noise": b"\x1aE\xdf\xa3" + bytes(range(256)) * 40,
    "mp3 frames of noise": b"\xff\xfb\x90\x64" + bytes(range(256)) * 40,
    "too short": wav(SOUND[: 48_000 // 4]),
    "silence": wav(np.zeros(96_000, np.float32)),
    "next to silence": wav(tone(peak=0.0005)),
}


@pytest.mark.parametrize("file", NOT_AUDIO.values(), ids=NOT_AUDIO.keys())
def test_what_is_no_usable_clip_is_refused_in_words(server: Server, file: bytes) -> None:
    answer = upload(server, file, transcript="Hello.")
    refused(answer, 400)
    assert [one["field"] for one in answer.json()["extra"]] == ["file"]


def test_a_small_file_that_holds_hours_is_given_up(server: Server) -> None:
    bomb = silence_for_hours(2 * 3_600)
    assert len(bomb) < 2_000_000
    assert "longer than 60 seconds" in refused(upload(server, bomb, transcript="Hello."), 413)


def test_a_clip_of_a_minute_is_taken_and_a_second_more_is_not(server: Server) -> None:
    minute = encoded(tone(60), "ogg", "libopus")
    assert upload(server, minute, transcript="A minute.").status_code == 201
    refused(upload(server, wav(tone(61, 16_000), 16_000), transcript="More."), 413)


def test_a_file_that_is_too_large_is_refused(server: Server) -> None:
    assert "20 MB" in refused(upload(server, b"RIFF" + bytes(20_000_000)), 413)
    refused(upload(server, bytes(21_000_000)), 413)


@pytest.mark.parametrize("claimed", [0, 1, 2**31, 2**32 - 1])
def test_a_header_that_lies_about_its_length_is_not_believed(server: Server, claimed: int) -> None:
    file = bytearray(FILES["wav"])
    file[4:8] = struct.pack("<I", claimed)
    file[40:44] = struct.pack("<I", claimed)
    answer = upload(server, bytes(file), transcript="Hello.")
    if answer.status_code == 201:
        assert len(heard(clip(server, answer.json()["audio_path"]))) <= 2.1 * 24_000
    else:
        refused(answer, 400)


@pytest.mark.parametrize(
    ("offset", "value"), [(22, 0), (22, 255), (24, 0), (24, 1), (24, 2**31), (34, 0), (34, 3)]
)
def test_a_header_with_odd_numbers_is_refused_or_read(
    server: Server, offset: int, value: int
) -> None:
    file = bytearray(FILES["wav"])
    size = 4 if offset == 24 else 2
    file[offset : offset + size] = value.to_bytes(size, "little")
    assert upload(server, bytes(file), transcript="Hello.").status_code in (201, 400)


def test_each_wrong_field_of_the_form_is_named(server: Server) -> None:
    def fields(answer: httpx.Response) -> set[str]:
        refused(answer, 400)
        return {one["field"] for one in answer.json()["extra"]}

    assert fields(upload(server, None, voice_name="", surprise="x")) == {
        "file",
        "voice_name",
        "surprise",
    }
    assert fields(upload(server, FILES["wav"], voice_name="a/b")) == {"voice_name"}
    assert fields(upload(server, FILES["wav"], voice_name="a\0b")) == {"voice_name"}
    long = "x" * 10_001
    assert fields(upload(server, FILES["wav"], transcript=long)) == {"transcript"}
    address = f"{server.url}/api/voices/upload"
    # the name may stand in the address instead, and is asked for when there is a file
    assert fields(httpx.post(address, json={"voice_name": "x"}, trust_env=False)) == {"file"}
    assert fields(httpx.post(address, trust_env=False)) == {"file"}


PART = b'--b\r\nContent-Disposition: form-data; name="voice_name"\r\n'


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"no form",
        b"--b\r\nhalf",
        PART + b"\r\n\xff\xfe\r\n--b--\r\n",
        PART + b"Content-Type: text/plain; charset=klingon\r\n\r\nx\r\n--b--\r\n",
        PART + b"\r\nx\r\n" + PART + b"\r\ny\r\n--b--\r\n",
    ],
)
def test_a_broken_form_is_refused(server: Server, form: bytes) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = httpx.post(
        f"{server.url}/api/voices/upload", content=form, headers=kind, trust_env=False
    )
    refused(answer, 400)


# -- the process that decodes ------------------------------------------------------------------


def a_decoder(folder: Path, program: str) -> Path:
    path = folder / "decoder.py"
    path.write_text(f"import os, sys, time\n{program}\n")
    return path


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


SLEEPER = """
length = int.from_bytes(sys.stdin.buffer.read(8), "little")
open(sys.stdin.buffer.read(length), "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.anyio
async def test_whoever_gives_up_takes_the_decoder_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "DECODER", a_decoder(tmp_path, SLEEPER))
    told = tmp_path / "pid"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decode, str(told).encode())
        while not (told.exists() and told.read_text()):  # noqa: ASYNC110 (no event: it is a file)
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert is_gone(int(told.read_text()))


@pytest.mark.anyio
async def test_a_decoder_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "DECODER", a_decoder(tmp_path, SLEEPER))
    monkeypatch.setattr(clips, "DEADLINE_SECONDS", 0.5)
    with pytest.raises(BadValue, match="took too long"):
        await decode(str(tmp_path / "pid").encode())


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["os.abort()", "raise MemoryError", "sys.exit(7)"])
async def test_a_decoder_that_crashes_is_a_file_that_cannot_be_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    monkeypatch.setattr(clips, "DECODER", a_decoder(tmp_path, end))
    with caplog.at_level(logging.WARNING, "aichat"), pytest.raises(BadValue) as told:
        await decode(b"x")
    assert told.value.problem == "The file could not be decoded."
    assert "the decoder ended with" in caplog.text


@pytest.mark.anyio
async def test_the_decoder_knows_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "secret")
    program = "import json; sys.stdout.write(json.dumps(dict(os.environ)))"
    monkeypatch.setattr(clips, "DECODER", a_decoder(tmp_path, program))
    environment = json.loads((await decode(b"")).pcm)
    assert "OPENROUTER_API_KEY" not in environment


def inside(program: str) -> str:
    """Run a program in the decoder's place, behind its limits."""
    setup = (
        f"import sys; sys.path.insert(0, {str(Path(decoder.__file__).parent)!r})\n"
        "import decoder, socket, resource\ndecoder.warm_up()\ndecoder.limit()\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", setup + program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_decoder_opens_nothing_and_takes_no_more_memory_than_it_may() -> None:
    assert "Too many open files" in inside("open('/etc/passwd')")
    assert "Too many open files" in inside("socket.socket()")
    assert "MemoryError" in inside("bytearray(2 << 30)")
    assert "(20, 20)" in inside("print(resource.getrlimit(resource.RLIMIT_CPU))")


def test_no_damaged_file_brings_the_decoder_down() -> None:
    """Thousands of bytes turned at random: a sound, or a refusal, and never anything else."""
    fuzz = """
import random
def damaged(file, chance):
    file = bytearray(file)
    for _ in range(chance.randrange(1, 30)):
        file[chance.randrange(len(file))] = chance.randrange(256)
    return bytes(file[: chance.randrange(1, len(file)) if chance.random() < 0.3 else None])

files = eval(sys.stdin.read())
ends = []
for seed in range(200):
    chance = random.Random(seed)
    try:
        decoder.normalised(decoder.decode(damaged(chance.choice(files), chance)))
        ends.append("sound")
    except decoder.Refused:
        ends.append("refused")
print(ends.count("sound"), ends.count("refused"))
"""
    setup = (
        f"import sys; sys.path.insert(0, {str(Path(decoder.__file__).parent)!r})\n"
        "import decoder; decoder.av.logging.set_level(None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", setup + fuzz],
        input=repr(list(FILES.values())), capture_output=True, text=True, check=True,
    )  # fmt: skip
    sound, refusals = map(int, done.stdout.split())
    assert sound > 10
    assert refusals > 10


# -- many at once ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_few_are_decoded_at_once_some_wait_and_the_rest_are_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Store:
        async def voice(self, key: str) -> None:
            raise uploads.NotFound("There is none.", "Look.")

    class Parts:
        storage, stt = Store(), FakeStt()

    class File:
        async def read(self, size: int = -1) -> bytes:
            return b"x"

    running, most, go_on = 0, 0, anyio.Event()

    async def slow(data: bytes) -> Clip:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        raise BadValue("It is broken.", "Mend it.", "file")

    monkeypatch.setattr(uploads, "decode", slow)
    ours, ends = Uploads(), []

    async def send() -> None:
        parts: Any = Parts()
        try:
            await ours.clone(parts, "x", File(), "words")
        except (BadValue, Busy) as error:
            ends.append(type(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(15):
            tasks.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        assert ends == [Busy] * 5
        go_on.set()
    assert most == uploads.AT_ONCE == 2
    assert ends.count(BadValue) == 10
