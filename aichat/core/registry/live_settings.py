"""Live settings: those that may be changed while their backend serves.

A backend marks the parameter, and reads the attribute of the same name each time it needs it::

    @define
    class Silence:
        end_ms: Annotated[int, Live(0, 10_000)] = 600

New values are checked here; the attribute is set on the event loop, between two calls of the
backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from math import inf
from typing import Any, get_args

from attrs import frozen

from aichat.core.errors import BadValue
from aichat.core.validators import is_storable

from .annotations import choices, fits, hints, kinds, wanted

MOST_TEXTS = 100
"""Most texts in one setting."""
LONGEST_TEXT = 100
"""Most letters of one of them."""


@frozen
class Live:
    """Marks a live setting. Numbers lie from *low* to *high*, and up to the setting *at_most*.

    *label* is what the page calls it, *help* what it says of it.
    """

    low: float | None = None
    high: float | None = None
    at_most: str = ""
    label: str = ""
    help: str = ""


@frozen
class LiveSetting:
    """A live setting of a backend. *hint* is its type, without the mark."""

    name: str
    hint: Any
    mark: Live

    @property
    def label(self) -> str:
        """What the page calls it."""
        return self.mark.label or self.name.replace("_", " ").capitalize()

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a Literal; empty for other types."""
        return () if (known := choices(self.hint, None)) == (None,) else known

    @property
    def kind(self) -> type:
        """Its type: int, float, str, bool or list."""
        found: type = next(one for one in kinds(self.hint) if one is not type(None))
        return found

    @property
    def takes(self) -> str:
        """A hint on the values that it takes."""
        if self.kind not in (int, float):
            return wanted(self.hint)
        number = "a whole number" if self.kind is int else "a number"
        low, high = self.mark.low, self.mark.high
        limits = [f"from {low:g}"] if low is not None else []
        limits += [f"to {high:g}"] if high is not None else []
        return f"Write {' '.join([number, *limits])}."

    def check(self, value: object) -> None:
        """Raise :class:`BadValue`, which names the setting, unless *value* is valid."""
        if not fits(value, self.hint) or not self._is_within(value):
            raise BadValue(f"{self.name} is {value!r:.60}.", self.takes, self.name)
        if isinstance(value, (list, tuple)):
            self._check_texts(value)

    def _is_within(self, value: object) -> bool:
        """Return whether a number is within its limits; NaN is not."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        low, high = self.mark.low, self.mark.high
        return (-inf if low is None else low) <= value <= (inf if high is None else high)

    def _check_texts(self, texts: list[Any] | tuple[Any, ...]) -> None:
        good = all(
            isinstance(one, str) and one.strip() and len(one) <= LONGEST_TEXT and is_storable(one)
            for one in texts
        )
        if not good or len(texts) > MOST_TEXTS:
            raise BadValue(
                f"{self.name} holds something that is no short text.",
                f"Write at most {MOST_TEXTS} texts of 1 to {LONGEST_TEXT} letters.",
                self.name,
            )


def live_settings(make: Callable[..., Any]) -> dict[str, LiveSetting]:
    """Return the live settings of a backend, in the order of its parameters.

    *make* is what :class:`~aichat.core.backends.Backend` offers.
    """
    typed = hints(make, marked=True)
    found = {}
    for name in signature(make).parameters:
        hint, *more = get_args(typed.get(name)) or (None,)
        mark = next((one for one in more if isinstance(one, Live)), None)
        if mark:
            found[name] = LiveSetting(name, hint, mark)
    return found


def check(known: Mapping[str, LiveSetting], changes: Mapping[str, Any], of: str) -> None:
    """Check new values of the settings *known* of the backend *of*; None stands for no change.

    Raises :class:`BadValue`, which names what is wrong.
    """
    for name, value in changes.items():
        if name not in known:
            raise BadValue(
                f"{of} has no setting {name[:60]!r} that may be changed while it serves.",
                f"Known: {', '.join(known) or 'none'}.",
                name,
            )
        if value is not None:
            known[name].check(value)


def check_together(known: Mapping[str, LiveSetting], values: Mapping[str, Any]) -> None:
    """Check that all the settings fit together. Raises :class:`BadValue`, which names one."""
    for name, setting in known.items():
        value, other = values.get(name), setting.mark.at_most
        most = values.get(other)
        if value is not None and most is not None and value > most:
            raise BadValue(
                f"{name} is {value:g}, more than {other} ({most:g}).",
                "Lower it, or raise the other.",
                name,
            )
