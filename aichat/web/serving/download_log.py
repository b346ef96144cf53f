"""The start: waits until a typed message can be answered, and logs downloads that go on after it.

Nothing is served before. The store and the sequencer are ready by then; here the language models
are waited for.
"""

from __future__ import annotations

from time import monotonic

import anyio
import click
from attrs import Factory, define

from aichat.core import Parts, PartStatus
from aichat.core.registry.selection import DOWNLOAD, State

EVERY_SECONDS = 5.0
"""Seconds between two lines about a download."""

START_SECONDS = 30.0
"""Longest wait for a language model to start; after it the page shows its progress."""


async def until_answerable(parts: Parts, hurry: anyio.Event) -> None:
    """Wait until a typed message would be answered.

    The wait also ends when every language model has failed or is downloading, after
    :data:`START_SECONDS`, and when *hurry* is set because the server is to stop.
    """
    settled = anyio.Event()

    def look() -> None:
        if _is_settled(parts):
            settled.set()

    parts.watchers.append(look)
    try:
        look()
        with anyio.move_on_after(START_SECONDS):
            await _either(settled, hurry)
    finally:
        parts.watchers.remove(look)


def _is_settled(parts: Parts) -> bool:
    waiting = (State.WAITING, State.STARTING)
    models = parts.roles["llm"].statuses()
    return any(one.state is State.READY for one in models) or not any(
        one.state in waiting and not one.detail.startswith(DOWNLOAD) for one in models
    )


async def _either(*events: anyio.Event) -> None:
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in events:
            tasks.start_soon(wait, event)


@define
class DownloadLog:
    """Prints the progress of downloads, and when they are done."""

    parts: Parts
    reported: dict[tuple[str, str], float] = Factory(dict)
    """When a line was last printed for each downloading backend, in monotonic seconds."""

    def look(self) -> None:
        """Print what has changed; called as a watcher of the parts."""
        for status in self.parts.statuses():
            self._look(status)

    def _look(self, status: PartStatus) -> None:
        who = (status.part, status.name)
        if status.detail.startswith(DOWNLOAD):  # perhaps of a second model, while it serves
            if monotonic() - self.reported.get(who, -EVERY_SECONDS) >= EVERY_SECONDS:
                self.reported[who] = monotonic()
                click.echo(f"{status.part} {status.name}: {status.detail}", err=True)
        elif status.state is State.STARTING:
            return
        elif self.reported.pop(who, None) and status.state is State.READY and not status.detail:
            click.echo(f"{status.part} {status.name}: the weights are here, it is ready", err=True)
