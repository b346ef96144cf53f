"""plugins.toml: which backend plays which part, and with which settings.

    [llm]
    use = ["openai", "demo"]     # in order of preference

    [llm.openai]                 # settings stay with their backend
    api_key = "$OPENROUTER_API_KEY"

It changes only what it names; everything else comes from the file that aichat ships. All mistakes
in it are reported when aichat starts, with the line and a hint. A "$NAME" that is not set is no
mistake in the file: the backend that needs it reports it when it starts.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from inspect import Parameter, signature
from math import inf
from pathlib import Path
from typing import Any, Literal

from attrs import Factory, evolve, field, frozen

from aichat.core.backends import PARTS
from aichat.core.errors import BadSettings, CannotStart
from aichat.core.redaction import shown_url

from .annotations import choices, fits, hints, kinds, wanted
from .mistakes import Mistakes, Places, shown
from .toml_files import load

ENVIRONMENT = {
    "LLM_MODEL": (("llm", "openai", "model"),),
    "STT_MODEL": (("stt", "faster_whisper", "model"),),
    "HIGGS_MODEL_PATH": (("tts", "higgs", "model_path"),),
    "HIGGS_TOKENIZER_PATH": (("tts", "higgs", "tokenizer_path"),),
    "DEVICE": (("stt", "faster_whisper", "device"), ("tts", "higgs", "device")),
    "DATABASE_URL": (("storage", "postgres", "url"),),
    "SUPABASE_URL": (("storage", "supabase", "url"),),
    "SUPABASE_ANON_KEY": (("storage", "supabase", "key"),),
    "SUPABASE_EMAIL": (("storage", "supabase", "email"),),
    "SUPABASE_PASSWORD": (("storage", "supabase", "password"),),
    "MAX_CONCURRENT_TTS": (("tts", "higgs", "max_concurrent"), ("tts", "espeak", "max_concurrent")),
}
"""Environment variables that override plugins.toml, and the settings they set."""


@frozen
class WebConfig:
    """The table [web]: address, access, and limits for each client."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    access: Literal["local", "token"] = "local"
    """Clients that are let in: those on this machine, or those with a login or a token."""
    max_sockets: int = 4
    """WebSockets that one client address may have open at once."""
    max_requests_per_s: int = 50
    """Sustained rate of requests of one client address; the burst is ten times as many."""
    max_turns_per_s: float = 1.0
    """Sustained rate of messages of one connection; the burst is ten times as many."""
    max_silence_s: float = 30.0
    """Idle timeout in seconds, after which a WebSocket is closed; clients ping."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses, networks, or "unix", whose X-Forwarded-For, -Proto and -Host are believed."""
    components_page: bool = False
    """Whether ``/components`` is served: a page with every building block of the pages."""


ADDRESSES = ("base_url", "url")
"""Settings that say where a backend's server is."""

LIMITS = {
    "max_sockets": int,
    "max_requests_per_s": int,
    "max_turns_per_s": float,
    "max_silence_s": float,
}
"""The limits among the settings under [web]: numbers above 0."""


@frozen
class Part:
    """One part: the backends to use, best first, and each one's settings."""

    use: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]] = Factory(dict)
    shipped_use: bool = False
    """``use`` comes from the shipped file: backends without a plug-in are left out."""
    shipped_tables: frozenset[str] = frozenset()
    """Backends whose settings come from the shipped file alone."""


@frozen
class Config:
    """plugins.toml, parsed and checked as far as possible without the plug-ins."""

    path: Path
    parts: Mapping[str, Part]
    disable: tuple[str, ...] = ()
    web: WebConfig = WebConfig()
    environment: Mapping[str, str] = field(default=os.environ, repr=False, eq=False)
    """Where "$NAME" is looked up."""
    places: Places = field(factory=dict, repr=False, eq=False)


