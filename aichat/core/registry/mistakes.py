"""Collects all mistakes of one file, each with its line, to report them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, define

from aichat.core.errors import BadSettings, PluginError

Places = Mapping[tuple[str, ...], int]
"""The line of each table and key, by its path, as ``("llm", "openai", "model")``."""
LONGEST = 120
"""Most letters of a value that a message shows."""
MOST = 20
"""Most mistakes that one message lists."""


@define
class Mistakes:
    """The mistakes found so far in a file."""

    path: Path
    places: Places = Factory(dict)
    found: list[PluginError] = Factory(list)

    def add(
        self,
        place: Sequence[str],
        problem: str,
        hint: str,
        kind: Callable[[str, str], PluginError] = BadSettings,
    ) -> None:
        """Note one; *place* is the path of the table or key."""
        self.found.append(kind(f"{self._where(place)}: {problem}", hint))

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a mistake that the block raises, and go on after it."""
        try:
            yield
        except PluginError as error:
            self.found += getattr(error, "several", None) or [error]

    def check(self) -> None:
        """Raise the mistakes: one as it is, several as one error."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise SeveralMistakes(self.path, self.found)

    def _where(self, place: Sequence[str]) -> str:
        for length in range(len(place), 0, -1):
            if line := self.places.get(tuple(place[:length])):
                return f"{self.path}, line {line}"
        return str(self.path)


def shown(value: object) -> str:
    """Return a wrong value as text for people, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number of many digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


class SeveralMistakes(BadSettings):
    """Several mistakes in one file."""

    def __init__(self, path: Path, several: Sequence[PluginError]) -> None:
        several = sorted(several, key=lambda one: self._line(path, one))
        listed = [f"\n  {self._listed(path, one)}" for one in several[:MOST]]
        if len(several) > MOST:
            listed.append(f"\n  and {len(several) - MOST} more.")
        problem = f"{path} has {len(several)} mistakes:{''.join(listed)}"
        super().__init__(problem, "Correct all of them, then start again.")
        self.several = list(several)

    @staticmethod
    def _line(path: Path, error: PluginError) -> int:
        number = error.problem.removeprefix(f"{path}, line ").partition(":")[0]
        return int(number) if number.isdecimal() else 0

    @staticmethod
    def _listed(path: Path, error: PluginError) -> str:
        return error.line.removeprefix(str(path)).removeprefix(", ").removeprefix(": ")
