"""What people are told of how backends are set up."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from aichat.core import Config, hookimpl, load_plugins
from aichat.core.backends import Backend
from aichat.core.registry.config import Part
from aichat.web.settings.descriptions import Setting, goes_to, settings_of
from support.in_process_server import a_server

ENVIRONMENT = {"MY_KEY": "sk-secret", "MY_SPEED": "3"}


class Offer:
    """A plug-in whose backend has settings of many kinds."""

    @hookimpl
    def llm_backend(self) -> Backend[object]:
        def make(
            api_key: str = "",
            base_url: str = "",
            speed: int = 1,
            first_token_seconds: float = 30.0,
            words: list[str] | None = None,
            strict: bool = True,
            **more: object,
        ) -> object:
            return object()

        return Backend("mine", make)


def settings(**given: object) -> dict[str, Setting]:
    config = Config(
        Path("plugins.toml"), {"llm": Part(("mine",), {"mine": given})}, environment=ENVIRONMENT
    )
    found = settings_of(config, load_plugins(extra=[Offer()]), "llm", "mine")
    return {one.name: one for one in found}


def test_each_setting_is_told_with_where_it_was_set() -> None:
    told = settings(speed="$MY_SPEED", words=["a", "b"])
    assert (told["speed"].value, told["speed"].source, told["speed"].variable) == (
        "3", "environment", "MY_SPEED",
    )  # fmt: skip
    assert (told["words"].value, told["words"].source) == ("a, b", "plugins.toml")
    assert (told["strict"].value, told["strict"].source) == ("on", "default")
    assert told["first_token_seconds"].value == "30.0"
    assert "more" not in told


@pytest.mark.parametrize("given", ["$MY_KEY", "sk-secret"])
def test_secrets_are_never_told(given: str) -> None:
    told = settings(api_key=given)
    assert "sk-secret" not in repr(told)
    assert told["api_key"].value == "set (it is not shown)"
    assert settings(api_key="$NO_SUCH")["api_key"].value == "not set"


@pytest.mark.parametrize(
    ("address", "shown", "place"),
    [
        ("https://me:sk-secret@x.example/v1?key=sk-secret", "https://x.example/v1", "x.example"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1", None),
        ("http://localhost:11434", "http://localhost:11434", None),
        ("http://[broken", "an address that cannot be read", None),
        ("", "not set", None),
    ],
)  # fmt: skip
def test_where_words_go_is_told_without_logins(address: str, shown: str, place: str | None) -> None:
    told = settings(base_url=address)
    assert told["base_url"].value == shown
    assert goes_to(list(told.values())) == place
    assert "sk-secret" not in repr(told)


def test_the_pages_tell_of_who_serves() -> None:
    with a_server() as server:
        for path, words in (
            ("/speech", "has no settings"),
            ("/settings", "stays on the server"),
        ):
            page = httpx.get(server.url + path, trust_env=False)
            assert page.status_code == 200
            assert words in page.text
