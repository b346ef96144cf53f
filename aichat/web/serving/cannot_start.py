"""How a start that fails is reported in the terminal."""

from __future__ import annotations

import click


def stop(message: str) -> SystemExit:
    """Print why aichat cannot start, as it is: click would put it into a box and cut the words."""
    click.echo(f"aichat cannot start: {message}", err=True)
    return SystemExit(1)
