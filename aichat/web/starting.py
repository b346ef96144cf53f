"""Downloads that go on in the background, told in the terminal as well."""

from __future__ import annotations

from time import monotonic

import click
from attrs import Factory, define

from aichat.core import Parts, State, Status

EVERY_SECONDS = 5.0
"""So often a line for each download."""


@define
class Starting:
    """Prints how downloads get on, that they are done, or why they failed."""

    parts: Parts
    told: dict[tuple[str, str], float] = Factory(dict)
    """When, of each backend that downloads, something was told last."""

    def look(self) -> None:
        """See what has changed; a watcher of the parts."""
        for status in self.parts.statuses():
            self._look(status)

    def _look(self, status: Status) -> None:
        who = (status.part, status.name)
        if status.state is State.STARTING:
            is_due = monotonic() - self.told.get(who, -EVERY_SECONDS) >= EVERY_SECONDS
            if status.detail.startswith("weights:") and is_due:
                self.told[who] = monotonic()
                click.echo(f"{status.part} {status.name}: {status.detail}", err=True)
        elif self.told.pop(who, None) and status.state is State.READY:
            click.echo(f"{status.part} {status.name}: the weights are here, it is ready", err=True)
