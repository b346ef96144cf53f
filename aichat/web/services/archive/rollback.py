"""Rolls imports back, also those that a stopped or killed server has left half done.

What undoes a step is written to a file before the step is taken. The file is removed when the
import is over, either way; one of a dead process is read when aichat starts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from anyio import to_thread
from attrs import define, field
from msgspec import Struct

from aichat.core import AichatError, Message, NotFound, Storage, Unreachable, new_id
from aichat.toolkit.temporary_files import left, mark

Kind = Literal["voice", "character", "conversation", "message"]
BEGINNING = "import-"
ENDING = ".jsonl"

log = logging.getLogger(__name__)


class UndoStep(Struct):
    """Undoes one step: the record gets the fields of *before*, or is deleted if it was new."""

    kind: Kind
    key: str
    before: dict[str, Any] | None = None
    is_void: bool = False
    """The step before this one in the file did not happen."""

    async def undo(self, storage: Storage) -> None:
        """Undo it; again does no harm. Raises what the store raises."""
        if self.before is None:
            await getattr(storage, f"delete_{self.kind}")(self.key)
        elif self.kind == "message":
            await storage.add_message(msgspec.convert(self.before, Message))
        else:
            await getattr(storage, f"change_{self.kind}")(self.key, self.before)


@define(eq=False)
class Rollback:
    """The steps of one import, in memory and in a file in *folder*."""

    folder: Path
    path: Path = field(init=False)
    steps: list[UndoStep] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.path = self.folder / f"{BEGINNING}{mark()}{new_id()}{ENDING}"

    async def note(self, steps: Sequence[UndoStep]) -> None:
        """Take in what undoes the next steps; call it before they are taken."""
        self.steps += steps
        await to_thread.run_sync(self._write, steps)

    async def void(self, step: UndoStep) -> None:
        """Take in that the last step did not happen."""
        self.steps.remove(step)
        await to_thread.run_sync(self._write, [UndoStep(step.kind, step.key, is_void=True)])

    def _write(self, steps: Sequence[UndoStep]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab", opener=_private) as file:
            file.write(b"".join(msgspec.json.encode(step) + b"\n" for step in steps))

    async def end(self) -> None:
        """Remove the file: the import is complete."""
        await to_thread.run_sync(_remove, self.path)

    async def run(self, storage: Storage) -> None:
        """Undo all steps, the last first. While the store refuses, the file stays."""
        try:
            await _undo(self.steps, storage)
        except Unreachable as error:
            log.error("An import is half done, and rolled back at the next start: %s", error)
        else:
            await self.end()


async def finish_rollbacks(folder: Path, storage: Storage) -> None:
    """Undo what dead processes have left half done."""
    for path, steps in await to_thread.run_sync(lambda: list(_left(folder))):
        try:
            await _undo(steps, storage)
        except Unreachable as error:
            log.error("A half-done import cannot be rolled back now (%s): %s", path, error)
            return
        await to_thread.run_sync(_remove, path)
        log.warning("An import that was not complete when aichat stopped was rolled back.")


async def _undo(steps: Sequence[UndoStep], storage: Storage) -> None:
    """Undo steps, the last first. Those that cannot be undone are logged; raises Unreachable."""
    for step in reversed(steps):
        try:
            await step.undo(storage)
        except NotFound:
            continue  # it was deleted meanwhile, or never added
        except Unreachable:
            raise
        except AichatError as error:
            log.error("A record of an import that was rolled back is still here: %s", error)


def _left(folder: Path) -> Iterator[tuple[Path, list[UndoStep]]]:
    for path in left(folder, BEGINNING):
        steps: list[UndoStep] = []
        for line in path.read_bytes().split(b"\n")[:-1]:  # the last may be cut off
            step = msgspec.json.decode(line, type=UndoStep)
            if step.is_void:
                steps.pop()
            else:
                steps.append(step)
        yield path, steps


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # it holds what was said


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
