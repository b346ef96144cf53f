"""plugins.toml: which backend plays which part, and with which settings.

    [llm]
    use = ["openai", "demo"]     # in order of preference

    [llm.openai]                 # settings stay with their backend
    api_key = "$OPENROUTER_API_KEY"

Everything wrong in it is told at once when aichat starts, with the place and the mend. A "$NAME"
that is not set is no mistake in the file: the backend that needs it says so when it starts.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from math import inf
from pathlib import Path
from typing import Any, Literal

from attrs import Factory, field, frozen

from .backends import PARTS
from .errors import BadSettings, CannotStart
from .kinds import choices, fits, hints, kinds, wanted

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
"""Environment variables that win over plugins.toml, and the settings they stand for."""


@frozen
class Web:
    """Where the site is served, who may reach it, and how much of it one client may use."""

    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    access: Literal["local", "token"] = "local"
    """Who comes in: only this machine, or whoever has logged in or brings a token."""
    max_sockets: int = 4
    """WebSockets that one client address may have open at once."""
    max_requests_per_s: int = 50
    """Requests of one client address in the long run; ten times as many at once."""
    max_turns_per_s: float = 1.0
    """Messages of one connection in the long run; ten times as many at once."""
    max_silence_s: float = 30.0
    """A WebSocket from which nothing comes for so long is closed; clients ping."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses, networks, or "unix", whose X-Forwarded-For, -Proto and -Host are believed."""


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


@frozen
class Config:
    """plugins.toml, read and checked as far as it can be without the plug-ins."""

    path: Path
    parts: Mapping[str, Part]
    disable: tuple[str, ...] = ()
    web: Web = Web()
    environment: Mapping[str, str] = field(default=os.environ, repr=False, eq=False)
    """Where "$NAME" is looked up."""


