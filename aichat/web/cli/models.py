"""``litestar aichat models``: the weights that backends need; list, download, remove them."""

from __future__ import annotations

import shutil
import sys
import threading
from importlib import import_module
from itertools import zip_longest
from typing import Any

import click
from pluggy import PluginManager

from aichat.core import Config
from aichat.core.registry.config import name_hint
from aichat.toolkit.installed_backends import Installed, installed, weights_of_model
from aichat.toolkit.local_model import first_line
from aichat.toolkit.packages import installs
from aichat.toolkit.weights import MB, Weights, cache_folder, fetch, find

from .cached_weights import held


@click.group(help="The weights that backends need: list, download and remove them.")
def models() -> None:
    """Group the commands."""


@models.command("list")
def list_() -> None:
    """List the weights that every installed backend needs, and which of them are here."""
    hub, rows = _hub(), list[tuple[str, ...]]()
    for one in installed(*_settings()):
        mark = "*" if one.place is not None else " "
        if one.problem and one.place is not None:
            rows.append((mark, one.part, one.name, one.problem))
        for weights in one.weights:
            holding = held(weights, hub)
            where = f"  {holding.path}" if holding.state != "missing" else ""
            source = holding.repository or "a path of yours"
            rows.append((mark, one.part, one.name, holding.name, holding.summary, source + where))
        rows += _choices(one, mark, hub)
    columns = zip_longest(*(row[:-1] for row in rows), fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        click.echo(" ".join((*cells, row[-1])))
    click.echo("* is named in plugins.toml. The others need nothing, or bring what they need.")


@models.command()
@click.argument("name")
def download(name: str) -> None:
    """Download the weights NAME, as `list` calls them; go on where an earlier try ended."""
    hub = _hub()
    weights = _named(name)
    if not weights.repository:
        raise click.ClickException(f"{name} is a path of yours: there is nothing to download.")
    if path := find(weights, hub):
        click.echo(f"{weights.name} is here: {path}")
        return
    click.echo(f"{weights.name} from {hub.constants.ENDPOINT}/{weights.repository}", err=True)
    _say_what_to_expect(weights)
    bar = _Bar()
    try:
        path = fetch(weights, hub, bar.show, threading.Event(), bar.note)
    except KeyboardInterrupt:
        bar.end()
        click.echo("Stopped. What came is kept: run it again to go on.", err=True)
        raise SystemExit(130) from None
    except Exception as error:  # the client and the network raise many kinds
        bar.end()
        reason = (str(error.__cause__ or error).strip() or type(error).__name__).split("\n")[0]
        raise click.ClickException(
            f"{weights.name} could not be downloaded ({reason}). "
            "What came is kept: run it again to go on."
        ) from error
    bar.end()
    click.echo(f"{weights.name} is here, and checked: {path}")


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete the weights NAME from this disk, also those that came in part."""
    hub = _hub()
    weights = _named(name)
    if not weights.repository:
        raise click.ClickException(f"{name} is a path of yours: delete it yourself.")
    folder, holding = cache_folder(weights, hub), held(weights, hub)
    if not folder.exists():
        click.echo(f"{weights.name} is not here.")
        return
    if not yes:
        click.confirm(f"Delete {folder} ({_size(holding.bytes)})?", abort=True)
    shutil.rmtree(folder)
    click.echo(f"{weights.name} is deleted: {_size(holding.bytes)} are free.")


def _hub() -> Any:
    try:
        hub = import_module("huggingface_hub")
        import_module("huggingface_hub.constants")
    except ImportError as error:
        raise click.ClickException(
            f"The package huggingface_hub is missing. {installs('whisper')}"
        ) from error
    return hub


def _settings() -> tuple[Config, PluginManager]:
    from aichat.web.app import read_setup
    from aichat.web.serving.cannot_start import stop

    setup = read_setup()
    if setup.error or setup.manager is None:
        raise stop(str(setup.error))
    return setup.config, setup.manager


def _choices(one: Installed, mark: str, hub: Any) -> list[tuple[str, ...]]:
    """Return the rows of the models that a backend recommends, beside the one that it uses."""
    return [
        (
            *(mark, one.part, one.name, choice.name, held(choice.weights, hub).summary),
            f"{choice.megabytes} MB, {choice.licence}. {choice.about}",
        )
        for choice in one.recommended.choices
        if choice.weights not in one.weights
    ]


def _say_what_to_expect(weights: Weights) -> None:
    """Say how large a recommended model is, and how fast it will be on this machine."""
    for one in installed(*_settings()):
        for choice in one.recommended.choices:
            if choice.weights == weights and one.recommended.measure:
                click.echo(f"{choice.megabytes} MB, {choice.licence}. {choice.about}", err=True)
                try:
                    expected = one.recommended.measure().words(choice.megabytes)
                except Exception as error:  # of whatever library computes it
                    expected = f"not known ({first_line(error)})"
                click.echo(f"On this machine: {expected}.", err=True)
                return


def _named(name: str) -> Weights:
    """Return the weights that a user names: by list name, repository, or model name."""
    config, manager = _settings()
    known = [weights for one in installed(config, manager) for weights in one.weights]
    for weights in known:
        if name in (weights.name, weights.repository):
            return weights
    if other := weights_of_model(manager, name):
        return other
    raise click.ClickException(
        f"No backend needs {name!r} with its settings in plugins.toml. "
        f"{name_hint(name, {weights.name for weights in known})}"
    )


class _Bar:
    """A progress bar on a terminal; elsewhere a line for each tenth."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tenth = -1

    def show(self, done: int, total: int) -> None:
        """Show how far it is, in bytes."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = click.progressbar(length=total, label=_size(total), file=sys.stderr)
                self._bar.__enter__()
            self._bar.update(done - self._bar.pos)
        elif (tenth := 10 * done // max(1, total)) != self._tenth:
            self._tenth = tenth
            click.echo(f"{_size(done)} of {_size(total)}", err=True)

    def note(self, reason: str, pause: float) -> None:
        """Show why it has to be attempted again, and when."""
        click.echo(f"{reason.rstrip('.')}; next attempt in {pause:.0f} s", err=True)

    def end(self) -> None:
        """End the line of the bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)


def _size(count: int) -> str:
    return f"{count / MB:.1f} MB"
