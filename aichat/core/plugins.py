"""Loads plug-ins, and runs a chat with them.

Built-in plug-ins are found as installed ones are, in the entry-point group ``aichat``, and can be
disabled in plugins.toml. There is no global plug-in manager.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any

import anyio
import pluggy
from attrs import evolve

from . import hookspecs
from .backends import PARTS, Backend
from .bus.bus import Bus, open_bus
from .bus.clock import Clock
from .errors import PluginFailed, UnknownBackend
from .registry.config import Config, Part, build, check_settings, name_hint
from .registry.live_settings import live_settings
from .registry.mistakes import Mistakes
from .registry.selection import Candidate, Parts, Role, run_parts
from .registry.voice_probe import voices_measured
from .registry.voice_speeds import VoiceSpeeds
from .tools import Tool

KEEP_SECONDS = 5.0
"""Timeout for the store to write what is pending when a chat ends."""
REST_SECONDS = 0.2
"""Timeout for other work when a chat ends; then it is cancelled."""
HOOKS = tuple(name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "aichat_spec"))


def load_plugins(
    disable: Iterable[str] = (), extra: Iterable[object] = (), mistakes: Mistakes | None = None
) -> pluggy.PluginManager:
    """Register the built-in and installed plug-ins, and *extra*, which tests use.

    Raises :class:`PluginFailed` for one that cannot be imported or whose hooks are wrong, and for a
    name in *disable* that is none; with *mistakes*, such names are noted there instead.
    """
    manager = pluggy.PluginManager("aichat")
    manager.add_hookspecs(hookspecs)
    found = _installed()
    for name in disable:
        if name in found:
            manager.set_blocked(name)
            continue
        problem = f"[plugins] disable names {name!r}, which is no plug-in."
        if mistakes is None:
            raise PluginFailed(problem, name_hint(name, found))
        mistakes.add(("plugins", "disable"), problem, name_hint(name, found))
    for name, entry in sorted(found.items()):
        if not manager.is_blocked(name):
            _register(manager, _imported(name, entry), name)
    for plugin in extra:
        _register(manager, plugin, None)
    _refuse_unknown_hooks(manager)
    return manager


def _installed() -> dict[str, Any]:
    from importlib.metadata import entry_points  # slow to import, and needed once

    found: dict[str, Any] = {}
    for entry in entry_points(group="aichat"):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise PluginFailed(
                f"Two plug-ins are called {entry.name!r}: {other.value} and {entry.value}.",
                "Uninstall one of them.",
            )
    return found


def _imported(name: str, entry: Any) -> object:
    try:
        plugin: object = entry.load()
    except Exception as error:
        raise PluginFailed(
            f"Plug-in {name!r} ({entry.value}) cannot be imported ({error!r}).",
            f'Repair or uninstall it, or put disable = ["{name}"] under [plugins].',
        ) from error
    return plugin


def parts_from_config(config: Config, manager: pluggy.PluginManager) -> Parts:
    """Find the candidates that plugins.toml names and check their settings; starts nothing.

    Raises :class:`UnknownBackend` or :class:`~aichat.core.errors.BadSettings`, for all mistakes.
    """
    mistakes, roles = Mistakes(config.path, config.places), {}
    for part in PARTS:
        with mistakes.noted():
            roles[part] = _role(part, config, manager)
    mistakes.check()
    return Parts(roles, speakable_filters=manager.hook.speakable_filter(), tools=_tools(manager))


@asynccontextmanager
async def open_chat(
    config: Config,
    manager: pluggy.PluginManager,
    clock: Clock | None = None,
    speeds: VoiceSpeeds | None = None,
) -> AsyncIterator[tuple[Bus, Parts]]:
    """Select the backends, connect every plug-in, and run until the block ends.

    *speeds* is where the measured speeds of voices are kept; without it each chat measures them.
    Then turns are interrupted, and what happened is stored, within ``KEEP_SECONDS``; other work is
    cancelled when it takes ``REST_SECONDS`` longer.
    """
    parts = parts_from_config(config, manager)
    async with (
        run_parts(parts),
        open_bus(REST_SECONDS, clock) as bus,
        voices_measured(bus, parts, speeds or VoiceSpeeds()),
    ):
        manager.hook.connect(bus=bus, parts=parts)
        try:
            yield bus, parts
        finally:
            bus.stop()
            with anyio.move_on_after(KEEP_SECONDS, shield=True):
                await bus.kept()


def _tools(manager: pluggy.PluginManager) -> dict[str, Tool]:
    """Return the tools by name, each with the name of its plug-in."""
    found: dict[str, Tool] = {}
    for offer in manager.hook.tools.get_hookimpls():
        offered: list[Tool] = offer.function()  # type: ignore[assignment]
        for tool in offered:
            if tool.name in found:
                raise PluginFailed(
                    f"Two plug-ins offer a tool called {tool.name!r}: "
                    f"{found[tool.name].plugin} and {offer.plugin_name}.",
                    "Rename one, or put the other plug-in's name into disable under [plugins].",
                )
            found[tool.name] = evolve(tool, plugin=offer.plugin_name)
    return dict(sorted(found.items()))


def _role(part: str, config: Config, manager: pluggy.PluginManager) -> Role:
    offers: list[Backend[Any]] = getattr(manager.hook, f"{part}_backend")()
    by_name = {offer.name: offer for offer in offers}
    if len(by_name) < len(offers):
        twice = next(name for name in by_name if [o.name for o in offers].count(name) > 1)
        raise PluginFailed(
            f"Two plug-ins offer a {part} backend called {twice!r}.",
            "Rename one, or put the other plug-in's name into disable under [plugins].",
        )
    table, found = config.parts[part], Mistakes(config.path, config.places)
    use = [name for name in table.use if name in by_name or not table.shipped_use]
    _note_unknown_backends(found, part, table, use, by_name)
    candidates = []
    for name in dict.fromkeys((*use, *table.settings)):
        if offer := by_name.get(name):
            with found.noted():
                if name in use:
                    candidates.append(_candidate(part, offer, config))
                else:
                    check_settings(config, part, name, offer.make)
    found.check()
    return Role(part, candidates)


def _note_unknown_backends(
    found: Mistakes, part: str, table: Part, use: Sequence[str], by_name: Mapping[str, object]
) -> None:
    """Note the backends that are named in plugins.toml and offered by no plug-in."""
    if not use:
        hint = f'Add `use = "NAME"`. {name_hint("", by_name)}'
        found.add((part,), f"[{part}] names no backend.", hint, UnknownBackend)
    for name in (*use, *(set(table.settings) - set(use) - table.shipped_tables)):
        if name not in by_name:
            is_used = name in use
            what = f'use = "{name}"' if is_used else f"the table [{part}.{name}]"
            found.add(
                (part, "use" if is_used else name),
                f"[{part}] has {what}, but no plug-in offers that.",
                f"{name_hint(name, by_name)} Or install the plug-in that does.",
                UnknownBackend,
            )


def _candidate(part: str, offer: Backend[Any], config: Config) -> Candidate:
    make = build(config, part, offer.name, offer.make)
    live = live_settings(offer.make)
    return Candidate(part, offer.name, make, offer.notice, offer.models, live=live)


def _register(manager: pluggy.PluginManager, plugin: object, name: str | None) -> None:
    for hook in HOOKS:
        if iscoroutinefunction(getattr(plugin, hook, None)):
            raise PluginFailed(
                f"{name or plugin!r}: the hook {hook} is async; hooks are asked once, at once.",
                f"Write `def {hook}`, and do the async work in the backend or in a handler.",
            )
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginFailed(
            f"{name or plugin!r}: {' '.join(str(error).split())}.",
            "Give the hook the parameters that aichat.core.hookspecs gives it.",
        ) from error


def _refuse_unknown_hooks(manager: pluggy.PluginManager) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginFailed(f"{error}.", f"Hooks are {', '.join(HOOKS)}.") from error
