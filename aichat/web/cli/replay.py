"""``litestar aichat replay FILE``: play a recorded conversation again, with any backends.

Prints what is said and each turn's waterfall. ``--speed max`` runs on virtual time, which stands
still while a backend computes and passes really while one waits for a network.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import anyio
import click
from attrs import define

from aichat.core import AichatError, BadValue, Bus, load_plugins, read_config
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import HandlerFailed, MessageAdded, TurnTimed
from aichat.toolkit.event_log import EventLog, read_log
from aichat.web import paths
from aichat.web.realtime.errors import stage_of
from aichat.web.serving.cannot_start import stop

from .replay_feeder import Audio, replay

RECORDER = "recording"
"""The plug-in that would record the replay."""


def play_again(file: Path, config: Path | None, *, is_virtual: bool) -> None:
    """Replay *file* and print what happens. Ends the program with one message when it cannot."""
    logging.getLogger("aichat").setLevel(logging.CRITICAL)  # what fails is printed below
    try:
        log = read_log(file)
        audio = kept_audio(file, log)
        chosen = read_config(config or paths.plugins_toml(), shipped=paths.shipped())
        manager = load_plugins({*chosen.disable, RECORDER})
        program = partial(replay, log, audio, chosen, manager, listen)
        feeder = run_virtual(program) if is_virtual else anyio.run(program)
    except* AichatError as group:
        raise stop("\n".join(str(error) for error in group.exceptions)) from None
    if feeder.skipped:
        click.echo(f"({feeder.skipped} reports or interruptions did not fit to this replay)")


def kept_audio(file: Path, log: EventLog) -> Audio | None:
    """Return the audio beside a recording, if it has any."""
    if not log.header.has_audio:
        return None
    path = file.with_suffix(".pcm")
    try:
        return Audio(path, path.read_bytes())
    except OSError as error:
        raise BadValue(
            f"{path} cannot be read ({error.strerror}).",
            "Put the .pcm file that belongs to the recording beside it.",
        ) from error


def listen(bus: Bus) -> None:
    """Print what happens on a bus."""
    printer = Printer(bus, bus.clock.now())
    bus.tap(printer.say)
    bus.tap(printer.time)
    bus.tap(printer.fail)


@define
class Printer:
    """Prints a conversation as it goes on; each line begins with its minute."""

    bus: Bus
    began: float

    def say(self, event: MessageAdded) -> None:
        """Print a message; of an interrupted one, what was heard."""
        message = event.message
        line = f"{message.name or 'You'}: {message.said}"
        self._print(f"{line} [interrupted]" if message.interrupted else line)

    def time(self, event: TurnTimed) -> None:
        """Print a turn's waterfall."""
        if event.final:
            self._print("  ".join(f"{mark} {ms:.0f}" for mark, ms in event.marks) + " ms", "    ")
            if event.gaps:
                gaps = ", ".join(f"{gap:.0f}" for gap in event.gaps)
                self._print(f"gaps between speakers {gaps} ms", "    ")

    def fail(self, event: HandlerFailed) -> None:
        """Print a failure."""
        error = event.error
        line = error.line if isinstance(error, AichatError) else type(error).__name__
        self._print(f"! {stage_of(event.handler)}: {line}")

    def _print(self, text: str, indent: str = "") -> None:
        minutes, seconds = divmod(self.bus.clock.now() - self.began, 60)
        click.echo(f"{minutes:3.0f}:{seconds:06.3f}  {indent}{text}")
