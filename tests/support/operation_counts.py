"""Counts the work of code that reads text: calls, and the letters that regular expressions look at.

The counts are the same in every run and on every machine, as times are not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from re import _parser  # type: ignore[attr-defined]  # the widest match of a pattern is known there
from types import ModuleType
from typing import Any

import pytest


class Work:
    """How much was done so far."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, _frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            self.count += 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the calls of the block."""
        before = sys.getprofile()
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(before)


class Counted:
    """A pattern that adds up the letters it may have looked at."""

    def __init__(self, pattern: re.Pattern[str], work: Work) -> None:
        self._pattern, self._work = pattern, work
        _, widest = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE).getwidth()
        self._widest = int(widest)

    def _found(
        self, how: str, text: str, place: int = 0, end: int = sys.maxsize
    ) -> re.Match[str] | None:
        match: re.Match[str] | None = getattr(self._pattern, how)(text, place, end)
        room = max(0, min(end, len(text)) - place)
        if match:
            self._work.count += match.end() - place + 1
        else:
            self._work.count += room if how == "search" else min(room, self._widest) + 1
        return match

    def match(self, *where: Any) -> re.Match[str] | None:
        return self._found("match", *where)

    def search(self, *where: Any) -> re.Match[str] | None:
        return self._found("search", *where)

    def fullmatch(self, *where: Any) -> re.Match[str] | None:
        return self._found("fullmatch", *where)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._pattern, name)

        def over_all(*arguments: Any) -> Any:
            text = next(one for one in reversed(arguments) if isinstance(one, str))
            self._work.count += len(text) + 1
            return method(*arguments)

        return over_all if callable(method) else method


def count_patterns(modules: list[ModuleType], work: Work, patch: pytest.MonkeyPatch) -> None:
    """Let every pattern of the *modules*, also in their tables and factories, be counted."""

    def counted(value: Any) -> Any:
        if isinstance(value, re.Pattern):
            return Counted(value, work)
        if isinstance(value, dict):
            return {key: counted(one) for key, one in value.items()}
        return tuple(counted(one) for one in value) if type(value) is tuple else value

    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, re.Pattern | tuple) or (
                isinstance(value, dict) and name.isupper()
            ):
                patch.setattr(module, name, counted(value))


def making_counted(
    make: Callable[[str], re.Pattern[str]], work: Work
) -> Callable[[str], re.Pattern[str]]:
    """Return *make*, whose patterns are counted as well."""
    return lambda text: Counted(make(text), work)  # type: ignore[return-value]
