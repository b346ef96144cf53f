"""An import that ends with the server, in whatever way, is rolled back at the next start."""

from __future__ import annotations

import io
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import Character, Conversation, Message, Storage, Unreachable, Voice, new_id
from aichat.core.memory_storage import MemoryStorage
from aichat.toolkit import temporary_files
from aichat.web.services import archive
from aichat.web.services.archive.rollback import Rollback, UndoStep
from support.subprocess_server import Process, a_process

CHANGES = re.compile("(add|change|delete)_")


class Closing(MemoryStorage):
    """Takes some changes, and then refuses everything, as the store of a server that stops."""

    left = 1_000

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if not CHANGES.match(name):
            return method

        async def change(*arguments: Any, **more: Any) -> Any:
            if self.left <= 0:
                raise Unreachable("The database is closed.", "Start aichat again.")
            self.left -= 1
            return await method(*arguments, **more)

        return change


async def fill(store: Storage, said: str, ids: list[str]) -> None:
    """Put in a voice, two characters, and conversations with two messages each."""
    await store.add_voice(Voice("Zoë", "description", speaker_desc=said))
    for name in ("Ann", "Ben"):
        await store.add_character(Character(name.lower(), name, said, "Zoë", temperature=0.5))
    for id in ids:
        talk = Conversation(id, f"About {said}", ["ann", "ben"], {"strategy": "first"})
        await store.add_conversation(talk)
        user = Message(new_id(), id, "user", said, extensions={"stars": 5})
        await store.add_messages(
            [user, Message(f"{id[:-1]}b", id, "assistant", said, "Ann", "ann")]
        )


async def packed(ids: list[str]) -> bytes:
    store = MemoryStorage()
    await fill(store, "the new", ids)
    _, pieces = await archive.packed(store, archive.KINDS)
    return b"".join([piece async for piece in pieces])


async def contents(store: Storage) -> list[Any]:
    """Everything but the times of changes and the order of conversations."""
    talks = sorted(await store.conversations(1_000), key=lambda talk: talk.conversation_id)
    voices, characters = await store.voices(), await store.characters()
    messages = [await store.messages(talk.conversation_id, 1_000) for talk in talks]
    named = [(t.conversation_id, t.title, t.active_characters, t.settings) for t in talks]
    whole = [(c.id, c.name, c.system_prompt, c.voice, c.temperature) for c in characters]
    return [named, messages, whole, [(v.voice, v.speaker_desc) for v in voices]]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def cut_off(path: Path) -> None:
    """Write what a process that is killed may have written last."""
    with path.open("ab") as file:
        file.write(b'{"kind": "conver')


def no_report(done: int, total: int) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("policy", ["keep", "replace"])
@pytest.mark.parametrize("is_known", [True, False])
def test_wherever_the_store_closes_the_next_start_finds_everything_as_it_was(
    policy: archive.Policy, *, is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{new_id()[:-1]}a" for _ in range(2)]

    async def stopped_after(changes: int) -> bool:
        store = Closing()
        if is_known:
            await fill(store, "the old", ids[:1])
        before = await contents(store)
        store.left, file = changes, io.BytesIO(data)
        is_complete = False
        with suppress(Unreachable):
            await archive.take_in(store, file, policy, tmp_path, no_report)
            is_complete = True
        store.left = 1_000
        with monkeypatch.context() as later:
            later.setattr(temporary_files, "RUN", "another")
            await archive.finish_rollbacks(tmp_path, store)
        assert files(tmp_path) == []
        assert is_complete or await contents(store) == before
        return is_complete

    data = anyio.run(packed, ids)
    changes = 0
    while not anyio.run(stopped_after, changes):
        changes += 1
    assert changes >= 2


def test_the_import_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    async def main() -> None:
        store = MemoryStorage()
        await store.add_character(Character("ann", "Ann"))
        await Rollback(tmp_path).note([UndoStep("character", "ann")])
        await archive.finish_rollbacks(tmp_path, store)
        assert (await store.character("ann")).name == "Ann"

    anyio.run(main)
    assert len(files(tmp_path)) == 1


def test_a_line_that_was_cut_off_is_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        store = Closing()
        store.left = 3
        with suppress(Unreachable):
            data = io.BytesIO(await packed([new_id()]))
            await archive.take_in(store, data, "keep", tmp_path, no_report)
        (path,) = files(tmp_path)
        assert path.stat().st_mode & 0o077 == 0
        cut_off(path)
        store.left = 1_000
        monkeypatch.setattr(temporary_files, "RUN", "another")
        await archive.finish_rollbacks(tmp_path, store)
        assert await contents(store) == [[], [], [], []]

    anyio.run(main)


TALKS = 150


def counted(process: Process) -> int:
    with closing(sqlite3.connect(process.data / "aichat.db")) as database:
        (count,) = database.execute("select count(*) from conversations").fetchone()
    return int(count)


def send(process: Process, data: bytes) -> Callable[[], None]:
    """Begin to import in a thread; return what waits for its end."""

    def post() -> None:
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{process.port}/settings/import"
            httpx.post(url, files={"file": ("aichat.zip", data)}, trust_env=False)

    thread = threading.Thread(target=post)
    thread.start()
    return thread.join


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_of_an_import_that_a_signal_ends_nothing_stays(number: int, tmp_path: Path) -> None:
    data = anyio.run(packed, [new_id() for _ in range(TALKS)])
    with a_process("steady", tmp_path) as process:
        join = send(process, data)
        while not counted(process):
            time.sleep(0.01)
        process.stop(number)
        join()
        is_complete = counted(process) == TALKS
    with a_process("steady", tmp_path) as process:
        assert is_complete or counted(process) == 0
    assert not list(tmp_path.glob("import-*"))