def read_config(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read plugins.toml. Raises :class:`BadSettings`."""
    tables = _load(path)
    _refuse_unknown(path, "a table", tables, (*PARTS, "plugins", "web"))
    parts = {name: _part(path, name, tables.get(name, {})) for name in PARTS}
    plugins = _table(path, "plugins", tables.get("plugins", {}))
    _refuse_unknown(path, "[plugins] a setting", plugins, ("disable",))
    disable = _names(path, "[plugins] disable", plugins.get("disable", []))
    web = _web(path, _table(path, "web", tables.get("web", {})), environment)
    return Config(path, _overridden(parts, environment), disable, web, environment)


def build(config: Config, part: str, name: str, make: Callable[..., Any]) -> Callable[[], object]:
    """Check the settings of one backend against the parameters of *make*; return its maker.

    The maker resolves "$NAME" and raises :class:`CannotStart` when a needed one is not set.
    """
    where = f"[{part}.{name}]"
    known = signature(make).parameters
    typed = hints(make)
    given = config.parts[part].settings.get(name, {})
    _refuse_unknown(config.path, f"{where} a setting", given, known)
    for key, value in given.items():
        _check_type(config.path, f"{where} {key}", value, typed.get(key, Any))
    for key, parameter in known.items():
        if parameter.default is Parameter.empty and key not in given:
            raise BadSettings(f"{config.path}: {where} lacks {key}.", f"Add `{key} = ...` there.")
    return lambda: make(**_resolved(where, given, typed, known, config.environment))


def _load(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(
            f"{path} cannot be read ({error.strerror}).", "Set AICHAT_CONFIG to a plugins.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not TOML: {error}.", "Mend that place.") from error


def _part(path: Path, name: str, value: Any) -> Part:
    table = _table(path, name, value)
    settings = {key: item for key, item in table.items() if isinstance(item, dict)}
    loose = [key for key in table if key != "use" and key not in settings]
    if loose:
        raise BadSettings(
            f"{path}: [{name}] {loose[0]} = ... belongs to no backend.",
            f"Put it under its backend, as in [{name}.BACKEND].",
        )
    return Part(_names(path, f"[{name}] use", table.get("use", [])), settings)


def _table(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadSettings(
            f"{path}: {name} is not a table.", f"Write [{name}] on a line of its own."
        )
    return value


def _names(path: Path, where: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise BadSettings(f"{path}: {where} is {value!r}.", "Write a name, or a list of names.")
    return tuple(names)


def _web(path: Path, table: dict[str, Any], environment: Mapping[str, str]) -> Web:
    _refuse_unknown(path, "[web] a setting", table, signature(Web).parameters)
    host = environment.get("HOST") or table.get("host", "127.0.0.1")
    port = environment.get("PORT") or table.get("port", 8000)
    if not (str(port).isdecimal() and 0 <= int(port) < 65536):
        raise BadSettings(f"{path}: [web] port is {port!r}.", "Write a number from 0 to 65535.")
    if not isinstance(host, str):
        raise BadSettings(f"{path}: [web] host is {host!r}.", 'Write an address, as "127.0.0.1".')
    hosts = _names(path, "[web] allowed_hosts", table.get("allowed_hosts", []))
    origins = _names(path, "[web] allowed_origins", table.get("allowed_origins", []))
    limits = {key: _limit(path, key, table[key]) for key in LIMITS if key in table}
    access = _access(path, table.get("access"))
    proxies = _networks(path, table.get("trusted_proxies", []))
    return Web(host, int(port), hosts, origins, access, trusted_proxies=proxies, **limits)


def _networks(path: Path, value: Any) -> tuple[str, ...]:
    """Read whom to believe; networks are written out, so that none is larger than it looks."""
    names = _names(path, "[web] trusted_proxies", value)
    for name in names:
        if name != "unix" and (mend := _misread(name)):
            raise BadSettings(f"{path}: [web] trusted_proxies names {name!r}.", mend)
    return names


def _misread(name: str) -> str | None:
    """Say what to write instead of *name*; None: it is an address or a network."""
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        return 'Write addresses or networks, as "127.0.0.1" or "10.0.0.0/8", or "unix".'
    if network.prefixlen == 0:
        return "That would believe everybody: name the proxies that stand before aichat."
    whole = f"{network.network_address}/{network.prefixlen}"
    is_exact = "/" not in name or ipaddress.ip_interface(name).ip == network.network_address
    return None if is_exact else f"Did you mean {whole!r}?"


def _access(path: Path, value: Any) -> Literal["local", "token"]:
    if value in (None, "local"):
        return "local"
    if value == "token":
        return "token"
    mend = mend_name(str(value), ("local", "token"))
    raise BadSettings(f"{path}: [web] access is {value!r}.", mend)


def _limit(path: Path, key: str, value: Any) -> Any:
    whole = LIMITS[key] is int
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise BadSettings(f"{path}: [web] {key} is {value!r}.", wanted(LIMITS[key]))
    if not 0 < value < inf:
        raise BadSettings(f"{path}: [web] {key} is {value!r}.", "Write a number above 0.")
    return value


def _overridden(parts: Mapping[str, Part], environment: Mapping[str, str]) -> dict[str, Part]:
    settings = {name: dict(part.settings) for name, part in parts.items()}
    for variable, places in ENVIRONMENT.items():
        for part, backend, key in places:
            if environment.get(variable) and backend in parts[part].use:
                # "$NAME" is resolved, and its type made right, when the backend is built
                settings[part][backend] = {**settings[part].get(backend, {}), key: f"${variable}"}
    return {name: Part(part.use, settings[name]) for name, part in parts.items()}


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
    raise CannotStart(f"{where} {key} is {text!r}.", f"Mend the environment: {wanted(hint)}")


def _check_type(path: Path, where: str, value: Any, hint: Any) -> None:
    if isinstance(value, str) and value.startswith("$"):
        return
    if not fits(value, hint):
        raise BadSettings(f"{path}: {where} is {value!r}.", wanted(hint))


def _refuse_unknown(path: Path, what: str, names: Iterable[str], known: Iterable[str]) -> None:
    allowed = list(known)
    for name in names:
        if name not in allowed:
            raise BadSettings(f"{path}: {what} {name!r} is not known.", mend_name(name, allowed))


def mend_name(name: str, known: Iterable[str]) -> str:
    """Say which name was meant, or which there are."""
    from difflib import get_close_matches  # only mistakes need it

    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names) or 'none'}."
