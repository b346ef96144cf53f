"""How fast voices are on this machine: measured once, and kept in the data folder."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import Factory, asdict, define, frozen

log = logging.getLogger(__name__)


@frozen
class Speed:
    """A real-time factor, and what it was measured with.

    *key* is the backend's ``speed_key``: its model, versions and settings.
    """

    factor: float
    key: str
    machine: str


@define(eq=False)
class VoiceSpeeds:
    """The real-time factors of voice backends, by name. Without a *file* they are not kept.

    *again*: what earlier processes measured does not count.
    """

    file: Path | None = None
    again: bool = False
    machine: str = ""
    known: dict[str, Speed] = Factory(dict)

    def load(self) -> None:
        """Look at the machine, and read what was measured on it before. Blocks: reads the disk."""
        self.machine = self.machine or this_machine()
        if self.again or self.file is None or not self.file.exists():
            return
        try:
            self.known = {name: _speed(one) for name, one in _object(self.file).items()}
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("%s cannot be read (%s): voices are measured again", self.file, error)

    def of(self, name: str, key: str) -> float | None:
        """Return a backend's factor, unless it is that of another version or machine."""
        one = self.known.get(name)
        return one.factor if one and (one.key, one.machine) == (key, self.machine) else None

    def keep(self, name: str, key: str, factor: float) -> None:
        """Keep a measurement in the place of an older one. Blocks: writes to the disk."""
        self.known = {**self.known, name: Speed(factor, key, self.machine)}
        if self.file is None:
            return
        text = json.dumps({name: asdict(one) for name, one in self.known.items()}, indent=2)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.file.with_name(f"{self.file.name}.{os.getpid()}")
            unfinished.write_text(text)
            unfinished.replace(self.file)
        except OSError as error:
            log.warning("%s cannot be written (%s): voices are measured again", self.file, error)


def _object(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text())
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def _speed(fields: Any) -> Speed:
    return Speed(float(fields["factor"]), str(fields["key"]), str(fields["machine"]))


def this_machine() -> str:
    """Describe processor and graphics cards, and count the cores. Blocks: reads the disk."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
    processor = next(_named(Path("/proc/cpuinfo"), "model name"), platform.processor())
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    models = [model for card in cards for model in _named(card, "Model")]
    machine = f"{platform.system()} {platform.machine()}"
    return ", ".join([machine, processor, f"{cores} cores", *models])


def _named(file: Path, name: str) -> Iterator[str]:
    """Yield the values of a name in a file of Linux; none on another system."""
    if file.exists():
        for line in file.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                yield value.strip()
