"""How backends are set up, told to people: each setting, its value, and where that was set.

Backends read their settings once, when they start: here they are shown, and in plugins.toml they
are changed. Secrets are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen
from pluggy import PluginManager

from aichat.core import Backend, Config
from aichat.core.hosts import is_this_machine

SECRET = re.compile("(^|_)(key|token|secret|password|dsn)s?$", re.IGNORECASE)
LONGEST = 80
Source = Literal["default", "plugins.toml", "environment"]

WORDS: Mapping[str, str] = {
    "end_ms": "So long a silence ends your turn, until your own pauses and your words tell better.",
    "barge_in_ms": "So much speech interrupts the characters. Words do at once.",
    "first_word_ms": "So long is waited for somebody who has begun, but said no word yet.",
    "shortest_ms": "However finished it sounds, so much silence is waited for.",
    "longest_ms": "However unfinished it sounds, no longer silence is waited for.",
    "resume_ms": "Who was held up without words goes on, so long after the other voice ended.",
    "speculate": "Begin the answer in a pause that may be the end: on, off, auto (if it is free).",
    "back_channels": "Words that do not interrupt, such as “mhm”.",
    "stop_phrases": "Words that stop everybody, such as “hold on”.",
    "threshold": "How sure it must be that somebody speaks, from 0 to 1.",
    "end_threshold": "Under it, nobody speaks any more.",
    "min_speech_ms": "Shorter sounds are no speech.",
    "compute_type": "With which numbers it computes: smaller ones are faster, and rougher.",
    "beam_size": "So many guesses are followed side by side: more are slower, and better.",
    "vad_filter": "Whether pauses are cut out before it listens.",
    "hotwords": "Names and words that it should expect.",
    "download": "Whether weights that are missing are fetched.",
    "threads": "So many processor cores for one utterance.",
    "workers": "So many utterances side by side.",
    "words_per_minute": "How fast it speaks.",
    "words_per_second": "How fast it writes.",
    "model": "Which model.",
    "device": "On what it computes: auto, cpu, or cuda.",
    "language": "In which language you speak; without one it is found out.",
    "max_concurrent": "So many clauses are spoken side by side.",
    "rate": "How fast it speaks.",
    "base_url": "Where the server is.",
    "api_key": "The key to the server.",
    "temperature": "How freely it chooses its words.",
}
"""What settings mean, where their name is that of others as well."""


@frozen
class Setting:
    """One setting of a backend; *variable* is the one of the environment that it comes from."""

    name: str
    value: str
    source: Source
    variable: str = ""

    @property
    def words(self) -> str:
        """What it means; empty where only its plug-in knows."""
        return WORDS.get(self.name, "")


def settings_of(config: Config, manager: PluginManager, part: str, name: str) -> list[Setting]:
    """Return all settings of a backend, in the order in which it takes them."""
    offers: list[Backend[Any]] = getattr(manager.hook, f"{part}_backend")()
    make = next(offer.make for offer in offers if offer.name == name)
    given = config.parts[part].settings.get(name, {})
    return [
        _setting(config, one, given)
        for one in signature(make).parameters.values()
        if one.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    ]


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
        return ", ".join(map(str, value)) or "none"
    text = _without_login(str(value))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _without_login(text: str) -> str:
    """Return an address without the name and password that it may hold, or the text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "an address that cannot be read"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def goes_to(settings: list[Setting]) -> str | None:
    """Return the other machine that a backend sends to; None where it names no other."""
    for one in settings:
        if "://" in one.value:
            host = urlsplit(one.value).hostname or ""
            if host and not is_this_machine(host):
                return host
    return None
