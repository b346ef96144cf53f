"""``litestar aichat doctor``: start every backend, try it, and report the result."""

from __future__ import annotations

import json
import logging

import anyio
import click
from attrs import asdict

from aichat.core import AichatError, Parts, open_chat
from aichat.core.registry.voice_speeds import VoiceSpeeds
from aichat.web import paths
from aichat.web.app import Setup, read_setup
from aichat.web.serving.cannot_start import stop

from .report import Report, report_on
from .rounds import try_parts
from .show import show

PATIENCE_SECONDS = 30.0


def examine(*, paid: bool = False, as_json: bool = False) -> bool:
    """Print what was found; return whether every part is played, and works."""
    setup = read_setup()
    if setup.error or setup.manager is None:
        return _refused(str(setup.error), as_json)
    report, problem = None, ""
    log = logging.getLogger("aichat")
    level = log.level
    log.setLevel(logging.CRITICAL)  # the report says it all
    try:
        report = anyio.run(_examined, setup, paid)
    except* AichatError as group:
        problem = "\n".join(str(error) for error in group.exceptions)
    finally:
        log.setLevel(level)
    if report is None:
        return _refused(problem, as_json)
    if as_json:
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        show(report)
    return report.ok


def _refused(problem: str, as_json: bool) -> bool:
    """Report why the start failed."""
    if not as_json:
        raise stop(problem)
    click.echo(json.dumps({"ok": False, "problem": problem}))
    return False


async def _examined(setup: Setup, paid: bool) -> Report:
    assert setup.manager  # noqa: S101  (there is no error)
    speeds = VoiceSpeeds(paths.voice_speeds(), again=True)
    async with open_chat(setup.config, setup.manager, speeds=speeds) as (_, parts):
        with anyio.move_on_after(PATIENCE_SECONDS):
            await _all_started(parts)
        results = await try_parts(parts, paid=paid)
        return await anyio.to_thread.run_sync(report_on, setup, parts, results)


async def _all_started(parts: Parts) -> None:
    """Wait until each has started or failed, and voices are measured; not for downloads."""
    settled = anyio.Event()

    def look() -> None:
        if parts.is_settled() and not parts.roles["tts"].unmeasured():
            settled.set()

    parts.watchers.append(look)
    look()
    await settled.wait()
