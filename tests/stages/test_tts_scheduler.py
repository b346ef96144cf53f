"""The voice engine's slots: never too many, never lost, and to whom needs one soonest."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.stages.speaking.tts_scheduler import Deadline, TtsScheduler

NEEDS = st.tuples(st.integers(0, 3).map(float), st.integers(0, 2), st.integers(0, 2))
CHOICE = st.integers(0, 9)
STEPS = st.tuples(
    st.tuples(st.just("ask"), NEEDS)
    | st.tuples(st.sampled_from(["give back", "cancel", "give back and cancel"]), CHOICE),
    st.booleans(),  # whether everybody gets on with it before the next step
)
Step = tuple[tuple[str, Any], bool]


@define(eq=False)
class User:
    need: Deadline
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)
    done: anyio.Event = field(factory=anyio.Event)
    is_in: bool = False


@define
class Engine:
    """Some users of some slots, and a model of who must be in."""

    size: int
    slots: TtsScheduler = field(init=False)
    asked: list[User] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.slots = TtsScheduler(self.size)

    def those(self, *, inside: bool) -> list[User]:
        return [user for user in self.asked if user.is_in is inside]

    async def use(self, user: User) -> None:
        with user.scope:
            async with self.slots.slot(user.need):
                user.is_in = True
                assert len(self.those(inside=True)) <= self.size
                await user.done.wait()
        self.asked.remove(user)

    def step(self, tasks: Any, what: str, how: Any) -> None:
        """Do one thing."""
        if what == "ask":
            self.asked.append(user := User(how))
            tasks.start_soon(self.use, user)
        inside, outside = self.those(inside=True), self.those(inside=False)
        if "give back" in what and inside:
            inside[how % len(inside)].done.set()
        if "cancel" in what and (outside or inside):
            users = outside or inside
            users[how % len(users)].scope.cancel()


async def run(size: int, steps: list[Step]) -> None:
    engine, waited = Engine(size), set[User]()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for (what, how), all_get_on in steps:
                engine.step(tasks, what, how)
                if not all_get_on:
                    continue
                await anyio.wait_all_tasks_blocked()
                inside, outside = engine.those(inside=True), engine.those(inside=False)
                assert len(inside) == size or not outside, "a slot was lost"
                assert engine.slots.free == size - len(inside)
                for user in waited.intersection(inside):
                    assert all(user.need <= other.need for other in waited.intersection(outside))
                waited = set(outside)
            while engine.asked:
                for user in engine.asked:
                    user.done.set()
                await anyio.wait_all_tasks_blocked()
    assert engine.slots.free == size


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(deadline=None)  # a loop is opened for each example
@given(st.integers(1, 3), st.lists(STEPS, max_size=40))
def test_slots_go_to_whom_needs_them_soonest_and_none_is_lost(
    backend: str, size: int, steps: list[Step]
) -> None:
    anyio.run(run, size, steps, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whoever_gives_a_slot_back_and_needs_it_again_sooner_keeps_it(backend: str) -> None:
    async def main() -> list[str]:
        slots, order = TtsScheduler(1), list[str]()

        async def speak(name: str, *needs: float) -> None:
            for need in needs:
                async with slots.slot((need, 0, 0)):
                    order.append(name)
                    await anyio.sleep(0.001)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak, "soon", 0, 1, 2)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(speak, "later", 5, 6)
        return order

    assert anyio.run(main, backend=backend) == ["soon"] * 3 + ["later"] * 2
