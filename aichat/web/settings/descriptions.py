"""Describes the settings of backends: each one's label, value, and where that was set.

Most settings are read once, when a backend starts: they are shown, and changed in plugins.toml.
Those that may be changed while it serves have a form of their own (``live_settings.py``).
Secrets are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import evolve, frozen
from pluggy import PluginManager

from aichat.core import Backend, Config
from aichat.core.redaction import redacted, shown_url
from aichat.core.registry.live_settings import LiveSetting, live_settings
from aichat.toolkit.network import is_this_machine

SECRET = re.compile("(^|_)(key|token|secret|password|dsn)s?$", re.IGNORECASE)
ADDRESS = re.compile("(^|_)(url|uri|address|endpoint|proxy|host)s?$", re.IGNORECASE)
LONGEST = 80
Source = Literal["default", "plugins.toml", "environment"]

WORDS: Mapping[str, str] = {
    "compute_type": "Number format of the weights: smaller is faster and less exact.",
    "beam_size": "Transcripts that are compared side by side: more are slower and better.",
    "vad_filter": "Whether pauses are removed before transcription.",
    "hotwords": "Names and words that it should expect.",
    "download": "Whether missing weights are downloaded.",
    "threads": "Processor cores for one utterance.",
    "workers": "Most utterances that are transcribed at the same time.",
    "words_per_minute": "How fast it speaks.",
    "words_per_second": "How fast it writes.",
    "model": "Name of the model.",
    "device": "Where it computes: auto, cpu or cuda.",
    "language": "The language you speak; detected if not set.",
    "max_concurrent": "Most clauses that are synthesised at the same time.",
    "rate": "How fast it speaks.",
    "base_url": "Address of the server.",
    "api_key": "API key of the server.",
    "temperature": "How freely it chooses its words.",
}
"""What the settings mean that are read once, by name; live settings bring their own text."""


@frozen
class Setting:
    """One setting of a backend; *variable* is the environment variable that it comes from."""

    name: str
    value: str
    source: Source
    variable: str = ""
    is_live: bool = False
    """It may be changed while the backend serves."""
    words: str = ""
    """What it means; empty if there is no text for it."""


def settings_of(config: Config, manager: PluginManager, part: str, name: str) -> list[Setting]:
    """Return all settings of a backend, in the order in which it takes them."""
    offers: list[Backend[Any]] = getattr(manager.hook, f"{part}_backend")()
    make = next(offer.make for offer in offers if offer.name == name)
    given, live = config.parts[part].settings.get(name, {}), live_settings(make)
    return [
        evolve(_setting(config, one, given), is_live=one.name in live, words=_words(live, one.name))
        for one in signature(make).parameters.values()
        if one.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    ]


def _words(live: Mapping[str, LiveSetting], name: str) -> str:
    return live[name].mark.help if name in live else WORDS.get(name, "")


def _setting(config: Config, known: Parameter, given: Mapping[str, Any]) -> Setting:
    name, value, source, variable = known.name, known.default, "default", ""
    if name in given:
        value, source = given[name], "plugins.toml"
    if isinstance(value, str) and value.startswith("$"):
        variable = value[1:]
        value = config.environment.get(variable) or known.default
        source = "environment" if config.environment.get(variable) else "default"
    return Setting(name, _shown(name, value), source, variable)  # type: ignore[arg-type]


def _shown(name: str, value: object) -> str:
    if SECRET.search(name):
        return "not set" if value in (None, "", Parameter.empty) else "set (it is not shown)"
    if value is None or value is Parameter.empty or value == "":
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return redacted(", ".join(map(str, value))) or "none"
    is_address = ADDRESS.search(name) or "://" in str(value)
    text = _address(str(value)) if is_address else redacted(str(value))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _address(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError:
        return "an address that cannot be read"
    return shown_url(text)


def goes_to(settings: list[Setting]) -> str | None:
    """Return the host that a backend sends data to; None if no setting names another machine."""
    for one in settings:
        if "://" in one.value:
            host = urlsplit(one.value).hostname or ""
            if host and not is_this_machine(host):
                return host
    return None