def read_config(
    path: Path,
    environment: Mapping[str, str] = os.environ,
    shipped: Path | None = None,
    mistakes: Mistakes | None = None,
) -> Config:
    """Read plugins.toml; what it does not name comes from the *shipped* one.

    Raises :class:`BadSettings`. With *mistakes*, those in single settings are noted there instead,
    and the shipped value, or the default, stands in for them.
    """
    found = mistakes or Mistakes(path)
    tables, found.places = load(path)
    below = load(shipped)[0] if shipped and shipped.resolve() != path.resolve() else {}
    _refuse_unknown(found, (), "a table", tables, (*PARTS, "plugins", "web"))
    parts = {
        name: with_defaults(_part(found, name, tables.get(name, {})), below.get(name, {}))
        for name in PARTS
    }
    plugins = {**below.get("plugins", {}), **_table(found, "plugins", tables.get("plugins", {}))}
    _refuse_unknown(found, ("plugins",), "[plugins] a setting", plugins, ("disable",))
    disable = _names(found, ("plugins", "disable"), plugins.get("disable", []))
    table = {**below.get("web", {}), **_table(found, "web", tables.get("web", {}))}
    web = _Web(found, environment, table).read()
    if mistakes is None:
        found.check()
    parts = _overridden(parts, environment)
    return Config(path, parts, disable, web, environment, found.places)


def build(config: Config, part: str, name: str, make: Callable[..., Any]) -> Callable[[], object]:
    """Check the settings of one backend against the parameters of *make*; return its factory.

    Raises :class:`BadSettings`. The factory resolves "$NAME" and raises :class:`CannotStart` when a
    required one is not set.
    """
    where, known, typed = f"[{part}.{name}]", signature(make).parameters, hints(make)
    given = config.parts[part].settings.get(name, {})
    found = Mistakes(config.path, config.places)
    with found.noted():
        check_settings(config, part, name, make)
    for key, parameter in known.items():
        if parameter.default is Parameter.empty and key not in given:
            found.add((part, name), f"{where} lacks {key}.", f"Add `{key} = ...` there.")
    found.check()
    return lambda: make(**_resolved(where, given, typed, known, config.environment))


def check_settings(config: Config, part: str, name: str, make: Callable[..., Any]) -> None:
    """Check a backend's settings in plugins.toml, used or not. Raises :class:`BadSettings`."""
    where, place, known = f"[{part}.{name}]", (part, name), signature(make).parameters
    typed, given = hints(make), config.parts[part].settings.get(name, {})
    found = Mistakes(config.path, config.places)
    _refuse_unknown(found, place, f"{where} a setting", given, known)
    for key, value in given.items():
        is_name = isinstance(value, str) and value.startswith("$")
        if key in known and not is_name and not fits(value, typed.get(key, Any)):
            found.add((*place, key), f"{where} {key} is {shown(value)}.", wanted(typed[key]))
        elif key == "base_url" and not is_name and (hint := _misread_address(value)):
            found.add((*place, key), f"{where} {key} is {shown_url(value)!r}.", hint)
    found.check()


def with_defaults(own: Part, shipped: Mapping[str, Any]) -> Part:
    """Return a part's settings, completed with those of the shipped file."""
    use = shipped.get("use", [])
    use = (use,) if isinstance(use, str) else tuple(use)
    tables = {name: table for name, table in shipped.items() if isinstance(table, dict)}
    settings = {**tables, **own.settings}
    for name, table in own.settings.items():
        settings[name] = {**_kept(tables.get(name, {}), table), **table}
    return Part(own.use or use, settings, not own.use, frozenset(tables.keys() - own.settings))


