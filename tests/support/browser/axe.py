"""axe-core, which finds what keeps people from using a page. It is fetched once from npm."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from support.npm import npms

VERSION = "4.14.1"


def fetched(folder: Path) -> str | None:
    """axe's script, or None where it can be had neither from *folder* nor from npm."""
    script = folder / f"axe-{VERSION}.min.js"
    if not script.is_file() and not _fetch(script):
        return None
    return script.read_text(encoding="utf-8")


def _fetch(script: Path) -> bool:
    """Fetch it beside its place and move it there, for another worker may do so as well."""
    with tempfile.TemporaryDirectory(dir=script.parent) as folder:
        for npm in npms():
            done = subprocess.run(
                [*npm, "pack", f"axe-core@{VERSION}", "--silent", "--fetch-retries=1"],
                cwd=folder,
                check=False,
                capture_output=True,
            )
            if done.returncode == 0:
                with tarfile.open(Path(folder, f"axe-core-{VERSION}.tgz")) as package:
                    package.extract("package/axe.min.js", folder, filter="data")
                Path(folder, "package/axe.min.js").replace(script)
                return True
    return False


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
