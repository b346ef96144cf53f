"""Tool calls put together, whose arguments come in fragments.

Servers number calls by an index, by an id, by both, by neither, or give all of them the same one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from json import JSONDecodeError, JSONDecoder

from attrs import define, field

from aichat.core import BackendFailed, ToolCall

from .chunks import Fragment

MOST_CALLS = 64
LONGEST_CALL = 100_000
"""Letters of all the arguments in one reply."""


@define
class Call:
    """One call as far as it has come."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(factory=list)

    @property
    def arguments(self) -> str:
        """All of them so far."""
        return "".join(self.pieces)

    def add(self, arguments: str) -> None:
        """Take in more; what repeats all that came before takes its place."""
        if arguments.startswith("{") and self.pieces:  # else no object goes on like this
            before = self.arguments
            if before.startswith("{") and arguments.startswith(before):
                self.pieces.clear()
        if arguments:
            self.pieces.append(arguments)


@define
class Calls:
    """Collects the calls of one reply; *names* are those of the tools that were offered.

    A fragment belongs to the call with its id, else to the newest with its index, else to the
    newest. One that names a tool begins a call of its own, unless the call that it would belong to
    is not complete.
    """

    names: Collection[str] = ()
    made: list[Call] = field(factory=list)
    by_id: dict[str, Call] = field(factory=dict)
    by_index: dict[int, Call] = field(factory=dict)
    letters: int = 0

    def add(self, fragment: Fragment) -> None:
        """Take in a fragment. Raises :class:`BackendFailed` when it gets too much."""
        self.letters += len(fragment.arguments)
        call = self._call(fragment)
        call.id = call.id or fragment.id
        if fragment.name != call.name:
            call.name += fragment.name
        call.add(fragment.arguments)
        if call.id:
            self.by_id[call.id] = call
        if fragment.index is not None:
            self.by_index[fragment.index] = call
        if len(self.made) > MOST_CALLS or self.letters > LONGEST_CALL:
            raise BackendFailed("The language model asked for too much at once.", "Ask again.")

    def _call(self, fragment: Fragment) -> Call:
        known = self.by_id.get(fragment.id)
        if known is not None and not self._is_namesake(known, fragment):
            return known
        newest = self.made[-1] if self.made else None
        if fragment.index is None or not (fragment.name or fragment.id):
            call = self.by_index.get(-1 if fragment.index is None else fragment.index, newest)
        else:
            call = self.by_index.get(fragment.index)
        if call is None or self._is_another(call, fragment):
            call = Call()
            self.made.append(call)
        return call

    def _is_namesake(self, known: Call, fragment: Fragment) -> bool:
        """Tell whether it is for another tool than the call with its id."""
        return bool(fragment.name) and known.name in self.names and fragment.name != known.name

    def _is_another(self, call: Call, fragment: Fragment) -> bool:
        """Return whether a fragment that seems to belong to *call* begins another one."""
        if fragment.id and call.id:
            return True  # it would have been found by its id, or has one that another has
        if not fragment.name or not call.name:
            return False
        if fragment.name == call.name:
            goes_on = not fragment.arguments.strip() or fragment.arguments.startswith(
                call.arguments
            )
            return not goes_on and _is_whole(call.arguments)
        return call.name in self.names or bool(call.pieces)

    def whole(self) -> Iterator[ToolCall]:
        """Yield the calls; one without an id gets one."""
        taken = set[str]()
        for place, call in enumerate(self.made):
            several = _several(call.arguments)
            if call.id and call.id in taken:
                call.id = f"{call.id}-{place}"
            taken.add(call.id)
            for number, arguments in enumerate(several):
                id = call.id or f"call-{place}"
                yield ToolCall(f"{id}-{number}" if number else id, call.name, arguments)


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


def _several(arguments: str) -> list[str]:
    """Split the arguments of several calls that came as one; most often there are none."""
    found: dict[str, None] = {}
    rest = arguments.strip()
    try:
        while rest.startswith("{") and len(found) < MOST_CALLS:
            _, end = JSONDecoder().raw_decode(rest)
            found[rest[:end]] = None
            rest = rest[end:].strip()
    except (JSONDecodeError, RecursionError):
        return [arguments]
    return list(found) if found and not rest else [arguments]
