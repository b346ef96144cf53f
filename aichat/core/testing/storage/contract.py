"""Contract of stores. Inherit :class:`StorageContract` and give it a ``storage`` fixture.

    class TestMyStore(StorageContract):
        programs = 20  # fewer, for one that is far away

        @pytest.fixture
        async def storage(self):
            async with MyStore() as store:
                yield store

The store may hold rows already, and may be used by others meanwhile, except that they should not
talk: the tests look for what they have made. They leave most of it behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from aichat.core.storage import Storage

from .characters import CharacterExamples, VoiceExamples
from .concurrency import TogetherExamples
from .conversations import ConversationExamples, MessageExamples, SearchExamples
from .helpers import contents, plain, say, started
from .program import Program, Step, steps
from .values import SettingsExamples, ValueExamples

__all__ = ["StorageContract", "contents", "plain", "say", "started"]


class StorageContract(
    CharacterExamples,
    VoiceExamples,
    ConversationExamples,
    MessageExamples,
    SearchExamples,
    ValueExamples,
    SettingsExamples,
    TogetherExamples,
):
    """Inherit, and add a fixture ``storage``: an entered store, empty or with other rows.

    *programs* is how many made-up programs of up to 50 calls are compared with the model.
    """

    pytestmark = pytest.mark.anyio
    programs: ClassVar[int] = 40

    def __init_subclass__(cls) -> None:
        """Give each store a test of its own with as many programs as it wants."""
        super().__init_subclass__()
        cls.test_any_program_comes_out_as_in_memory = _programs(cls.programs)  # type: ignore[attr-defined]


def _programs(count: int) -> Callable[..., Any]:
    @settings(
        max_examples=count,
        deadline=None,
        phases=set(Phase) - {Phase.explain},  # slow, and of no use here
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # programs share the store, but no ids
            HealthCheck.too_slow,
        ],
    )
    @given(program=steps())
    async def test(self: StorageContract, storage: Storage, program: list[Step]) -> None:
        """Whatever is done in whatever order."""
        await Program(storage).run(program)

    return test
