"""Live settings: settings of backends that change while these serve, checked and stored.

plugins.toml and the environment stay the base. What differs from it is one of the application's
settings in the store, by backend: ``{"backends": {"turn.silence": {"end_ms": 500}}}``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anyio
from attrs import define, field, frozen

from aichat.core import AichatError, BadValue, NotFound, Parts
from aichat.core.registry.live_settings import LiveSetting, check, check_together
from aichat.core.registry.selection import Candidate

KEPT_AS = "backends"

log = logging.getLogger(__name__)


@frozen
class LiveValue:
    """A live setting of a serving backend: its *value* now, and its *base* in plugins.toml."""

    setting: LiveSetting
    value: Any
    base: Any

    @property
    def name(self) -> str:
        """Its name in plugins.toml."""
        return self.setting.name

    @property
    def is_changed(self) -> bool:
        """Whether the value differs from plugins.toml."""
        return bool(self.value != self.base)


@define(eq=False)
class LiveSettings:
    """Changes the live settings of the *parts*' backends, one request at a time."""

    parts: Parts
    kept: dict[str, dict[str, Any]] = field(factory=dict)
    """What the store holds, also for backends that plugins.toml no longer names."""
    one_by_one: anyio.Lock = field(factory=anyio.Lock)

    async def restore(self) -> None:
        """Apply the stored changes at start-up. Values that no longer fit are left out."""
        try:
            self.kept = await self._kept()
        except AichatError as error:
            log.warning("Changed settings of backends cannot be read, so none is used: %s", error)
            return
        for of, values in self.kept.items():
            part, _, name = of.partition(".")
            if candidate := self.parts.candidate(part, name):
                candidate.tune(_fitting(candidate, of, values))

    def of(self, part: str, name: str) -> list[LiveValue]:
        """Return the live settings of a backend; none if it has not started."""
        candidate = self._candidate(part, name)
        if candidate.backend is None:
            return []
        values = {**candidate.base, **candidate.tuned}
        return [
            LiveValue(one, values[one.name], candidate.base[one.name])
            for one in candidate.live.values()
        ]

    async def change(self, part: str, name: str, changes: Mapping[str, Any]) -> None:
        """Change some settings of a backend; None sets one back to its value in plugins.toml.

        Raises NotFound, :class:`BadValue`, which names the setting, and what the store raises;
        then nothing has changed.
        """
        async with self.one_by_one:
            candidate, of = self._candidate(part, name), f"{part}.{name}"
            base, wanted = candidate.base, {**candidate.tuned, **changes}
            check(candidate.live, changes, of)
            after = {k: base.get(k) if v is None else v for k, v in {**base, **wanted}.items()}
            check_together(candidate.live, after)
            tuned = {k: v for k, v in wanted.items() if v is not None and v != base.get(k)}
            kept = {**await self._kept(), of: tuned}
            kept = {known: values for known, values in kept.items() if values}
            await self.parts.storage.change_settings({KEPT_AS: kept or None})
            self.kept = kept
            candidate.tune(tuned)

    async def _kept(self) -> dict[str, dict[str, Any]]:
        """Read the store again: another process may have changed another backend."""
        found = (await self.parts.storage.settings()).get(KEPT_AS)
        both = found if isinstance(found, Mapping) else {}
        return {of: dict(values) for of, values in both.items() if isinstance(values, Mapping)}

    async def reset(self, part: str, name: str) -> None:
        """Set all settings of a backend back to their values in plugins.toml."""
        await self.change(part, name, dict.fromkeys(self._candidate(part, name).tuned))

    def _candidate(self, part: str, name: str) -> Candidate:
        if found := self.parts.candidate(part, name):
            return found
        raise NotFound(f"[{part[:60]}] uses no backend {name[:60]!r}.", "Look at plugins.toml.")


def _fitting(candidate: Candidate, of: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that the backend still takes."""
    fitting = {}
    for name, value in values.items():
        try:
            check(candidate.live, {name: value}, of)
        except BadValue as error:
            log.warning("A changed setting of %s is not used: %s", of, error.line)
            continue
        fitting[name] = value
    return fitting
