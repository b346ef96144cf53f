"""Reports a failed start in the terminal."""

from __future__ import annotations

import click


def stop(message: str) -> SystemExit:
    """Print why aichat cannot start, unchanged: click would box the message and cut words."""
    click.echo(f"aichat cannot start: {message}", err=True)
    return SystemExit(1)
