"""Kill the writing process, again and again: what it acknowledged must be there."""

import subprocess
import sys
from collections import Counter
from hashlib import sha256

import pytest

from aichat.core.testing.storage.contract import contents
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio

ROUNDS = 6
BATCH = 5  # as below

WRITER = """
import sys
from functools import partial
from itertools import count
import anyio
from aichat.core import Conversation, Message, Voice
from aichat.plugins.sqlite.store import Sqlite

def message(text):
    return Message(text, "c", "user", text + " " + "x" * 300)

async def say(store, name):
    await store.add_message(message(f"{name} alone"))

async def say_many(store, name):
    await store.add_messages([message(f"{name} of-many {part}") for part in range(5)])

async def record(store, name):
    key = await store.add_clip(f"{name} ".encode() * 5_000, "wav")
    await store.add_voice(Voice(name, audio_path=key))

async def forget(store, name):
    await store.add_voice(Voice(name, audio_path=await store.add_clip(name.encode() * 500, "wav")))
    await store.delete_voice(name)

async def repeat(store, task, work):
    for number in count():
        name = f"{sys.argv[2]}-{task}-{number}"
        await work(store, name)
        print(work.__name__, name, flush=True)

async def main():
    async with Sqlite(sys.argv[1]) as store, anyio.create_task_group() as tasks:
        if sys.argv[2] == "0":
            await store.add_conversation(Conversation("c"))
        for task, work in enumerate((say, say, say_many, say_many, record, forget)):
            tasks.start_soon(repeat, store, task, work)

anyio.run(main)
"""


def write_and_be_killed(file, number):
    """Return what was acknowledged before the kill, which comes later each round."""
    command = [sys.executable, "-c", WRITER, str(file), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        lines = [writer.stdout.readline() for _ in range(1 + number * 60)]
        writer.kill()
        lines += writer.stdout.readlines()
    return [tuple(line.split()) for line in lines if line.endswith("\n")]


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    file, acknowledged = tmp_path / "aichat.db", []
    for number in range(ROUNDS):
        acknowledged += write_and_be_killed(file, number)
        done = {work: [name for w, name in acknowledged if w == work] for work, _ in acknowledged}
        async with Sqlite(str(file)) as store:
            await check_messages(store, done)
            await check_clips(store, done)
    assert set(done) == {"say", "say_many", "record", "forget"}


async def check_messages(store, done):
    """Whoever was told so is kept, and no batch is there in part."""
    texts = [text.split() for text in await contents(store, "c", 10**6)]
    sizes = Counter(name for name, *_ in texts)
    assert set(done.get("say", [])) <= {text[0] for text in texts if text[1] == "alone"}
    assert set(done.get("say_many", [])) <= set(sizes)
    assert all(sizes[name] == BATCH for name, kind, *_ in texts if kind != "alone")


async def check_clips(store, done):
    """Whoever was told so is kept, with its sound; and every clip that is known has its file."""
    voices = {voice.voice: voice for voice in await store.voices()}
    assert set(done.get("record", [])) <= set(voices)
    assert not set(done.get("forget", [])) & set(voices)
    for name in done.get("record", []):
        assert await store.clip(voices[name].audio_path) == f"{name} ".encode() * 5_000
    keys = await store.reader.do(lambda c: [key for (key,) in c.execute("select key from clips")])
    for key in keys:
        assert key == f"{sha256(await store.clip(key)).hexdigest()}.wav"
