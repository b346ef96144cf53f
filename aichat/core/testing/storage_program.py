"""Programs of storage calls, made up by hypothesis: they must come out as in memory."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attrs
from attrs import evolve, frozen
from hypothesis import strategies as st

from aichat.core.errors import AichatError
from aichat.core.ids import new_id
from aichat.core.models import Conversation, Message, Role
from aichat.core.storage import Storage

from .memory import MemoryStorage

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def plain(record: attrs.AttrsInstance) -> Any:
    """Show a record without regard to which kinds of sequence and mapping it holds."""
    return json.loads(json.dumps(attrs.asdict(record), default=str))


def say(conversation: str, content: str = "Hello there.", role: Role = "user") -> Message:
    """Make a message with an id of its own."""
    return Message(new_id(), conversation, role, content)


@frozen
class Step:
    """One call. Numbers choose among what exists by then, modulo how much there is."""

    do: Literal["begin", "rename", "say", "again", "recent", "delete", "list", "stranger"]
    which: int
    number: int
    role: Role
    text: str


STEPS = st.builds(
    Step,
    st.sampled_from(["say"] * 4 + ["begin", "rename", "again", "recent", "delete", "list"])
    | st.just("stranger"),
    st.integers(0, 20),
    st.integers(-1, 6),
    st.sampled_from(["user", "assistant", "system"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=90),
)


class Program:
    """Does the same with the store under test and with the model, and compares the answers."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._model = storage, MemoryStorage()
        self._begun: list[str] = []  # deleted ones stay: their id is unknown, like any other
        self._said: list[Message] = []

    async def run(self, step: Step) -> None:
        """Take one step."""
        if step.do != "begin" and not self._begun:
            return
        await getattr(self, f"_{step.do}")(step)

    def _one(self, step: Step) -> str:
        return self._begun[step.which % len(self._begun)]

    async def _both(self, call: str, *arguments: Any) -> None:
        real = await _outcome(getattr(self._storage, call)(*arguments))
        assert real == await _outcome(getattr(self._model, call)(*arguments))

    async def _begin(self, step: Step) -> None:
        moment = PAST + timedelta(seconds=len(self._begun))
        self._begun.append(new_id())
        begun = Conversation(self._begun[-1], created_at=moment, updated_at=moment)
        await self._both("add_conversation", begun)

    async def _rename(self, step: Step) -> None:
        known = {c.conversation_id: c for c in await self._model.conversations(1000)}
        if conversation := known.get(self._one(step)):
            renamed = evolve(conversation, title=step.text, settings={"top_p": step.number})
            await self._both("add_conversation", renamed)

    async def _say(self, step: Step) -> None:
        self._said.append(say(self._one(step), step.text, step.role))
        await self._both("add_message", self._said[-1])

    async def _again(self, step: Step) -> None:
        if self._said:
            version = self._said[step.number % len(self._said)]
            version = evolve(version, content=step.text, interrupted=True, heard=step.text[:3])
            await self._both("add_message", version)

    async def _recent(self, step: Step) -> None:
        await self._both("recent_messages", self._one(step), step.number)

    async def _delete(self, step: Step) -> None:
        await self._both("delete_conversation", self._one(step))

    async def _stranger(self, step: Step) -> None:
        await self._both("add_message", say(new_id(), step.text))

    async def _list(self, step: Step) -> None:
        listed = await self._storage.conversations(100_000)
        ours = [c.conversation_id for c in listed if c.conversation_id in set(self._begun)]
        known = await self._model.conversations(100_000)
        assert ours == [c.conversation_id for c in known]


async def _outcome(call: Awaitable[Any]) -> object:
    try:
        result = await call
    except AichatError as error:
        return type(error)
    return [plain(record) for record in result] if isinstance(result, Sequence) else result
