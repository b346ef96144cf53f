"""Streams are closed on time, and do not keep anybody waiting for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from aichat.core import Clock, CooperativeYield, TimedOut, closing, next_within
from aichat.core.bus import streams
from aichat.core.bus.virtual_time import run_virtual

pytestmark = pytest.mark.anyio


class Source:
    """Yields numbers and notes when it was closed."""

    def __init__(self, slow_close: bool = False) -> None:
        self.closed = False
        self.slow_close = slow_close

    async def numbers(self) -> AsyncIterator[int]:
        try:
            for number in range(100):
                await anyio.lowlevel.checkpoint()
                yield number
        finally:
            with anyio.CancelScope(shield=not self.slow_close):
                await (anyio.sleep_forever() if self.slow_close else anyio.sleep(0.001))
                self.closed = True


async def test_a_stream_is_closed_when_the_reader_stops_early() -> None:
    source = Source()
    async with closing(source.numbers()) as stream:
        async for number in stream:
            if number == 2:
                break
    assert source.closed


async def test_a_cancelled_reader_still_closes_what_it_opened() -> None:
    source = Source()
    with anyio.CancelScope() as scope:
        async with closing(source.numbers()) as stream:
            async for _ in stream:
                scope.cancel()
    assert scope.cancelled_caught
    assert source.closed


async def test_a_stream_that_will_not_close_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "CLOSE_SECONDS", 0.02)
    source = Source(slow_close=True)
    with anyio.fail_after(60):
        async with closing(source.numbers()) as stream:
            await anext(stream)
    assert not source.closed


async def test_a_stream_that_is_no_generator_is_closed_if_it_can_be() -> None:
    class Hand:
        closed = False

        def __aiter__(self) -> Hand:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            self.closed = True

    hand = Hand()
    async with closing(hand):
        pass
    assert hand.closed


async def test_the_next_item_comes_or_none_at_the_end() -> None:
    async def one() -> AsyncIterator[int]:
        yield 1

    async with closing(one()) as stream:
        assert await next_within(stream, 1, "A number") == 1
        assert await next_within(stream, 1, "A number") is None


async def test_a_silent_stream_times_out_with_the_mend() -> None:
    async def silent() -> AsyncIterator[int]:
        await anyio.sleep_forever()
        yield 1

    async with closing(silent()) as stream:
        with pytest.raises(TimedOut, match=r"A token did not come within 0.01 seconds.\n  Hint: "):
            await next_within(stream, 0.01, "A token")


@pytest.mark.parametrize(("seconds", "lets_work"), [(0.0, [1, 1, 1]), (0.02, [1, 0, 0])])
def test_who_reads_a_fast_stream_lets_others_work_and_a_slow_one_costs_no_further_round(
    seconds: float, lets_work: list[int]
) -> None:
    async def main() -> list[int]:
        breath, worked, loop = CooperativeYield(Clock()), [], asyncio.get_running_loop()
        for number in range(3):
            await anyio.sleep(seconds)
            done: list[int] = []
            loop.call_soon(done.append, number)
            await breath.checkpoint()
            worked.append(len(done))
        return worked

    assert run_virtual(main) == lets_work
