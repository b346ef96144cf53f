"""The hook ``speakable_filter``: what a third-party plug-in may do to what is read out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aichat.core import hookimpl, load_plugins, new_id, open_chat
from aichat.core.events import HandlerFailed, ReplyClause, ReplyText, TurnFinished, UserSaid
from aichat.core.testing.fakes import FakeLlm
from support.chat import Given, Listener, a_store, all_ready

pytestmark = pytest.mark.anyio
WRITTEN = "*nods* Use **SQL**, it is fun."


class Pronounces:
    """Comes before aichat's own filter."""

    @hookimpl
    def speakable_filter(self) -> Callable[[str], str]:
        return lambda text: text.replace("**SQL**", "*the* sequel")


class Shouts:
    """Comes after it."""

    @hookimpl(trylast=True)
    def speakable_filter(self) -> Callable[[str], str]:
        return str.upper


class Broken:
    @hookimpl
    def speakable_filter(self) -> Callable[[str], str]:
        return lambda text: text[1_000]


class Wrong:
    @hookimpl
    def speakable_filter(self) -> Callable[[str], str]:
        return len  # type: ignore[return-value]


async def read_out(*plugins: object) -> tuple[str, Listener]:
    given, heard = Given(storage=await a_store(), llm=FakeLlm(WRITTEN)), Listener()
    manager = load_plugins(extra=[given, *plugins])
    async with open_chat(given.config(), manager) as (bus, parts):
        await all_ready(parts)
        bus.tap(heard.hear)
        await bus.publish(UserSaid(bus.new_turn("c"), "@Mark hi", "text", new_id()))
        await bus.settled()
    assert "".join(e.text for e in heard.of(ReplyText)).strip() == WRITTEN
    assert "".join(e.shown for e in heard.of(ReplyClause)).strip() == WRITTEN
    assert heard.of(TurnFinished)
    return " ".join(e.text for e in heard.of(ReplyClause)), heard


async def test_without_more_aichats_own_filter_leaves_out_what_is_not_said() -> None:
    assert (await read_out())[0] == "Use SQL, it is fun."


async def test_filters_are_chained_and_the_text_on_the_screen_stays() -> None:
    text, heard = await read_out(Pronounces(), Shouts())
    assert text == "USE THE SEQUEL, IT IS FUN."
    assert not heard.of(HandlerFailed)


@pytest.mark.parametrize("plugin", [Broken(), Wrong()])
async def test_a_filter_that_fails_is_told_and_left_out(plugin: object) -> None:
    text, heard = await read_out(plugin)
    assert text == "Use SQL, it is fun."
    assert {type(e.error) for e in heard.of(HandlerFailed)} <= {IndexError, TypeError}
    assert heard.of(HandlerFailed)
