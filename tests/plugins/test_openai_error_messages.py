"""Messages name the likely cause, where to mend it, and nothing that is secret."""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from aichat.core import THINKING, BackendFailed, TimedOut, closing
from aichat.core.redaction import shown_url
from aichat.core.testing.llm_contract import ask, whole
from aichat.plugins.openai import OpenAiLlm, client
from aichat.plugins.openai.client import Server, may_pass
from aichat.plugins.openai.errors import StreamError, causes, said, wait_of
from support.scripted_http_server import SSE, event, hello, open_raw, refused

pytestmark = pytest.mark.anyio

URL = "https://me:secret@models.example:8443/v1?key=secret"


class ConnectTimeout(Exception):
    """Stands for the library's."""


class APIConnectionError(Exception):
    """Stands for the library's."""


def caused(*chain: BaseException) -> Exception:
    """Chain what a library raises to what it came from."""
    error: BaseException = APIConnectionError("no connection")
    first = error
    for cause in chain:
        error.__cause__ = cause
        error = cause
    assert isinstance(first, Exception)
    return first


def not_verified() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            ConnectionRefusedError(),
            "The language model at models.example:8443 refuses the connection: nothing listens "
            "there. Is its server running? Start it, or correct base_url in [llm.openai] "
            "(https://models.example:8443/v1).",
        ),
        (socket.gaierror(-2, "Name or service not known"), "The host models.example is not known"),
        (not_verified(), "certificate of models.example is not trusted (certificate has expired)"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "does not speak TLS as it should"),
        (OSError(errno.EHOSTUNREACH, "No route"), "no way to models.example (the host is unreach"),
        (ConnectTimeout(), "models.example took no connection within 5 seconds. Is it running?"),
        (ConnectionResetError(), "The connection to the language model at models.example failed"),
        (ExceptionGroup("all", [ConnectionRefusedError()]), "nothing listens there"),
    ],
)
async def test_a_connection_that_fails_says_why(cause: Exception, words: str) -> None:
    server = Server("llm", "language model", URL, "key", "", 20)
    for error in (caused(cause), caused(OSError("All connection attempts failed"), cause)):
        line = server.explained(error).line
        assert words in line
        assert "secret" not in line


async def test_thoughts_are_signs_of_life_and_one_that_does_not_come_is_waited_for() -> None:
    thought = event({"delta": {"reasoning_content": "Hm. "}})
    answer = (200, SSE, [thought] * 3)
    waits = {"first_token_seconds": 0.5, "between_tokens_seconds": 0.1}
    async with (
        open_raw(lambda _: answer, holds=True) as server,
        OpenAiLlm("m", base_url=server.url, **waits) as llm,
        closing(llm.reply(ask("Hi"))) as pieces,
    ):
        came = [await anext(pieces) for _ in range(3)]
        with pytest.raises(TimedOut) as failed:
            await anext(pieces)
    assert came == [THINKING] * 3
    assert failed.value.problem == "The model's next thought did not come within 0.5 seconds."


# -- waiting -----------------------------------------------------------------------------------


def asks_for(**headers: str) -> Exception:
    error = StreamError({"code": 429})
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    error.response = SimpleNamespace(headers=names)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after_ms": "500", "retry_after": "9"}, 0.5),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "nan"}, 0),
        ({"retry_after": "inf"}, 0),
        ({"retry_after": "soon"}, 0),
        ({"retry_after_ms": "soon", "retry_after": "2"}, 2),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(headers: dict[str, str], seconds: float) -> None:
    assert wait_of(asks_for(**headers)) == seconds


def test_a_date_is_a_time_to_wait_for() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < wait_of(asks_for(retry_after=date)) <= 60
    assert not may_pass(asks_for(retry_after=date))
    assert may_pass(asks_for(retry_after_ms="500"))


@pytest.mark.parametrize(
    ("headers", "pause"), [({"retry-after-ms": "700"}, 0.7), ({"retry-after": "2"}, 2), ({}, 0.25)]
)
async def test_a_second_try_waits_as_long_as_it_was_asked_to(
    headers: dict[str, str], pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([refused(429, "slow down", **headers), hello()])
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async with (
        open_raw(lambda _: next(answers)) as server,
        OpenAiLlm("m", base_url=server.url) as llm,
    ):
        monkeypatch.setattr(client.anyio, "sleep", sleep)
        assert await whole(llm, ask("Hi")) == "Hello!"
        monkeypatch.undo()
    assert waited == [pause]


async def test_a_long_wait_is_told() -> None:
    answer = refused(429, "slow down", **{"retry-after": "30"})
    async with open_raw(lambda _: answer) as server, OpenAiLlm("m", base_url=server.url) as llm:
        with pytest.raises(BackendFailed, match="Wait 30 seconds"):
            await whole(llm, ask("Hi"))
        assert len(server.requests) == 1


# -- what is looked at -------------------------------------------------------------------------


def test_addresses_are_shown_without_what_is_secret() -> None:
    assert shown_url(URL) == "https://models.example:8443/v1"


def test_causes_that_go_round_in_circles_come_to_an_end() -> None:
    one, two = ValueError(), TypeError()
    one.__cause__, two.__cause__ = two, one
    assert {one, two} == set(causes(one))


def test_only_what_says_the_reason_is_read_of_an_error() -> None:
    body = {"detail": [{"loc": ["body", "stop"], "msg": "no", "input": "private"}], "code": 422}
    assert said(StreamError(body)).split() == ["no", "body", "stop", "422"]
    deep: Any = "x"
    for _ in range(100):
        deep = {"error": deep}
    assert said(StreamError(deep)) == ""
