"""What the application opens as it starts, and closes as it stops."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import anyio
from anyio import to_thread
from litestar import Litestar

from aichat.core import AichatError, open_chat
from aichat.core.registry.voice_speeds import VoiceSpeeds
from aichat.toolkit.temporary_files import sweep_temporary

from . import paths
from .application_state import ApplicationState, application_state
from .services import archive
from .serving.download_log import DownloadLog, until_answerable
from .serving.log_filters import redact_logs
from .serving.startup_state import Lifecycle
from .serving.switch_interval import quick_switches

KEEP_SECONDS = 5.0
"""How long a store gets to finish its writes when the server stops."""


@asynccontextmanager
async def lifespan(life: Lifecycle, _: Litestar) -> AsyncIterator[None]:
    """Run an application; an error that ends it is kept as its ``failure``."""
    redact_logs()
    if life.failure:
        raise life.failure
    try:
        with quick_switches(), life.keyring or nullcontext():
            async with _opened(life):
                yield
    except* AichatError as group:
        life.failure = failure = _first(group)
        raise failure from group


@asynccontextmanager
async def _opened(life: Lifecycle) -> AsyncIterator[None]:
    config, manager, hurry = life.config, life.manager, anyio.Event()
    assert manager  # noqa: S101  (there is no failure)
    assert life.authenticator  # noqa: S101
    life.hurry = hurry
    speeds = VoiceSpeeds(paths.voice_speeds())
    async with (
        open_chat(config, manager, speeds=speeds) as (bus, parts),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(life.authenticator.watch)
        parts.watchers.append(DownloadLog(parts).look)
        state = application_state(config, manager, life.templates, bus, parts, tasks)
        life.state = state
        state.listen()
        tasks.start_soon(state.idle_timeout.watch)
        await _tidy(state)
        await state.live_settings.restore()
        await until_answerable(parts, hurry)
        gc.collect()
        gc.freeze()  # what is here now stays, so full collections, which stall audio, get short
        yield
        bus.stop()
        with anyio.move_on_after(KEEP_SECONDS):
            await state.pending_deletions.purge()
            await bus.kept()
        life.when_stored()
        tasks.cancel_scope.cancel()


async def _tidy(state: ApplicationState) -> None:
    """Remove what earlier processes have left behind."""
    await to_thread.run_sync(state.previews.sweep)
    await to_thread.run_sync(sweep_temporary)
    await archive.finish_rollbacks(paths.data(), state.storage)


def _first(group: BaseExceptionGroup[AichatError]) -> AichatError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AichatError)  # noqa: S101  (except* has chosen it)
    return error
