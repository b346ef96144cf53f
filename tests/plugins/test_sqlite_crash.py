"""Kill the writing process, again and again: what it acknowledged must be there."""

import subprocess
import sys

import pytest

from aichat.core.testing.storage_contract import contents
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio

ROUNDS = 10

WRITER = """
import sys
from functools import partial
import anyio
from aichat.core import Conversation, Message
from aichat.plugins.sqlite.store import Sqlite

async def write(store, task):
    for number in range(100_000):
        text = f"{sys.argv[2]} {task} {number}"
        await store.add_message(Message(text, "c", "user", text + " " + "x" * 300))
        print(text, flush=True)

async def main():
    async with Sqlite(sys.argv[1]) as store, anyio.create_task_group() as tasks:
        await store.add_conversation(Conversation("c"))
        for task in range(4):
            tasks.start_soon(write, store, task)

anyio.run(main)
"""


def write_and_be_killed(file, number):
    """Return what was acknowledged before the kill, which comes later each round."""
    command = [sys.executable, "-c", WRITER, str(file), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        lines = [writer.stdout.readline() for _ in range(1 + number * 37)]
        writer.kill()
        lines += writer.stdout.readlines()
    return [line.removesuffix("\n") for line in lines if line.endswith("\n")]


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    file, acknowledged = tmp_path / "aichat.db", []
    for number in range(ROUNDS):
        acknowledged += write_and_be_killed(file, number)
        async with Sqlite(str(file)) as store:
            kept = [text.rsplit(" ", 1)[0] for text in await contents(store, "c", 10**6)]
            assert set(acknowledged) <= set(kept)
            assert len(kept) == len(set(kept))
            check = await store.reader.do(lambda c: c.execute("pragma integrity_check").fetchall())
            assert check == [("ok",)]
    assert len(acknowledged) > ROUNDS * 10
