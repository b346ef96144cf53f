"""Installs Chromium for the browser tests: Debian's by apt where that works, else Playwright's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> str | None:
    """Return the path of a Chromium that is there already."""
    if path := next(filter(None, map(shutil.which, NAMES)), None):
        return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def by_apt() -> bool:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", "chromium"],
    ):
        subprocess.run(command, check=False, env=environment, **quiet)
    return bool(found())


def by_playwright() -> bool:
    command = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
    return subprocess.run(command, check=False).returncode == 0 and bool(found())


if __name__ == "__main__":
    if not (found() or by_apt() or by_playwright()):
        sys.exit("No Chromium could be installed; install one, then run `make test` again.")