def _kept(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shipped settings that still apply: without the key, if the server is another."""
    is_elsewhere = any(own.get(name, shipped.get(name)) != shipped.get(name) for name in ADDRESSES)
    return {
        name: value
        for name, value in shipped.items()
        if not (is_elsewhere and isinstance(value, str) and value.startswith("$"))
    }


def _part(found: Mistakes, name: str, value: Any) -> Part:
    table = _table(found, name, value)
    settings = {key: item for key, item in table.items() if isinstance(item, dict)}
    for key in table:
        if key != "use" and key not in settings:
            found.add(
                (name, key),
                f"[{name}] {key} = ... belongs to no backend.",
                f"Put it under its backend, as in [{name}.BACKEND].",
            )
    return Part(_names(found, (name, "use"), table.get("use", [])), settings)


def _table(found: Mistakes, name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    found.add((name,), f"{name} is not a table.", f"Write [{name}] on a line of its own.")
    return {}


def _names(found: Mistakes, place: tuple[str, str], value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    table, key = place
    found.add(place, f"[{table}] {key} is {shown(value)}.", "Write a name, or a list of names.")
    return ()


@frozen
class _Web:
    """Reads the table [web], which HOST and PORT of the environment override."""

    found: Mistakes
    environment: Mapping[str, str]
    table: Mapping[str, Any]

    def read(self) -> WebConfig:
        _refuse_unknown(
            self.found, ("web",), "[web] a setting", self.table, signature(WebConfig).parameters
        )
        hosts = self._checked("allowed_hosts", _misread_host)
        origins = self._checked("allowed_origins", _misread_origin)
        limits = {key: self._limit(key) for key in LIMITS if key in self.table}
        given = {key: value for key, value in limits.items() if value is not None}
        given["trusted_proxies"] = self._networks()
        given["components_page"] = self._switch("components_page")
        return WebConfig(self._host(), self._port(), hosts, origins, self._access(), **given)

    def _names(self, key: str) -> tuple[str, ...]:
        return _names(self.found, ("web", key), self.table.get(key, []))

    def _networks(self) -> tuple[str, ...]:
        """Read the proxies to trust; networks are written out: none is larger than it looks."""
        return self._checked(
            "trusted_proxies", lambda name: None if name == "unix" else _misread_network(name)
        )

    def _checked(self, key: str, misread: Callable[[str], str | None]) -> tuple[str, ...]:
        """Read names, of which *misread* says what to write instead, if they are wrong."""
        good = list[str]()
        for name in self._names(key):
            if hint := misread(name):
                self.found.add(("web", key), f"[web] {key} names {name!r}.", hint)
            else:
                good.append(name)
        return tuple(good)

    def _wrong(self, key: str, value: object, hint: str) -> None:
        self.found.add(("web", key), f"[web] {key} is {shown(value)}.", hint)

    def _host(self) -> str:
        host = self.environment.get("HOST") or self.table.get("host", WebConfig().host)
        if isinstance(host, str):
            return host
        self._wrong("host", host, 'Write an address, as "127.0.0.1".')
        return WebConfig().host

    def _port(self) -> int:
        hint = "Write a number from 0 to 65535."
        if given := self.environment.get("PORT"):
            if _is_port(given):
                return int(given)
            self.found.found.append(BadSettings(f"PORT in the environment is {given!r}.", hint))
        elif _is_port(port := self.table.get("port", WebConfig().port)):
            return int(port)
        else:
            self._wrong("port", port, hint)
        return WebConfig().port

    def _access(self) -> Literal["local", "token"]:
        value = self.table.get("access", "local")
        if value == "token":
            return "token"
        if value != "local":
            known = ("local", "token")
            self._wrong("access", value, name_hint(value if isinstance(value, str) else "", known))
        return "local"

    def _switch(self, key: str) -> bool:
        value = self.table.get(key, False)
        if isinstance(value, bool):
            return value
        self._wrong(key, value, "Write true or false.")
        return False

    def _limit(self, key: str) -> Any:
        value, whole = self.table[key], LIMITS[key] is int
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            self._wrong(key, value, wanted(LIMITS[key]))
        elif not 0 < value < inf:
            self._wrong(key, value, "Write a number above 0.")
        else:
            return value
        return None


def _is_port(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal() and len(value) < 6 and int(value) < 65536
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 65536


def _overridden(parts: Mapping[str, Part], environment: Mapping[str, str]) -> dict[str, Part]:
    settings = {name: dict(part.settings) for name, part in parts.items()}
    for variable, places in ENVIRONMENT.items():
        for part, backend, key in places:
            if environment.get(variable) and backend in parts[part].use:
                # "$NAME" is resolved, and its type made right, when the backend is built
                settings[part][backend] = {**settings[part].get(backend, {}), key: f"${variable}"}
    return {name: evolve(part, settings=settings[name]) for name, part in parts.items()}


def _resolved(
    where: str,
    given: Mapping[str, Any],
    typed: Mapping[str, Any],
    known: Mapping[str, Parameter],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    values = {}
    for key, value in given.items():
        if not (isinstance(value, str) and value.startswith("$")):
            values[key] = value
        elif text := environment.get(value[1:]):
            values[key] = _from_text(where, key, text, typed.get(key, str))
        elif known[key].default is Parameter.empty:
            raise CannotStart(
                f"{value[1:]} is not set.", f"Put {value[1:]}=... into .env, or export it."
            )
    return values


def _from_text(where: str, key: str, text: str, hint: Any) -> Any:
    if key == "base_url" and (mend := _misread_address(text)):
        raise CannotStart(f"{where} {key} is {shown_url(text)!r}.", f"In the environment: {mend}")
    for kind in kinds(hint):
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        if kind is bool and text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
        if kind in (str, Any) and text in choices(hint, text):
            return text
    raise CannotStart(f"{where} {key} is {text!r}.", f"Correct the environment: {wanted(hint)}")


def _refuse_unknown(
    found: Mistakes, place: tuple[str, ...], what: str, names: Iterable[str], known: Iterable[str]
) -> None:
    allowed = list(known)
    for name in names:
        if name not in allowed:
            found.add((*place, name), f"{what} {name!r} is not known.", name_hint(name, allowed))


def name_hint(name: str, known: Iterable[str]) -> str:
    """Return a hint: the name that was probably meant, or the known ones."""
    from difflib import get_close_matches  # only mistakes need it

    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names) or 'none'}."


HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
"""A name or an address, as browsers write it in the Host header, without the port."""
ORIGIN = re.compile(rf"[a-z][a-z0-9+.-]*://(?:{HOST.pattern})(?::[0-9]{{1,5}})?")


def _misread_host(name: str) -> str | None:
    """Return a hint on what to write instead of *name*; None: browsers send it as Host."""
    if HOST.fullmatch(name):
        return None
    bare = name.lower().partition("://")[2] or name.lower()
    bare = bare.partition("/")[0].rstrip(".")
    if bare.count(":") > 1 and not bare.startswith("["):
        bare = f"[{bare}]"
    bare = re.sub(r":\d*$", "", bare)
    with suppress(UnicodeError):
        bare = bare.encode("idna").decode()  # what browsers send of other scripts
    return _meant(bare, HOST) or 'Write each name in full, as "chat.example", without port or path.'


def _misread_origin(name: str) -> str | None:
    """Return a hint on what to write instead of *name*; None: browsers send it as Origin."""
    if ORIGIN.fullmatch(name):
        return None
    start = "/".join(name.lower().split("/")[:3])
    return _meant(start, ORIGIN) or 'Write each in full, as "https://chat.example".'


WEB_ADDRESS = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?", re.IGNORECASE)


def _misread_address(value: object) -> str | None:
    """Return a hint on what to write instead of a server's base_url; None if it is one."""
    if not isinstance(value, str) or not value or WEB_ADDRESS.fullmatch(value):
        return None
    if re.search(r"\s", value):
        return "Write it without spaces."
    return 'Write it in full, as "http://localhost:11434/v1".'


def _meant(name: str, right: re.Pattern[str]) -> str | None:
    return f"Did you mean {name!r}?" if right.fullmatch(name) else None


def _misread_network(name: str) -> str | None:
    """Return a hint on what to write instead of *name*; None if it is an address or a network."""
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        return 'Write addresses or networks, as "127.0.0.1" or "10.0.0.0/8", or "unix".'
    if network.prefixlen == 0:
        return "That would trust every address: name the proxies that stand before aichat."
    whole = f"{network.network_address}/{network.prefixlen}"
    is_exact = "/" not in name or ipaddress.ip_interface(name).ip == network.network_address
    return None if is_exact else f"Did you mean {whole!r}?"
