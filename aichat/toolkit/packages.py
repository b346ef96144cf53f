"""The installed distribution of aichat, and hints for installing its extras.

It is called ``aichat-voice``: on the package index, ``aichat`` is another project. The package to
import, the entry-point group and the command are called ``aichat``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from aichat.core.errors import PluginFailed

DISTRIBUTION = "aichat-voice"
BUILT_IN = "aichat.stages.answering"
"""An entry point that only the distribution with this package has, whatever it is called."""


def version() -> str:
    """Return the installed version; "unknown" if aichat is not installed."""
    found = distribution()
    return str(found.version) if found else "unknown"


def installed_version(package: str) -> str:
    """Return the version of a package by the name it is imported by; "unknown" if it differs.

    Blocks: reads the disk.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:  # the distribution has another name, as onnxruntime-gpu
        return "unknown"


def installs(extra: str) -> str:
    """Return a hint on how to install an *extra* such as ``"higgs"``."""
    if _is_checkout():
        return f'Run `pip install -e ".[{extra}]"` in your checkout of aichat.'
    return f'Run `pip install "{DISTRIBUTION}[{extra}]"`.'


@cache
def distribution() -> Any:
    """Return the installed distribution of this package, or None."""
    from importlib.metadata import Distribution, PackageNotFoundError, entry_points  # slow

    try:
        return Distribution.from_name(DISTRIBUTION)
    except PackageNotFoundError:
        found = (one.dist for one in entry_points(group="aichat") if one.value == BUILT_IN)
        return next(found, None)


def require_installed() -> None:
    """Raise :class:`PluginFailed` where the built-in plug-ins cannot be found."""
    if distribution() is None:
        raise PluginFailed(
            "aichat is not installed: no distribution here has its built-in plug-ins.",
            "Run `pip install -e .` in your checkout of aichat.",
        )


def _is_checkout() -> bool:
    """Return whether aichat is installed as editable, or not at all."""
    if (found := distribution()) is None:
        return Path(__file__).parents[2].joinpath("pyproject.toml").is_file()
    about = json.loads(found.read_text("direct_url.json") or "{}")
    return bool(about.get("dir_info", {}).get("editable"))
