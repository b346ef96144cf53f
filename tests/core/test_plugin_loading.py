"""Finding plug-ins, and what is said when one is wrong."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aichat.core import (
    Backend,
    BadSettings,
    Bus,
    CannotStart,
    Parts,
    hookimpl,
    load_plugins,
    open_chat,
    parts_from_config,
    read_config,
)
from aichat.core.backends import PARTS
from aichat.core.errors import PluginFailed, UnknownBackend
from aichat.core.events import UserSaid

pytestmark = pytest.mark.anyio


class Entry(SimpleNamespace):
    """An installed entry point."""

    def load(self) -> object:
        if isinstance(self.plugin, Exception):
            raise self.plugin
        return self.plugin


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """What is installed; nothing at first."""
    found: list[Entry] = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found)
    return found


class Echo:
    """Plays every part."""

    def __init__(self, word: str = "") -> None:
        self.word = word


def offer(part: str, name: str, make: Any = Echo) -> object:
    """A plug-in that offers one backend."""

    class Plugin:
        pass

    plugin = Plugin()
    hook = hookimpl(lambda: Backend(name, make))
    setattr(plugin, f"{part}_backend", hook)
    return plugin


ALL = [offer(part, "echo") for part in PARTS]


def config(tmp_path: Path, extra: str = "", **use: str) -> Any:
    path = tmp_path / "plugins.toml"
    tables = [f'[{part}]\nuse = "{use.get(part, "echo")}"' for part in PARTS]
    path.write_text("\n".join([*tables, extra]), encoding="utf-8")
    return read_config(path, {})


def test_installed_plugins_come_in_by_name_and_can_be_left_out(installed: list[Entry]) -> None:
    installed += [Entry(name=name, value=f"{name}.py", plugin=offer("tts", name)) for name in "ab"]
    assert {name for name, _ in load_plugins().list_name_plugin()} == {"a", "b"}
    left = load_plugins(disable=["a"])
    assert [backend.name for backend in left.hook.tts_backend()] == ["b"]


def test_leaving_out_what_is_not_there_is_told(installed: list[Entry]) -> None:
    installed.append(Entry(name="latency", value="x", plugin=object()))
    with pytest.raises(PluginFailed, match=r"names 'latencie'.*\n  Hint: Did you mean 'latency'"):
        load_plugins(disable=["latencie"])


def test_a_plugin_that_cannot_be_imported_is_told_with_its_cause(installed: list[Entry]) -> None:
    cause = ImportError("No module named 'torch'")
    installed.append(Entry(name="higgs", value="aichat_higgs", plugin=cause))
    with pytest.raises(PluginFailed, match=r"'higgs' \(aichat_higgs\).*No module named") as caught:
        load_plugins()
    assert caught.value.__cause__ is cause
    assert 'disable = ["higgs"]' in caught.value.hint
    assert load_plugins(disable=["higgs"])


def test_two_plugins_of_one_name_are_refused(installed: list[Entry]) -> None:
    installed += [Entry(name="a", value=value, plugin=object()) for value in ("one", "two")]
    with pytest.raises(PluginFailed, match="called 'a': one and two"):
        load_plugins()


def test_every_load_gives_a_manager_of_its_own() -> None:
    one, two = load_plugins(extra=[offer("tts", "mine")]), load_plugins()
    assert len(one.hook.tts_backend()) == 1
    assert two.hook.tts_backend() == []


def test_the_parts_are_cast_as_the_file_says(tmp_path: Path) -> None:
    manager = load_plugins(extra=[*ALL, offer("tts", "other")])
    chosen = config(tmp_path, "[tts.other]\nword = 'hi'", tts="other")
    parts = parts_from_config(chosen, manager)
    assert list(parts.roles) == list(PARTS)
    (candidate,) = parts.roles["tts"].candidates
    assert candidate.name == "other"
    assert candidate.make().word == "hi"  # type: ignore[attr-defined]


def test_an_unknown_backend_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackend, match=r'\[tts\] has use = "ecko".*\n.*mean \'echo\'\?'):
        parts_from_config(config(tmp_path, tts="ecko"), load_plugins(extra=ALL))


def test_settings_for_an_unknown_backend_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackend, match=r"\[tts\] has the table \[tts.hgs\]"):
        parts_from_config(config(tmp_path, "[tts.hgs]\nx = 1"), load_plugins(extra=ALL))


def test_a_part_without_a_backend_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plugins.toml"
    path.write_text("")
    with pytest.raises(BadSettings, match=r'7 mistakes:\n  \[vad\] names no backend.*use = "NAME"'):
        parts_from_config(read_config(path, {}), load_plugins(extra=ALL))


def test_an_unknown_setting_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"\[llm.echo\].*'wrod'.*\n.*mean 'word'"):
        parts_from_config(config(tmp_path, "[llm.echo]\nwrod = 1"), load_plugins(extra=ALL))


def test_two_offers_of_one_name_for_a_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginFailed, match="offer a llm backend called 'echo'"):
        parts_from_config(config(tmp_path), load_plugins(extra=[*ALL, offer("llm", "echo")]))


async def test_a_chat_opens_its_parts_connects_the_plugins_and_drains(tmp_path: Path) -> None:
    heard: list[str] = []
    log: list[str] = []

    class Store(Echo):
        async def __aenter__(self) -> Store:
            log.append("storage opened")
            return self

        async def __aexit__(self, *_: object) -> None:
            log.append("storage closed")

    class Listener:
        @hookimpl
        def connect(self, bus: Bus, parts: Parts) -> None:
            assert isinstance(parts.storage, Store)
            log.append("connected")
            bus.subscribe(self.hear)

        async def hear(self, event: UserSaid) -> None:
            heard.append(event.text)
            log.append("heard")

    others = [offer(part, "echo") for part in PARTS if part != "storage"]
    manager = load_plugins(extra=[*others, offer("storage", "echo", make=Store), Listener()])
    async with open_chat(config(tmp_path), manager) as (bus, _):
        await bus.publish(UserSaid(bus.new_turn("c"), "hi"))
    assert heard == ["hi"]
    assert log == ["storage opened", "connected", "heard", "storage closed"]


async def test_an_error_in_a_chat_comes_out_as_it_was_raised(tmp_path: Path) -> None:
    async def broken() -> None:
        async with open_chat(config(tmp_path), load_plugins(extra=ALL)):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await broken()


async def test_a_chat_without_storage_does_not_open(tmp_path: Path) -> None:
    def no_disk() -> None:
        raise CannotStart("The disk is full.", "Make room.")

    others = [offer(part, "echo") for part in PARTS if part != "storage"]
    manager = load_plugins(extra=[*others, offer("storage", "echo", make=no_disk)])
    problem = r"storage part\. echo: The disk is full\.\n  Hint: Make room\."
    with pytest.raises(CannotStart, match=problem):
        async with open_chat(config(tmp_path), manager):
            raise AssertionError
