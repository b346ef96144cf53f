"""The hooks: questions, asked once. A wrong hook is refused with the mend."""

from __future__ import annotations

import inspect

import pytest

from aichat.core import hookimpl, hookspecs, load_plugins
from aichat.core.backends import PARTS
from aichat.core.errors import PluginFailed
from aichat.core.plugins import HOOKS


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])


def test_every_part_has_a_hook_and_every_hook_is_known() -> None:
    assert {f"{part}_backend" for part in PARTS} <= set(HOOKS)
    assert set(HOOKS) >= {"connect", "template_folder", "web_routes", "authenticate"}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_and_typed_and_none_is_async(name: str) -> None:
    hook = getattr(hookspecs, name)
    assert inspect.getdoc(hook)
    assert "return" in hook.__annotations__
    assert not inspect.iscoroutinefunction(hook)


def test_an_async_hook_is_refused_with_the_mend() -> None:
    class Plugin:
        @hookimpl
        async def connect(self, bus: object, parts: object) -> None: ...

    with pytest.raises(PluginFailed, match=r"connect is async.*\n  Hint: Write `def connect`"):
        load_plugins(extra=[Plugin()])


def test_a_misspelt_hook_is_refused_naming_the_right_ones() -> None:
    class Plugin:
        @hookimpl
        def tts_backnd(self) -> None: ...

    with pytest.raises(PluginFailed, match=r"unknown hook 'tts_backnd'(?s:.*)Hint:.*tts_backend"):
        load_plugins(extra=[Plugin()])


def test_a_hook_with_a_parameter_that_is_not_offered_is_refused() -> None:
    class Plugin:
        @hookimpl
        def connect(self, bus: object, database: object) -> None: ...

    with pytest.raises(PluginFailed, match=r"'database'(?s:.*)Hint: Give the hook the parameters"):
        load_plugins(extra=[Plugin()])
