"""What the doctor found, as data: ``--json`` prints it, ``show`` writes it for people."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from attrs import frozen

from aichat.core import Config, Connection, Parts, PartStatus, charges
from aichat.core.authentication import Authentication
from aichat.core.redaction import redacted
from aichat.toolkit.file_permissions import exposed
from aichat.toolkit.installed_backends import Installed, installed
from aichat.toolkit.packages import version
from aichat.toolkit.weights import Weights
from aichat.web import paths
from aichat.web.app import Setup
from aichat.web.cli.cached_weights import Holding, held

from .devices import devices
from .rounds import Result

SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|URL|PROXY|ENDPOINT|DSN")
ASKED = (
    Connection("http", "/", "127.0.0.1", {"host": "localhost"}),
    Connection("websocket", "/ws", "192.0.2.7", {"host": "localhost"}),  # nobody's (RFC 5737)
)
"""Connections that authenticators are tried with."""


@frozen
class Line:
    """One backend: its state, and the reason for it."""

    part: str
    name: str
    state: str
    serving: bool
    detail: str
    notice: str = ""
    charges: bool = False
    weights: tuple[Holding, ...] = ()
    round: Result | None = None


@frozen
class Report:
    """The doctor's report. *keys*: whether each environment variable of plugins.toml is set.

    *logins* are the problems of authenticator plug-ins that give no valid answer.
    """

    ok: bool
    aichat: str
    python: str
    system: str
    settings: str
    data: str
    warnings: tuple[str, ...]
    devices: tuple[str, ...]
    parts: tuple[Line, ...]
    keys: Mapping[str, bool]
    logins: tuple[str, ...] = ()


def report_on(setup: Setup, parts: Parts, results: Mapping[str, Result]) -> Report:
    """Gather everything. Blocks: it looks at the disk."""
    assert setup.manager is not None  # noqa: S101  (parts were made with it)
    config = setup.config
    keys = {name: bool(config.environment.get(name)) for name in sorted(set(_named(config)))}
    hide = _Hiding(config, keys)
    lines = tuple(_line(one, parts, results, hide) for one in installed(config, setup.manager))
    works = not any(result.is_broken for result in results.values())
    authentication = Authentication(setup.manager)
    faults = (fault.line for one in ASKED for fault in authentication.faults(one))
    logins = tuple(dict.fromkeys(map(hide, faults)))
    return Report(
        ok=parts.is_ready() and works and not logins,
        aichat=version(),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        settings=str(config.path),
        data=str(paths.data()),
        warnings=tuple(filter(None, [exposed(paths.data())])),
        devices=tuple(devices()),
        parts=lines,
        keys=keys,
        logins=logins,
    )


def _line(one: Installed, parts: Parts, results: Mapping[str, Result], hide: _Hiding) -> Line:
    weights = tuple(_held(one.weights))
    if one.place is None:
        why = one.problem or f"not named in `use` under [{one.part}]"
        return Line(one.part, one.name, "unused", False, hide(why), weights=weights)
    candidate = parts.roles[one.part].candidates[one.place]
    status: PartStatus = parts.roles[one.part].statuses()[one.place]
    round_ = results.get(one.part) if status.serving else None
    detail = status.detail or ("" if status.serving else _second(status))
    return Line(
        one.part,
        one.name,
        status.state.value,
        status.serving,
        hide(detail),
        status.notice,
        charges(candidate.backend),
        weights,
        round_ and hide.result(round_),
    )


def _second(status: PartStatus) -> str:
    return "on standby: an earlier one in `use` is in use" if status.state == "ready" else ""


def _held(weights: Any) -> Iterator[Holding]:
    if find_spec("huggingface_hub") is None:
        return
    import huggingface_hub

    one: Weights
    for one in weights:
        yield held(one, huggingface_hub)


def _named(config: Config) -> Iterator[str]:
    """Yield the environment variables that settings name."""
    for part in config.parts.values():
        for settings in part.settings.values():
            for value in settings.values():
                if isinstance(value, str) and value.startswith("$"):
                    yield value[1:]


class _Hiding:
    """Removes the values of keys from texts: an engine may put one into an error message."""

    def __init__(self, config: Config, keys: Mapping[str, bool]) -> None:
        named = [*keys, *(name for name in os.environ if SECRET.search(name.upper()))]
        values = {config.environment.get(name, "") for name in named if SECRET.search(name.upper())}
        self._values = sorted((v for v in values if len(v) > 5), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, "…")
        return redacted(text)

    def result(self, result: Result) -> Result:
        return Result(result.ms, self(result.what), self(result.problem), result.is_broken)
