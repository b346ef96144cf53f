"""The doctor's report for people: a line for each backend, and what is under it."""

from __future__ import annotations

import click

from .report import Line, Report


def show(report: Report) -> None:
    """Print it."""
    click.echo(f"aichat {report.aichat}, Python {report.python}, {report.system}")
    click.echo(f"settings: {report.settings}")
    click.echo(f"data: {report.data}")
    for warning in report.warnings:
        click.echo(f"Warning: {warning}")
    for device in report.devices:
        click.echo(device)
    for name, is_set in report.keys.items():
        click.echo(f"{name}: {'set' if is_set else 'not set'}")
    click.echo("")
    for line in report.parts:
        _show(line)
    click.echo("")
    for login in report.logins:
        click.echo(login)
    if report.ok:
        click.echo("Every part has a backend. (* in use)")
        return
    idle = {line.part for line in report.parts} - {one.part for one in report.parts if one.serving}
    broken = [line.part for line in report.parts if line.round and line.round.is_broken]
    if idle:
        click.echo(f"Parts without a backend: {', '.join(sorted(idle))}.")
    if broken:
        click.echo(f"Parts that do not work: {', '.join(broken)}.")


def _show(line: Line) -> None:
    mark = "*" if line.serving else " "
    click.echo(f"{mark} {line.part:10} {line.name:16} {line.state:9} {line.detail}".rstrip())
    under = []
    if line.round:
        under.append(_round(line))
    for held in line.weights:
        where = f": {held.path}" if held.state != "missing" else ""
        under.append(f"weights {held.name}: {held.summary}{where}")
    if line.charges:
        under.append("its use costs money")
    for one in under:
        click.echo(f"{'':30}{one}")


def _round(line: Line) -> str:
    assert line.round is not None  # noqa: S101  (asked by _show)
    if line.round.ms is None:
        return line.round.problem
    return f"{line.round.ms:.2f} ms: {line.round.what}"
