"""docs/plugins.md tells of every hook, as it is, and of nothing that is not there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from aichat.core import hookspecs, testing
from aichat.core.backends import PARTS
from aichat.core.plugins import HOOKS

MANUAL = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


def written(name: str) -> str:
    return f"def {name}{inspect.signature(getattr(hookspecs, name))}".replace("'", "")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_in_the_manual_with_its_signature(name: str) -> None:
    assert f"\n`{written(name)}`\n: " in MANUAL


def test_no_hook_is_in_the_manual_that_does_not_exist() -> None:
    assert set(re.findall(r"^`def (\w+)\(", MANUAL, re.MULTILINE)) == set(HOOKS)


def test_every_contract_is_in_the_manual() -> None:
    named = set(re.findall(r"`(\w+Contract)`", MANUAL))
    assert named == set(testing.__all__)


def test_every_part_that_has_engines_has_a_contract() -> None:
    hooks = re.findall(r"^\| .* \| `(\w+)_backend` \|", MANUAL, re.MULTILINE)
    assert set(hooks) == set(PARTS) - {"sequencer"}
