import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from aichat.core import BackendFailed, CannotStart, NotReady, Utterance
from aichat.core.testing import SttContract
from aichat.plugins import pocketsphinx
from aichat.plugins.pocketsphinx import Pocketsphinx, stt_backend
from aichat.toolkit.packages import installs
from support.espeak_speech import say
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio

QUESTION = "open the window it is very hot in here"


both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])


@pytest.fixture
def speech_pcm():
    return say(QUESTION)


@pytest.fixture
async def stt():
    async with Pocketsphinx() as backend:
        yield backend


class TestPocketsphinx(OpenedOnce, SttContract):
    @pytest.fixture
    def speech_pcm(self):
        return say("open the window")

    @pytest.fixture(scope="class")
    @classmethod
    async def stt(cls):
        async with Pocketsphinx() as backend:
            yield backend


@pytest.mark.parametrize("said", ["my favorite color is blue", "can you help me find my keys"])
async def test_it_gets_several_words_right(stt, said):
    text = await stt.transcribe(Utterance("a", say(said), final=True))
    assert len(set(said.split()) & set(text.split())) >= 3, text


async def test_of_a_growing_utterance_only_the_new_part_is_sent(stt, speech_pcm, monkeypatch):
    sent = []
    say_to_it = pocketsphinx._Listener.say

    async def record(listener, kind, pcm=b""):
        sent.append(pcm)
        await say_to_it(listener, kind, pcm)

    monkeypatch.setattr(pocketsphinx._Listener, "say", record)
    for size in (16_000, 48_000, len(speech_pcm)):
        await stt.transcribe(Utterance("a", speech_pcm[:size], final=size == len(speech_pcm)))
    assert b"".join(sent) == speech_pcm


async def test_another_utterance_with_the_same_key_is_heard_afresh(stt, speech_pcm):
    first = await stt.transcribe(Utterance("a", speech_pcm, final=False))
    assert first
    assert await stt.transcribe(Utterance("a", bytes(32_000), final=False)) == ""


@both_loops
async def test_a_cancelled_call_does_not_mix_up_the_answers(stt, speech_pcm):
    for number in range(12):
        with anyio.move_on_after(0.01 * number):
            await stt.transcribe(Utterance(f"cut {number}", speech_pcm, final=True))
    assert await stt.transcribe(Utterance("quiet", bytes(32_000), final=True)) == ""
    text = await stt.transcribe(Utterance("a", say("my favorite color is blue"), final=True))
    assert {"favorite", "color"} <= set(text.split())


@both_loops
async def test_when_the_process_dies_the_next_call_starts_another(stt, speech_pcm):
    before = stt._listener.process
    before.kill()
    await before.wait()
    assert await stt.transcribe(Utterance("a", speech_pcm, final=True))
    assert stt._listener.process.pid != before.pid


async def test_when_it_dies_again_and_again_that_is_told(stt, monkeypatch):
    async def dead():
        raise OSError("no more processes")

    stt._listener.process.kill()
    monkeypatch.setattr(pocketsphinx, "_start", dead)
    with pytest.raises(BackendFailed, match="broke down"):
        await stt.transcribe(Utterance("a", bytes(32_000), final=True))
    monkeypatch.undo()
    assert await stt.transcribe(Utterance("a", bytes(32_000), final=True)) == ""


async def test_one_that_does_not_answer_is_killed(stt, monkeypatch):
    monkeypatch.setattr(pocketsphinx, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(pocketsphinx, "END_SECONDS", 0.2)
    stuck = stt._listener.process
    os.kill(stuck.pid, signal.SIGSTOP)
    start = pocketsphinx._start

    async def patient():
        monkeypatch.setattr(pocketsphinx, "ANSWER_SECONDS", 20)  # for the new one
        return await start()

    monkeypatch.setattr(pocketsphinx, "_start", patient)
    with anyio.fail_after(60):
        await stt.transcribe(Utterance("a", bytes(3_200), final=True))
    assert stuck.returncode == -signal.SIGKILL


@both_loops
async def test_leaving_ends_the_process_also_while_it_works(speech_pcm):
    async with anyio.create_task_group() as tasks:
        async with Pocketsphinx() as stt:
            process = stt._listener.process

            async def listen():
                with pytest.raises(BackendFailed):
                    await stt.transcribe(Utterance("a", 20 * speech_pcm, final=True))

            tasks.start_soon(listen)
            await anyio.sleep(0.1)
        assert process.returncode is not None
    with pytest.raises(NotReady):
        await stt.transcribe(Utterance("a", speech_pcm, final=True))


@both_loops
async def test_being_cancelled_while_it_starts_leaves_no_process(monkeypatch):
    started = []
    open_process = anyio.open_process

    async def remember(*arguments, **options):
        started.append(await open_process(*arguments, **options))
        scope.cancel()
        return started[-1]

    monkeypatch.setattr(anyio, "open_process", remember)
    with anyio.CancelScope() as scope:
        async with Pocketsphinx():
            await anyio.sleep_forever()
    assert started[0].returncode is not None


async def test_its_process_ends_with_its_standard_input():
    program = Path(pocketsphinx.__file__).with_name("process.py")
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, "-P", str(program)], input=b"", stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, bytes(4), b"")


async def test_a_missing_package_is_told_with_its_mend(monkeypatch):
    monkeypatch.setattr(pocketsphinx, "find_spec", lambda name: None)
    with pytest.raises(CannotStart, match="package pocketsphinx is missing"):
        async with Pocketsphinx():
            pass
    assert pocketsphinx._mend((3, 13)) == installs("offline")
    assert "Python 3.13" in pocketsphinx._mend((3, 14))


def test_the_user_is_told_that_it_is_rough():
    assert "only for trying out" in stt_backend().notice
