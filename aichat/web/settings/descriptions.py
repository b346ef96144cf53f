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
from aichat.core.registry.live_settings import live_settings
from aichat.toolkit.network import is_this_machine

SECRET = re.compile("(^|_)(key|token|secret|password|dsn)s?$", re.IGNORECASE)
ADDRESS = re.compile("(^|_)(url|uri|address|endpoint|proxy|host)s?$", re.IGNORECASE)
LONGEST = 80
Source = Literal["default", "plugins.toml", "environment"]

NAMES: Mapping[str, str] = {
    "end_ms": "Silence that ends your turn",
    "barge_in_ms": "Speech that interrupts",
    "first_word_ms": "Wait for a first word",
    "shortest_ms": "Shortest silence that ends a turn",
    "longest_ms": "Longest silence within a turn",
    "resume_ms": "Until they go on",
    "speculate": "Thinking ahead",
    "back_channels": "Words that do not interrupt",
    "stop_phrases": "Words that stop everybody",
    "threshold": "When speech begins",
    "end_threshold": "When speech ends",
    "min_speech_ms": "Shortest speech",
}
"""Labels of the settings that can be changed on a page."""

WORDS: Mapping[str, str] = {
    "end_ms": "Raise it if you are cut off, lower it if answers come late. It holds until your own "
    "pauses and your words are a better guide.",
    "barge_in_ms": "How long you must speak over the characters to stop them, whatever you say. "
    "Words do at once.",
    "first_word_ms": "For somebody who has begun, a breath or an “um”, but said no word yet.",
    "shortest_ms": "The turn never ends sooner, however finished it sounds.",
    "longest_ms": "The turn ends then, however unfinished it sounds.",
    "resume_ms": "Characters that paused for a cough or an “mhm” go on this long after it ended.",
    "speculate": "Begin the answer in a pause that may be the end. Answers come sooner, and some "
    "are made in vain.",
    "back_channels": "Such as “mhm”: the speaker goes on. One a line; empty: aichat's own.",
    "stop_phrases": "Such as “hold on”: they are not answered. One a line; empty: aichat's own.",
    "threshold": "How sure it must be that somebody speaks, from 0 to 1. Raise it in a noisy room.",
    "end_threshold": "Once somebody speaks: below it, nobody does any more.",
    "min_speech_ms": "Shorter sounds, as of a key or a cup, are no speech.",
    "compute_type": "With which numbers it computes: smaller ones are faster, and rougher.",
    "beam_size": "Transcripts that are followed side by side: more are slower, and better.",
    "vad_filter": "Whether pauses are cut out before it listens.",
    "hotwords": "Names and words that it should expect.",
    "download": "Whether weights that are missing are fetched.",
    "threads": "Processor cores for one utterance.",
    "workers": "Most utterances that are transcribed at the same time.",
    "words_per_minute": "How fast it speaks.",
    "words_per_second": "How fast it writes.",
    "model": "Which model.",
    "device": "On what it computes: auto, cpu, or cuda.",
    "language": "In which language you speak; without one it is found out.",
    "max_concurrent": "Most clauses that are synthesised at the same time.",
    "rate": "How fast it speaks.",
    "base_url": "Where the server is.",
    "api_key": "The key to the server.",
    "temperature": "How freely it chooses its words.",
}
"""What settings mean; one text serves all settings of a name."""


@frozen
class Setting:
    """One setting of a backend; *variable* is the environment variable that it comes from."""

    name: str
    value: str
    source: Source
    variable: str = ""
    is_live: bool = False
    """It may be changed while the backend serves."""

    @property
    def words(self) -> str:
        """What it means; empty if there is no text for it."""
        return WORDS.get(self.name, "")


def settings_of(config: Config, manager: PluginManager, part: str, name: str) -> list[Setting]:
    """Return all settings of a backend, in the order in which it takes them."""
    offers: list[Backend[Any]] = getattr(manager.hook, f"{part}_backend")()
    make = next(offer.make for offer in offers if offer.name == name)
    given, live = config.parts[part].settings.get(name, {}), live_settings(make)
    return [
        evolve(_setting(config, one, given), is_live=one.name in live)
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
