"""Every error says what is wrong and how to mend it."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import aichat
from aichat.core import AichatError, BadValue, errors

CLASSES = [
    one
    for _, one in inspect.getmembers(errors, inspect.isclass)
    if issubclass(one, AichatError) and one.__module__ == errors.__name__
]
PACKAGE = Path(aichat.__file__).parent


def documented(text: str) -> set[tuple[str, str]]:
    """Read (class, base) pairs from the indented list of a docstring."""
    pairs, above = set(), {-1: "Exception"}
    for indent, name in re.findall(r"^( *)[*-] (\w+)$", text, re.MULTILINE):
        base = above[max(depth for depth in above if depth < len(indent))]
        above = {depth: kind for depth, kind in above.items() if depth < len(indent)}
        above[len(indent)] = name
        pairs.add((name, base))
    return pairs


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert errors.__doc__
    assert documented(errors.__doc__) == {(one.__name__, one.__base__.__name__) for one in CLASSES}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_carries_problem_mend_and_a_code(kind: type[AichatError]) -> None:
    error = kind("It is broken.", "Glue it.")
    assert str(error) == "It is broken.\n  Hint: Glue it."
    assert error.line == "It is broken. Glue it."
    assert re.fullmatch(r"[a-z_]+", kind.code)
    assert isinstance(kind.retryable, bool)
    assert kind.__doc__


def test_a_bad_value_names_its_field() -> None:
    assert BadValue("p", "m", "title").field == "title"


def raised() -> list[tuple[str, ast.Call]]:
    names = {one.__name__ for one in CLASSES}
    return [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", node.exc)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if isinstance(node.exc.func, ast.Name) and node.exc.func.id in names
    ]


@pytest.mark.parametrize(("place", "call"), raised(), ids=[place for place, _ in raised()])
def test_every_message_is_a_sentence_and_has_a_mend(place: str, call: ast.Call) -> None:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if any(isinstance(one, ast.Starred) for one in given):
        return  # handed on from another error
    assert len(given) >= 2, f"{place} does not say how to mend it"
    for text in given[:2]:
        end = text.values[-1] if isinstance(text, ast.JoinedStr) else text
        if isinstance(end, ast.Constant):
            assert str(end.value).endswith((".", "?")), f"{place}: no sentence"
