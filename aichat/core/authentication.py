"""Asking the plug-ins who somebody is: an answer counts, or it refuses.

An :class:`~aichat.core.auth.Actor` comes in, None passes the question on, ``Denied`` refuses.
Anything else is a fault of the plug-in, and nobody comes in by a fault: whatever is true to Python
(a name, a number, a coroutine that nobody awaits) would otherwise open the door to everybody.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Iterator
from inspect import iscoroutine
from typing import cast

from attrs import frozen
from pluggy import HookImpl, PluginManager

from .auth import Actor, Connection
from .errors import AichatError

FAILED = (Exception, SystemExit, CancelledError)
"""What a hook may raise. It is no coroutine, so that no cancellation of ours arrives in it."""
KNOWN_FAULTS = 1_000
"""Kinds of faults that are remembered as reported; the log is not a place for a flood."""

log = logging.getLogger(__name__)


class BadAnswer(AichatError):
    """A plug-in failed to say who asks; nobody comes in by that."""

    code = "login_broken"

    def __init__(self, fault: Fault) -> None:
        super().__init__("Who you are cannot be found out.", "See the server's log.")
        self.fault = fault


@frozen
class Fault:
    """What a plug-in did instead of answering, as ``returned bool``."""

    plugin: str
    what: str

    @property
    def line(self) -> str:
        """The fault and its mend on one line."""
        return (
            f"The plug-in {self.plugin}: authenticate {self.what}. It must return an Actor or "
            "None, or raise Denied; until it does, it lets nobody in."
        )


class Authentication:
    """The hook ``authenticate`` of all plug-ins of a *manager*."""

    def __init__(self, manager: PluginManager) -> None:
        self._hook = manager.hook.authenticate
        self._reported: set[Fault] = set()

    def has_plugins(self) -> bool:
        """Tell whether any plug-in answers beside aichat's own, which is one."""
        return len(self._hook.get_hookimpls()) > 1

    def who(self, connection: Connection) -> Actor | None:
        """Return who asks; None: nobody knows them.

        Raises what a plug-in refuses with, and :class:`BadAnswer` for whatever is no answer. The
        plug-in is named in the log, once for each kind of fault.
        """
        try:
            answer: object = self._hook(connection=connection)
        except AichatError:
            raise
        except FAILED as error:
            raise self._bad(connection, _raised(error), error) from error
        if answer is None or _is_actor(answer):
            return cast(Actor | None, answer)
        raise self._bad(connection, _returned(answer))

    def faults(self, connection: Connection) -> Iterator[Fault]:
        """Ask each plug-in on its own; yield what is no answer."""
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
        """Name all: one of them answers differently each time, or wraps the others."""
        return " or ".join(_name(impl) for impl in self._hook.get_hookimpls())


def _name(impl: HookImpl) -> str:
    """Name a plug-in; an object that was registered without a name has a number for one."""
    name = impl.plugin_name
    return type(impl.plugin).__qualname__ if name.isdecimal() else name


def _fault_of(impl: HookImpl, connection: Connection) -> str | None:
    """Say what one plug-in does instead of answering; None: it answers."""
    function = impl.function
    try:
        answer: object = function(*(connection for _ in impl.argnames))
    except AichatError:
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
        answer.close()  # nobody will await it, and Python would complain of that
        return "returned a coroutine (hooks are not async)"
    if isinstance(answer, type):
        return f"returned the class {answer.__name__}"
    return f"returned {type(answer).__name__}"
