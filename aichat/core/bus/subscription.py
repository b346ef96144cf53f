"""Subscriptions and taps. The annotation of a handler names the events it receives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from enum import Enum
from inspect import iscoroutinefunction, signature
from typing import Any, TypedDict, Unpack, get_args, get_type_hints

from attrs import field, frozen

from aichat.core.errors import BadHandler
from aichat.core.events import Event

BackPressure = Callable[[], Awaitable[object]]
"""What a tap may return: the publisher awaits it, so that it is no faster than its consumer."""


class Overflow(Enum):
    """What a full lane does with one more event."""

    WAIT = "wait"
    """The publisher waits for room."""
    COALESCE = "coalesce"
    """Of each type only the newest waits, full or not; a full lane drops its oldest."""


class Options(TypedDict, total=False):
    """How a subscription receives its events."""

    interruptible: bool
    """Its work is cancelled with its turn; records and the user interface are not."""
    speculative: bool
    """It gets the events of speculative turns at once, and does nothing that cannot be undone."""
    conversation: str | None
    """The only conversation whose events it gets."""
    lane_by: Callable[[Any], Hashable] | None
    """Splits a conversation into lanes that run side by side, say one for each speaker."""
    limit: int
    """Events that a lane holds."""
    overflow: Overflow
    """What a full lane does with one more."""
    keeps: bool
    """It stores what happens, so aichat waits some seconds for it before it ends."""


@frozen(eq=False)
class Subscription:
    """A handler, the events it receives, and its options."""

    handler: Callable[[Any], Any] = field(repr=False)
    kinds: tuple[type[Event], ...]
    name: str
    tap: bool
    interruptible: bool = False
    speculative: bool = False
    conversation: str | None = None
    lane_by: Callable[[Any], Hashable] | None = None
    limit: int = 64
    overflow: Overflow = Overflow.WAIT
    keeps: bool = False


def subscription(
    handler: Callable[[Any], Any], *, tap: bool, **how: Unpack[Options]
) -> Subscription:
    """Check a handler and read its annotation. Raises :class:`BadHandler`."""
    name = _name(handler)
    kinds = _event_types(handler, name)
    if tap and iscoroutinefunction(handler):
        raise BadHandler(f"{name} is async; a tap is not.", "Write `def`, or use subscribe().")
    if not tap and not iscoroutinefunction(handler):
        raise BadHandler(f"{name} is not an async function.", "Write `async def`, or use tap().")
    if how.get("speculative") and not how.get("interruptible"):
        raise BadHandler(
            f"{name} is speculative, and cannot be interrupted.",
            "Give interruptible=True as well.",
        )
    if how.get("keeps") and how.get("interruptible"):
        raise BadHandler(
            f"{name} keeps what happens, and may be interrupted.",
            "Leave one of the two out.",
        )
    if how.get("limit", 1) < 1:
        raise BadHandler(f"{name} has a lane for no event at all.", "Give a limit of 1 or more.")
    return Subscription(handler, kinds, name, tap, **how)


def _name(handler: Callable[..., object]) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"


def _event_types(handler: Callable[..., object], name: str) -> tuple[type[Event], ...]:
    try:
        parameter = next(iter(signature(handler).parameters))
        hint = get_type_hints(handler)[parameter]
    except (StopIteration, LookupError, NameError, TypeError, AttributeError, ValueError) as error:
        raise BadHandler(
            f"{name} does not say which events it takes ({error!r}).",
            "Annotate its parameter: `async def handler(event: UserSaid | Interrupted)`.",
        ) from error
    kinds = get_args(hint) or (hint,)
    if not all(isinstance(kind, type) and issubclass(kind, Event) for kind in kinds):
        raise BadHandler(
            f"{name} takes {hint}, which is not an event.",
            "Annotate its parameter with classes from aichat.core.events.",
        )
    return kinds
