"""Many conversations on one server, some of them deleted, with a store that is slow and fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import anyio
import httpx
import pytest
from websockets import ConnectionClosed

from aichat.core import Message, Unreachable
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm
from support.chat import a_store
from support.in_process_server import Server, a_server

TYPED = 12


class Shaky(MemoryStorage):
    """Takes up to 20 ms, and refuses one call in five, after it has written half of the time."""

    fails = 0.2

    async def add_message(self, message: Message) -> None:
        await anyio.sleep(self.random.uniform(0, 0.02))
        fails = self.random.random() < self.fails
        if not fails or self.random.random() < 0.5:
            await super().add_message(message)
        if fails:
            raise Unreachable("The disk is away.", "Bring it back.")


@pytest.fixture
def store() -> Shaky:
    store = Shaky()
    store.__dict__.update(vars(anyio.run(a_store)))
    store.random = Random(7)
    return store


def type_all(server: Server, delete: bool) -> tuple[str, list[str], list[str]]:
    """Type into a new conversation; return its id, what was shown, and the errors that came."""
    with server.client("character_ids=olivia&view=html") as client:
        id = client.until("ready")["conversation_id"]
        shown: list[str] = []
        try:
            for number in range(TYPED):
                client.send("text_message", text=f"number {number}")
                client.until("turn_started")
                shown.append(f"number {number}")
                if delete and number == TYPED // 2:
                    httpx.delete(f"{server.url}/api/conversations/{id}", trust_env=False)
        except ConnectionClosed:
            assert delete
        errors = [error["message"] for error in client.of("error")]
    return id, shown, errors


def test_what_was_shown_is_stored_and_errors_are_of_the_own_conversation(store: Shaky) -> None:
    with a_server(llm=FakeLlm("Yes."), storage=store) as server:
        with ThreadPoolExecutor(6) as pool:
            talks = list(pool.map(lambda n: type_all(server, n % 3 == 2), range(6)))
        store.fails = 0.0
        gone = {id for n, (id, _, _) in enumerate(talks) if n % 3 == 2}
        for id, _, errors in talks:
            told = " ".join(errors)
            assert not [other for other, _, _ in talks if other != id and other in told]
            assert "IndexError" not in told
            assert "internal" not in told
    # the server has ended, and so everything is stored
    for id, shown, _ in talks:
        if id in gone:
            continue
        kept = anyio.run(store.messages, id, 1_000)
        assert [m.content for m in kept if m.role == "user"] == shown
        assert len({m.message_id for m in kept}) == len(kept)
