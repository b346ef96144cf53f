"""Who comes in when plug-ins decide: only an Actor, whatever else they do."""

from __future__ import annotations

import gc
import warnings
from asyncio import CancelledError
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pluggy
import pytest

from aichat.core import (
    Actor,
    AichatError,
    BadValue,
    Connection,
    Denied,
    NotFound,
    Unreachable,
    hookimpl,
    hookspecs,
)
from aichat.core.authentication import FAILED, Authentication, BadAnswer
from aichat.core.testing import AuthContract

ASKS = Connection("http", "/", "192.0.2.7")


class Truthy:
    def __bool__(self) -> bool:
        return True


async def later() -> Actor:
    return Actor("ada")


async def several() -> Any:
    yield Actor("ada")


def raising(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "false": (lambda: False, "returned bool"),
    "true": (lambda: True, "returned bool"),
    "a name": (lambda: "bob", "returned str"),
    "no name": (lambda: "", "returned str"),
    "zero": (lambda: 0, "returned int"),
    "a dict": (lambda: {"name": "bob"}, "returned dict"),
    "an empty list": (lambda: [], "returned list"),
    "the class": (lambda: Actor, "returned the class Actor"),
    "something true": (Truthy, "returned Truthy"),
    "a lookalike": (lambda: SimpleNamespace(name="bob"), "returned SimpleNamespace"),
    "a mock": (lambda: Mock(spec=Actor), "returned Mock"),
    "several": (lambda: (Actor("ada"), Actor("bob")), "returned tuple"),
    "a coroutine": (later, "returned a coroutine"),
    "an async generator": (several, "returned async_generator"),
    "an error": (raising(RuntimeError("sk-secret")), "raised RuntimeError"),
    "an error of ours": (raising(BadValue("sk-secret", "x")), "raised BadValue"),
    "not found": (raising(NotFound("sk-secret", "x")), "raised NotFound"),
    "an exit": (raising(SystemExit(0)), "raised SystemExit"),
    "a cancellation": (raising(CancelledError()), "raised CancelledError"),
    "a nameless actor": (lambda: Actor(""), "raised ValueError"),
    "an actor of none": (lambda: Actor(None), "raised TypeError"),  # type: ignore[arg-type]
}


def asked(*answers: Callable[[], object]) -> Authentication:
    """Plug-ins p0, p1 …, of which the first is asked first."""
    manager = pluggy.PluginManager("aichat")
    manager.add_hookspecs(hookspecs)
    for place, answer in reversed(list(enumerate(answers))):

        class Plugin:
            @hookimpl
            def authenticate(self, connection: Connection, answer: Any = answer) -> Any:
                return answer()

        manager.register(Plugin(), f"p{place}")
    return Authentication(manager)


def test_an_actor_comes_in_and_none_asks_the_next() -> None:
    ada = Actor("ada")
    assert asked(lambda: None, lambda: ada).actor(ASKS) == ada
    assert asked(lambda: None).actor(ASKS) is None
    assert asked().actor(ASKS) is None


def test_who_is_denied_is_not_asked_about_further() -> None:
    with pytest.raises(Denied):
        asked(raising(Denied("No.", "Go.")), lambda: Actor("ada")).actor(ASKS)


def test_logins_that_cannot_be_looked_up_now_are_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    authentication = asked(raising(Unreachable("It is away.", "Wait.")), lambda: Actor("ada"))
    with pytest.raises(Unreachable):
        authentication.actor(ASKS)
    assert not caplog.records


@pytest.mark.parametrize("name", FAULTS)
def test_anything_else_refuses_and_names_the_plugin_once(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, what = FAULTS[name]
    authentication = asked(lambda: None, answer, lambda: Actor("ada"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as of a coroutine that nobody has awaited
        for _ in range(50):
            with pytest.raises(BadAnswer) as refused:
                authentication.actor(ASKS)
        gc.collect()
    assert refused.value.fault.plugin == "p1"
    assert refused.value.fault.what.startswith(what)
    assert "sk-secret" not in refused.value.line
    assert len(caplog.records) == 1
    assert "p1: authenticate " + what in caplog.records[0].getMessage()


def test_each_plugin_that_fails_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with_both = asked(lambda: None if caplog.records else True, lambda: "bob")
    for _ in range(3):
        with pytest.raises(BadAnswer):
            with_both.actor(ASKS)
    assert [r.getMessage().partition(":")[0] for r in caplog.records] == [
        "The plug-in p0",
        "The plug-in p1",
    ]


def test_one_that_answers_wrong_only_now_and_then_lets_nobody_in_either() -> None:
    answers = iter([True, None, None])
    fickle = asked(lambda: next(answers))
    with pytest.raises(BadAnswer) as refused:
        fickle.actor(ASKS)
    assert refused.value.fault.plugin == "p0"
    assert fickle.actor(ASKS) is None


def test_a_wrapper_that_makes_something_else_of_the_answer_lets_nobody_in() -> None:
    manager = pluggy.PluginManager("aichat")
    manager.add_hookspecs(hookspecs)

    class Wrapper:
        @hookimpl(wrapper=True)
        def authenticate(self, connection: Connection) -> Any:
            yield
            return "everybody"

    manager.register(Wrapper(), "wrapper")
    with pytest.raises(BadAnswer) as refused:
        Authentication(manager).actor(ASKS)
    assert refused.value.fault.plugin == "wrapper"


# -- the contract --------------------------------------------------------------------------------


class Badges:
    """A plug-in that knows people by a header, as an author would write it."""

    @hookimpl
    def authenticate(self, connection: Connection) -> Actor | None:
        name = {"the badge of ada": "ada"}.get(connection.headers.get("x-badge", ""))
        return Actor(name) if name else None


class TestBadges(AuthContract):
    @pytest.fixture
    def plugin(self) -> Badges:
        return Badges()

    @pytest.fixture
    def known(self) -> Connection:
        return Connection("http", "/", "127.0.0.1", {"x-badge": "the badge of ada"})


@pytest.mark.anyio
@pytest.mark.parametrize("name", FAULTS)
async def test_the_contract_finds_what_is_no_answer(name: str) -> None:
    plugin = SimpleNamespace(authenticate=lambda connection: FAULTS[name][0]())
    with pytest.raises((AssertionError, *FAILED)):
        await AuthContract().test_a_stranger_stays_outside(plugin, [ASKS])


@pytest.mark.anyio
async def test_the_contract_finds_who_lets_everybody_in() -> None:
    plugin = SimpleNamespace(authenticate=lambda connection: Actor("everybody"))
    with pytest.raises(AssertionError):
        await AuthContract().test_a_stranger_stays_outside(plugin, [ASKS])
    with pytest.raises(AssertionError):
        await AuthContract().test_whatever_comes_is_answered_and_not_let_in(plugin, "a handshake")


def test_a_refusal_is_an_error_of_ours() -> None:
    assert issubclass(BadAnswer, AichatError)
    assert not BadAnswer.retryable
