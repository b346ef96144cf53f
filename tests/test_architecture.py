"""The rules of the house, checked: which room may use which, and how large things may get."""

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
TESTS = Path(__file__).parent
TEST_FILES = sorted(TESTS.rglob("*.py"))
MODULE_BUDGET = 600
"""Lines in a module: one idea, whole."""

TEST_MODULE_BUDGET = 800
"""Lines in a module of tests."""

FUNCTION_BUDGET = 30
"""Lines in a function."""

DOOR_BUDGET = 80
"""Public names of the core's door."""

ROOMS = {
    "aichat.core": {"aichat.core"},
    "aichat.toolkit": {"aichat.core", "aichat.toolkit"},
    "aichat.stages": {"aichat.core", "aichat.toolkit"},
    "aichat.plugins": {"aichat.core", "aichat.toolkit"},
    "aichat.web": {"aichat.core", "aichat.toolkit", "aichat.web"},
}
"""What each room may use. Stages and plug-ins see their own folder as well, never a sibling."""

WEB_FLOORS = (
    ("paths",),
    ("schemas", "settings"),
    ("html",),
    ("access",),
    ("realtime", "services"),
    ("application_state",),
    ("serving",),
    ("api",),
    ("pages",),
    ("lifespan",),
    ("app",),
    ("asgi", "cli"),
)
"""From the ground up: a room of the web uses its own floor and those below."""

HEAVY = {
    "litestar", "numpy", "openai", "onnxruntime", "torch", "hypothesis", "pytest", "trio",
    "faster_whisper", "sqlite3", "httpx", "msgspec", "tomllib", "email", "asyncio",
}  # fmt: skip


def module_of(path: Path) -> str:
    dotted = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also inside functions; names of typing as well."""
    here = path.relative_to(ROOT.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            # `from . import name` and `from aichat.core import events` import modules too
            names = [f"{module}.{alias.name}" for alias in node.names]
            modules = [n for n in names if module == "typing" or is_module(n)]
            yield from modules
            if len(modules) < len(names):
                yield module


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return name.startswith("aichat.") and (path.is_dir() or path.with_suffix(".py").exists())


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] == "aichat"}


def within(room: str) -> list[Path]:
    return [path for path in FILES if path.is_relative_to(ROOT / room)]


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != ROOT], ids=by_name)
def test_a_room_uses_only_the_rooms_below(path: Path) -> None:
    mine = module_of(path).split(".")
    allowed = set(ROOMS[f"aichat.{mine[1]}"])
    if mine[1] in ("stages", "plugins"):
        allowed.add(".".join(mine[:3]))
    if is_in(module_of(path), "aichat.core.testing"):  # contracts may use what backends use
        allowed.add("aichat.toolkit")
    assert {n for n in ours(path) if not any(is_in(n, room) for room in allowed)} <= {"aichat"}


@pytest.mark.parametrize("path", within("core"), ids=by_name)
def test_core_uses_three_libraries(path: Path) -> None:
    allowed = TESTING_MAY_USE if path.is_relative_to(ROOT / "core" / "testing") else CORE_MAY_USE
    others = {name.split(".")[0] for name in imported(path)} - {"aichat"}
    assert others <= allowed | sys.stdlib_module_names


@pytest.mark.parametrize(
    "path", [p for p in FILES if not p.is_relative_to(ROOT / "core" / "testing")], ids=by_name
)
def test_the_product_uses_nothing_made_for_tests(path: Path) -> None:
    assert not {name for name in ours(path) if is_in(name, "aichat.core.testing")}


@pytest.mark.parametrize("path", within("web"), ids=by_name)
def test_the_web_is_built_in_floors(path: Path) -> None:
    floors = {room: number for number, rooms in enumerate(WEB_FLOORS) for room in rooms}
    mine = module_of(path).split(".")
    if len(mine) > 2:
        theirs = {n.split(".")[2] for n in ours(path) if n.startswith("aichat.web.")}
        assert {room for room in theirs if floors[room] > floors[mine[2]]} == set()


def test_no_circle_joins_two_folders() -> None:
    """Modules that lie directly in a folder count by themselves, as folders within it do."""
    for folder in sorted({path.parent for path in FILES}):
        here = module_of(folder / "__init__.py")
        uses = {
            child(module_of(path), here): {child(n, here) for n in ours(path)} - {""} for path in ()
        }
        for path in FILES:
            if path.is_relative_to(folder) and (mine := child(module_of(path), here)):
                uses.setdefault(mine, set()).update({child(n, here) for n in ours(path)} - {""})
        assert circle(uses) == [], f"in {here}"


def child(module: str, folder: str) -> str:
    """Name the folder or module right below *folder* in which *module* lies, if it does."""
    rest = module.removeprefix(f"{folder}.")
    return rest.split(".")[0] if rest != module else ""


def circle(uses: dict[str, set[str]]) -> list[str]:
    """Return the names that a circle joins: what is left when all that has no end is taken off."""
    left = {name: used - {name} for name, used in uses.items()}
    while free := [name for name, used in left.items() if not used & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_cycles_are_broken_not_hidden_and_modules_are_one_idea(path: Path) -> None:
    assert "typing.TYPE_CHECKING" not in set(imported(path))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_BUDGET


@pytest.mark.parametrize(
    "path", [p for p in FILES if not p.is_relative_to(ROOT / "core" / "testing")], ids=by_name
)
def test_functions_fit_in_the_head(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_BUDGET, node.name


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
    assert len(core.__all__) <= DOOR_BUDGET


def by_test_name(path: Path) -> str:
    return str(path.relative_to(TESTS))


def holds_tests(path: Path) -> bool:
    return path.name == "conftest.py" or path.name.startswith("test_")


@pytest.mark.parametrize("path", TEST_FILES, ids=by_test_name)
def test_no_test_module_is_imported(path: Path) -> None:
    """What two of them need lies in tests/support/ or is a fixture of a conftest."""
    modules = {one.stem for one in TEST_FILES if holds_tests(one)}
    for name in imported(path):
        assert modules.isdisjoint(name.split(".")), name


@pytest.mark.parametrize("path", TEST_FILES, ids=by_test_name)
def test_tests_and_their_support_lie_apart_and_are_no_tomes(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= TEST_MODULE_BUDGET
    assert holds_tests(path) != path.is_relative_to(TESTS / "support")
