"""plugins.toml: everything wrong in it is told in one message, with the place and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import frozen

from aichat.core import AichatError, BadSettings, CannotStart, Config, WebConfig, read_config
from aichat.core.registry.config import build, name_hint


@frozen
class Voice:
    """A backend with every kind of setting."""

    name: str
    speed: float = 1.0
    threads: int | None = None
    loud: bool = False
    device: Literal["cpu", "cuda"] = "cpu"
    anything: Any = None
    tags: list[str] | None = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plugins.toml"


def read(path: Path, text: str, environment: Mapping[str, str] | None = None) -> Config:
    path.write_text(text, encoding="utf-8")
    return read_config(path, environment or {})


def made(path: Path, settings: str, environment: Mapping[str, str] | None = None) -> Any:
    config = read(path, f'[tts]\nuse = "voice"\n[tts.voice]\n{settings}', environment)
    return build(config, "tts", "voice", Voice)()


def test_a_file_is_read_as_it_is_written(path: Path) -> None:
    config = read(
        path,
        """
        [llm]
        use = ["openai", "demo"]
        [llm.openai]
        model = "m"
        [tts]
        use = "espeak"
        [plugins]
        disable = ["latency"]
        [web]
        port = 0
        allowed_hosts = ["chat.example"]
        """,
    )
    assert config.parts["llm"].use == ("openai", "demo")
    assert config.parts["llm"].settings == {"openai": {"model": "m"}}
    assert config.parts["tts"].use == ("espeak",)
    assert config.parts["stt"].use == ()
    assert config.disable == ("latency",)
    assert config.web == WebConfig(port=0, allowed_hosts=("chat.example",))
    assert str(path) == str(config.path)


MISTAKES = [
    ("[llm\nuse = 3", r"line 1: this is not TOML", "Correct that line"),
    ('[llmm]\nuse = "x"', "'llmm' is not known", "Did you mean 'llm'?"),
    ('[xyzzy]\nuse = "x"', "'xyzzy' is not known", "Known: llm, plugins"),
    ('tts = "espeak"', "tts is not a table", r"Write \[tts\]"),
    ("[tts]\nuse = 3", r"\[tts\] use is 3", "a list of names"),
    ('[tts]\nuse = ["a", 3]', r"\[tts\] use is \['a', 3\]", "a list of names"),
    ('[tts]\nuse = "a"\nspeed = 2', r"\[tts\] speed = ... belongs to no backend", r"\[tts.BACKEND"),
    ("[plugins]\ndisabled = []", r"\[plugins\].*'disabled' is not known", "mean 'disable'"),
    ("[plugins]\ndisable = true", r"\[plugins\] disable is True", "a list of names"),
    ("plugins = 1", "plugins is not a table", "Write"),
    ("[web]\nprot = 1", "'prot' is not known", "mean 'port'"),
    ("[web]\nport = 65536", r"\[web\] port is 65536", "from 0 to 65535"),
    ('[web]\nport = "http"', r"\[web\] port is 'http'", "from 0 to 65535"),
    ("[web]\nport = true", r"\[web\] port is True", "from 0 to 65535"),
    ("[web]\nport = -1", r"\[web\] port is -1", "from 0 to 65535"),
    ("[web]\nhost = 1", r"\[web\] host is 1", "127.0.0.1"),
    ('[web]\naccess = "tokens"', r"\[web\] access is 'tokens'", "Did you mean 'token'?"),
    ('[web]\naccess = "xyz"', r"\[web\] access is 'xyz'", "Known: local, token"),
    ("[web]\naccess = true", r"\[web\] access is True", "Known: local, token"),
    ("[web]\nmax_socket = 1", "'max_socket' is not known", "mean 'max_sockets'"),
    ("[web]\nmax_sockets = 1.5", r"\[web\] max_sockets is 1.5", "It takes: int"),
    ("[web]\nmax_sockets = true", r"\[web\] max_sockets is True", "It takes: int"),
    ("[web]\nmax_sockets = 0", r"\[web\] max_sockets is 0", "a number above 0"),
    ("[web]\nmax_silence_s = nan", r"\[web\] max_silence_s is nan", "a number above 0"),
    ("[web]\nmax_silence_s = inf", r"\[web\] max_silence_s is inf", "a number above 0"),
    ('[web]\nmax_requests_per_s = "9"', r"max_requests_per_s is '9'", "It takes: int"),
    ("[web]\nallowed_hosts = ['https://Chat.example:8443/x']", "names 'https", r"'chat\.example'"),
    ("[web]\nallowed_hosts = ['chat.example:8443']", "names 'chat", r"mean 'chat\.example'"),
    ("[web]\nallowed_hosts = ['é.example']", "names 'é", r"mean 'xn--9ca\.example'"),
    ("[web]\nallowed_hosts = ['::1', 'b.example']", "names '::1'", r"mean '\[::1\]'"),
    ("[web]\nallowed_hosts = ['*.example']", r"names '\*\.example'", "Write each name in full"),
    ("[web]\nallowed_origins = ['*']", r"names '\*'", "Write each in full"),
    ("[web]\nallowed_origins = ['null']", "names 'null'", "Write each in full"),
    ("[web]\nallowed_origins = ['https://a.example/']", "names", r"mean 'https://a\.example'"),
    ("[web]\ntrusted_proxies = ['x', '127.0.0.1']", "names 'x'", "Write addresses"),
    ("[web]\ncomponents_page = 1", r"\[web\] components_page is 1", "true or false"),
    ("[web]\nallowed_origins = 1", r"\[web\] allowed_origins is 1", "a list of names"),
]


@pytest.mark.parametrize(("text", "problem", "mend"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_its_mend(
    path: Path, text: str, problem: str, mend: str
) -> None:
    with pytest.raises(BadSettings, match=problem) as caught:
        read(path, text)
    assert caught.match(f"Hint: .*{mend}")
    assert caught.value.problem.startswith(f"{path}")
    assert str(caught.value).count("Hint:") == 1


def test_access_and_limits_are_read(path: Path) -> None:
    text = """
        [web]
        access = "token"
        max_sockets = 100
        max_requests_per_s = 7
        max_silence_s = 2
    """
    wanted = WebConfig(access="token", max_sockets=100, max_requests_per_s=7, max_silence_s=2)
    assert read(path, text).web == wanted
    assert read(path, "").web == WebConfig(access="local", max_sockets=4, max_silence_s=30.0)


def test_the_page_of_components_is_served_where_it_is_asked_for(path: Path) -> None:
    assert read(path, "[web]\ncomponents_page = true").web.components_page
    assert not read(path, "").web.components_page


def test_a_file_that_is_missing_a_folder_or_not_utf8_is_told(path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot be read(?s:.*)Hint: Set AICHAT_CONFIG"):
        read_config(path.with_name("nowhere.toml"))
    with pytest.raises(BadSettings, match="cannot be read"):
        read_config(path.parent)
    path.write_bytes(b"[llm]\nuse = 'd\xe9mo'\n")
    with pytest.raises(BadSettings, match=r", line 2: .* not UTF-8\.\n  Hint: Save"):
        read_config(path)


SETTINGS = [
    ("speed = 2", r"\[tts.voice\] lacks name", "Add `name = ...`"),
    ('name = "n"\nsped = 2', r"\[tts.voice\].*'sped' is not known", "mean 'speed'"),
    ("name = 3", r"\[tts.voice\] name is 3", "It takes: str"),
    ('name = "n"\nspeed = "fast"', r"speed is 'fast'", "It takes: float"),
    ('name = "n"\nspeed = true', r"speed is True", "It takes: float"),
    ('name = "n"\nthreads = 1.5', r"threads is 1.5", r"It takes: int\."),
    ('name = "n"\nspeed = nan', r"speed is nan", "It takes: float"),
    ('name = "n"\nspeed = -inf', r"speed is -inf", "It takes: float"),
    ('name = "n"\nloud = 1', r"loud is 1", "It takes: bool"),
    ('name = "n"\ndevice = "gpu"', r"device is 'gpu'", "It takes: 'cpu' or 'cuda'"),
]


@pytest.mark.parametrize(("text", "problem", "mend"), SETTINGS)
def test_a_wrong_setting_of_a_backend_is_told_before_anything_starts(
    path: Path, text: str, problem: str, mend: str
) -> None:
    config = read(path, f'[tts]\nuse = "voice"\n[tts.voice]\n{text}')
    with pytest.raises(BadSettings, match=problem) as caught:
        build(config, "tts", "voice", Voice)
    assert caught.match(f"Hint: .*{mend}")
    assert caught.value.problem.startswith(f"{path}")


@pytest.mark.parametrize(
    ("address", "mend"),
    [
        ("localhost:11434/v1", 'Write it in full, as "http://localhost:11434/v1"'),
        ("//localhost/v1", "Write it in full"),
        ("http://", "Write it in full"),
        ("ftp://localhost/v1", "Write it in full"),
        ("http://local host:1234/v1", "Write it without spaces"),
        (" http://localhost/v1", "Write it without spaces"),
    ],
)
def test_an_address_that_is_none_is_reported_with_its_line(
    path: Path, address: str, mend: str
) -> None:
    def voice(base_url: str = "") -> None: ...

    config = read(path, f'[tts]\nuse = "voice"\n[tts.voice]\nbase_url = "{address}"')
    with pytest.raises(BadSettings, match=r"line 4: \[tts.voice\] base_url is ") as caught:
        build(config, "tts", "voice", voice)
    assert caught.match(f"Hint: {mend}")
    config = read(path, '[tts.voice]\nbase_url = "$ADDRESS"', {"ADDRESS": address})
    with pytest.raises(CannotStart, match=f"Hint: In the environment: {mend}"):
        build(config, "tts", "voice", voice)()


@pytest.mark.parametrize("address", ["", "http://localhost:11434/v1", "https://me:x@[::1]/a?b=c"])
def test_addresses_are_taken_as_they_are(path: Path, address: str) -> None:
    def voice(base_url: str, url: str) -> tuple[str, str]:
        return base_url, url

    config = read(path, f'[tts.voice]\nbase_url = "{address}"\nurl = "postgresql:///chats"')
    assert build(config, "tts", "voice", voice)() == (address, "postgresql:///chats")


def test_settings_reach_the_backend_and_the_rest_keeps_its_defaults(path: Path) -> None:
    voice = made(path, 'name = "n"\nspeed = 2\ndevice = "cuda"\nanything = [1]\ntags = ["a"]')
    assert voice == Voice("n", 2, device="cuda", anything=[1], tags=["a"])


def test_functions_and_plain_classes_are_backends_too(path: Path) -> None:
    class Plain:
        def __init__(self, speed: int = 1) -> None:
            self.speed = speed

    class Bare:
        pass

    config = read(path, "[tts.plain]\nspeed = 3\n[tts.bad]\nspeed = 'x'")
    assert build(config, "tts", "plain", Plain)().speed == 3  # type: ignore[attr-defined]
    assert isinstance(build(config, "tts", "bare", Bare)(), Bare)
    assert build(config, "tts", "plain", lambda speed: speed)() == 3
    with pytest.raises(BadSettings, match="It takes: int"):
        build(config, "tts", "bad", Plain)


def test_a_name_that_is_not_set_fails_the_backend_only_when_it_is_needed(path: Path) -> None:
    with pytest.raises(CannotStart, match=r"KEY is not set.\n  Hint: Put KEY=... into .env"):
        made(path, 'name = "$KEY"')
    assert made(path, 'name = "n"\nspeed = "$SPEED"').speed == 1.0
    assert made(path, 'name = "$KEY"', {"KEY": "secret"}).name == "secret"


def test_text_from_the_environment_gets_the_type_of_its_setting(path: Path) -> None:
    settings = """
        name = "$NAME"
        speed = "$SPEED"
        threads = "$THREADS"
        loud = "$LOUD"
        device = "$DEV"
        anything = "$ANY"
    """
    environment = {"NAME": "7", "SPEED": "1.5", "THREADS": "4", "LOUD": "True"}
    environment |= {"DEV": "cuda", "ANY": "x"}
    assert made(path, settings, environment) == Voice("7", 1.5, 4, True, "cuda", "x")


@pytest.mark.parametrize(
    ("setting", "text", "wanted"),
    [("threads", "many", "int"), ("loud", "yes", "bool"), ("device", "gpu", "'cpu' or 'cuda'")],
)
def test_wrong_text_in_the_environment_is_told_as_such(
    path: Path, setting: str, text: str, wanted: str
) -> None:
    with pytest.raises(CannotStart, match=f"{setting} is {text!r}.*\n.*environment.*{wanted}"):
        made(path, f'name = "n"\n{setting} = "$X"', {"X": text})


def test_the_environment_wins_over_the_file_for_backends_in_use(path: Path) -> None:
    text = '[llm]\nuse = "openai"\n[llm.openai]\nmodel = "old"\n[web]\nhost = "::1"\nport = 1'
    environment = {"LLM_MODEL": "new", "STT_MODEL": "x", "HOST": "0.0.0.0", "PORT": "8080"}
    config = read(path, text, environment)

    def make(model: str) -> str:
        return model

    assert build(config, "llm", "openai", make)() == "new"
    assert config.parts["stt"].settings == {}  # faster_whisper is not in use
    assert config.web == WebConfig("0.0.0.0", 8080)


def test_a_bad_port_in_the_environment_is_told(path: Path) -> None:
    with pytest.raises(BadSettings, match="PORT in the environment is 'http'"):
        read(path, "", {"PORT": "http"})


def test_secrets_of_the_environment_are_not_in_the_repr(path: Path) -> None:
    config = read(path, "", {"OPENROUTER_API_KEY": "sk-secret"})
    assert "sk-secret" not in repr(config)


def test_a_name_is_mended_by_the_nearest_or_by_all_there_are() -> None:
    assert name_hint("espaek", ["espeak", "higgs"]) == "Did you mean 'espeak'?"
    assert name_hint("q", ["espeak", "higgs"]) == "Known: espeak, higgs."
    assert name_hint("q", []) == "Known: none."


def test_the_shipped_file_is_right() -> None:
    config = read_config(Path(__file__).parents[2] / "plugins.toml", {})
    assert all(part.use for part in config.parts.values())
    assert isinstance(BadSettings("a", "b"), AichatError)
