"""What README, CONTRIBUTING and the docs name is there: files, folders, modules, links, lines."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STARTS = (ROOT, ROOT / "aichat", ROOT / "aichat" / "web" / "frontend" / "src", ROOT / "docs")
"""Paths in the docs are relative to one of these, or to the document."""
FOLDERS = {path.name for start in STARTS[:2] for path in start.iterdir() if path.is_dir()}
SUFFIXES = {"py", "js", "mjs", "css", "html", "md", "toml", "sql"}
NO_MODULES = {"aichat.v1", "aichat.db", "aichat.png"}
"""A subprotocol and two files."""
BUILT = "aichat/web/static/dist"
MOST_TO_READ = 1_300
"""Lines of code on the reading path."""
QUOTED = re.compile(r"`([^`\n]+)`")
IN_TEXT = re.compile(r"(?<![\w/.-])(?:aichat|tests|bench|docs|templates|supabase)/[\w./-]*\w/?")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
ENTRY = re.compile(r"^( *)([\w.]+/?)  ", re.MULTILINE)
TO_READ = re.compile(r"^\| \d\. `([^`]+)`.*\| (\d+) \|$", re.MULTILINE)


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def named_paths(text: str) -> set[str]:
    """Return every file and folder that *text* names, in backquotes or in a command."""
    quoted = {name for name in QUOTED.findall(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", name)}
    return set(IN_TEXT.findall(text)) | {name for name in quoted if is_path(name)}


def is_path(name: str) -> bool:
    first, *rest = name.split("/")
    is_file = Path(name).suffix.removeprefix(".") in SUFFIXES
    return is_file or (bool(rest) and first in FOLDERS and name != "aichat/")


def is_there(name: str, document: Path) -> bool:
    if "/" not in name:  # a file whose folder the sentence makes clear
        here = (ROOT, ROOT / "bench", ROOT / "docs" / "example-voice")
        trees = (ROOT / one for one in ("aichat", "templates", "tests", "bench"))
        return any((one / name).exists() for one in here) or any(
            found for one in trees for found in one.rglob(name)
        )
    return any((start / name).exists() for start in (*STARTS, document.parent))


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_every_file_and_folder_that_a_document_names_exists(document: Path) -> None:
    names = named_paths(document.read_text(encoding="utf-8"))
    names = {name for name in names if not name.startswith(BUILT)}
    missing = {name for name in names if not is_there(name, document)}
    assert missing == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert {one for one in links if not (document.parent / one).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_every_module_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    names = {name.rstrip(".") for name in re.findall(r"(?<![\w.-])aichat(?:\.\w+)+(?![\w-])", text)}
    assert {name for name in names - NO_MODULES if not can_be_imported(name)} == set()


def can_be_imported(name: str) -> bool:
    """Return whether *name* is a module, or something in one."""
    module, _, rest = name.rpartition(".")
    if importlib.util.find_spec(module) is None:
        return False
    return hasattr(importlib.import_module(module), rest) or bool(importlib.util.find_spec(name))


def tree() -> Iterator[str]:
    """Yield every path of the tree in docs/architecture.md, below aichat/."""
    above: list[str] = []
    block = ARCHITECTURE.split("## The tree", 1)[1].split("```")[1]
    for indent, name in ENTRY.findall(block):
        del above[len(indent) // 2 :]
        above.append(name.rstrip("/"))
        yield "/".join(above)


def test_the_tree_shows_what_is_there() -> None:
    assert [path for path in tree() if not (ROOT / "aichat" / path).exists()] == []


def test_the_tree_shows_every_room() -> None:
    folders = [ROOT / "aichat", *(ROOT / "aichat" / room for room in ("core", "stages", "web"))]
    rooms = {path.parent for folder in folders for path in folder.glob("*/__init__.py")}
    stages = set((ROOT / "aichat" / "stages").glob("*.py")) - {ROOT / "aichat/stages/__init__.py"}
    shown = {ROOT / "aichat" / path for path in tree()}
    assert {str(path.relative_to(ROOT)) for path in (rooms | stages) - shown} == set()


def lines_of_code(path: Path) -> int:
    """Count the lines that are not blank, comments or docstrings."""
    source = path.read_text(encoding="utf-8")
    words: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            words |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    empty = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENDMARKER,
    }  # fmt: skip
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in empty
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - words)


def test_the_reading_path_is_short_and_as_long_as_it_says() -> None:
    counted = {}
    for name, said in TO_READ.findall(ARCHITECTURE):
        path = ROOT / "aichat" / name
        files = sorted(path.glob("*.py")) if path.is_dir() else [path]
        counted[name] = sum(map(lines_of_code, files))
        assert counted[name] == pytest.approx(int(said), abs=20), name
    assert len(counted) == 5
    assert sum(counted.values()) <= MOST_TO_READ
