"""The rules of the house, checked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aichat

ROOT = Path(aichat.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "node_modules" not in path.parts)
CORE_MAY_USE = {"anyio", "attrs", "pluggy"}
TESTING_MAY_USE = CORE_MAY_USE | {"pytest", "hypothesis", "numpy"}
PLUGINS_MAY_USE = (
    "aichat.core",
    "aichat.core.events",
    "aichat.core.store_rules",
    "aichat.core.testing",
)
BUDGET = 410
"""Lines in a module."""

HEAVY = {
    "litestar", "numpy", "openai", "onnxruntime", "torch", "hypothesis", "pytest", "trio",
    "faster_whisper", "sqlite3", "httpx", "msgspec", "tomllib", "email", "asyncio",
}  # fmt: skip


def package(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT.parent).parent.parts


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also inside functions; names of typing as well."""
    here = package(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            # `from . import name` and `from aichat.core import events` import modules too
            is_ours = module.split(".")[0] == "aichat"
            yield module
            yield from (n for n in names if module == "typing" or (is_ours and is_module(n)))


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def family(module: str) -> str:
    """espeak.py, espeak_voices.py and what is in a folder espeak/ are one plug-in."""
    return module.replace("/", ".").split(".")[2].split("_")[0]


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] == "aichat"}


def within(layer: str) -> list[Path]:
    return [path for path in FILES if path.is_relative_to(ROOT / layer)]


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", within("core"), ids=by_name)
def test_core_uses_nothing_of_ours_and_three_libraries(path: Path) -> None:
    assert not {name for name in ours(path) if not name.startswith("aichat.core")}
    allowed = TESTING_MAY_USE if path.is_relative_to(ROOT / "core" / "testing") else CORE_MAY_USE
    others = {name.split(".")[0] for name in imported(path)} - {"aichat"}
    assert others <= allowed | sys.stdlib_module_names


@pytest.mark.parametrize("path", within("plugins") + within("stages"), ids=by_name)
def test_a_plugin_sees_the_door_of_the_core_and_its_own_modules(path: Path) -> None:
    for name in ours(path) - {"aichat.plugins", "aichat.stages", "aichat"}:
        if name.startswith(("aichat.plugins", "aichat.stages")):
            assert family(name) == family(path.relative_to(ROOT.parent).with_suffix("").as_posix())
        else:
            is_below = name in PLUGINS_MAY_USE or name.startswith("aichat.toolkit")
            assert is_below, "only the door of the core, and the toolkit"


@pytest.mark.parametrize("path", within("web"), ids=by_name)
def test_the_web_knows_no_plugin(path: Path) -> None:
    assert not {n for n in ours(path) if n.startswith(("aichat.plugins", "aichat.stages"))}


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_cycles_are_broken_not_hidden_and_modules_fit_in_the_head(path: Path) -> None:
    assert "typing.TYPE_CHECKING" not in set(imported(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= BUDGET


def test_importing_the_core_pulls_in_nothing_heavy() -> None:
    program = "import sys, aichat.core, aichat.core.events; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {name.split(".")[0] for name in done.stdout.split()} & HEAVY == set()


def test_the_door_lists_what_it_has_in_order() -> None:
    from aichat import core

    assert core.__all__ == sorted(core.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(core, name) for name in core.__all__)
