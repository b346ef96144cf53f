"""Authentication: calls the hook ``authenticate`` of the plug-ins and checks its result.

An :class:`~aichat.core.actor.Actor` is let in, None passes the connection to the next plug-in,
``Denied`` refuses it, ``Unreachable`` says that logins cannot be looked up now. Anything else is a
fault of the plug-in and refuses as well: otherwise every truthy value (a name, a number, a
coroutine that is never awaited) would let everybody in.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Iterator
from inspect import iscoroutine
from typing import cast

from attrs import frozen
from pluggy import HookImpl, PluginManager

from .actor import Actor, Connection
from .errors import AichatError, Denied, Unreachable

REFUSALS = (Denied, Unreachable)
"""What a hook may raise on purpose."""
FAILED = (Exception, SystemExit, CancelledError)
"""What else it may raise. Hooks are synchronous, so a CancelledError is never our own."""
KNOWN_FAULTS = 1_000
"""Most faults that are remembered as reported, so that each is logged once."""

log = logging.getLogger(__name__)


class BadAnswer(AichatError):
    """A plug-in's ``authenticate`` failed; the connection is refused."""

    code = "login_broken"

    def __init__(self, fault: Fault) -> None:
        super().__init__("Who you are cannot be found out.", "See the server's log.")
        self.fault = fault


@frozen
class Fault:
    """What a plug-in did instead of returning an Actor or None, as ``returned bool``."""

    plugin: str
    what: str

    @property
    def line(self) -> str:
        """The fault and how to fix it, on one line."""
        return (
            f"The plug-in {self.plugin}: authenticate {self.what}. It must return an Actor or "
            "None, or raise Denied; until it does, every connection is refused."
        )


class Authentication:
    """The hook ``authenticate`` of all plug-ins of a *manager*."""

    def __init__(self, manager: PluginManager) -> None:
        self._hook = manager.hook.authenticate
        self._reported: set[Fault] = set()

    def has_plugins(self) -> bool:
        """Return whether any plug-in beside aichat's own implements the hook."""
        return len(self._hook.get_hookimpls()) > 1

    def actor(self, connection: Connection) -> Actor | None:
        """Return the connection's actor; None if no plug-in knows it.

        Raises what a plug-in refuses with, and :class:`BadAnswer` for an invalid result. The
        plug-in is named in the log, once for each fault.
        """
        try:
            answer: object = self._hook(connection=connection)
        except REFUSALS:
            raise
        except FAILED as error:
            raise self._bad(connection, _raised(error), error) from error
        if answer is None or _is_actor(answer):
            return cast(Actor | None, answer)
        raise self._bad(connection, _returned(answer))

    def faults(self, connection: Connection) -> Iterator[Fault]:
        """Call each plug-in on its own; yield the faults."""
        for impl in reversed(self._hook.get_hookimpls()):
            if not (impl.wrapper or impl.hookwrapper) and (what := _fault_of(impl, connection)):
                yield Fault(_name(impl), what)

    def _bad(
        self, connection: Connection, what: str, error: BaseException | None = None
    ) -> BadAnswer:
        fault = next(self.faults(connection), None) or Fault(self._names(), what)
        if fault not in self._reported and len(self._reported) < KNOWN_FAULTS:
            self._reported.add(fault)
            log.error("%s", fault.line, exc_info=error)
        return BadAnswer(fault)

    def _names(self) -> str:
        """Return the names of all: one of them varies its result, or wraps the others."""
        return " or ".join(_name(impl) for impl in self._hook.get_hookimpls())


def _name(impl: HookImpl) -> str:
    """Return a plug-in's name; pluggy names an object registered without one by a number."""
    name = impl.plugin_name
    return type(impl.plugin).__qualname__ if name.isdecimal() else name


def _fault_of(impl: HookImpl, connection: Connection) -> str | None:
    """Return what one plug-in does wrong; None if its result is valid."""
    function = impl.function
    try:
        answer: object = function(*(connection for _ in impl.argnames))
    except REFUSALS:
        return None
    except FAILED as error:
        return _raised(error)
    return None if answer is None or _is_actor(answer) else _returned(answer)


def _is_actor(answer: object) -> bool:
    """Look at what it is, not at what it says of itself: a mock passes ``isinstance``."""
    return issubclass(type(answer), Actor)


def _raised(error: BaseException) -> str:
    return f"raised {type(error).__name__}"


def _returned(answer: object) -> str:
    if iscoroutine(answer):
        answer.close()  # it is never awaited, and Python would warn
        return "returned a coroutine (hooks are not async)"
    if isinstance(answer, type):
        return f"returned the class {answer.__name__}"
    return f"returned {type(answer).__name__}"
