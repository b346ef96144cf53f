"""No login and no key of an address is shown: in errors, in the log, in what backends report."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BackendFailed, CannotStart
from aichat.core.redaction import RedactingFormatter, redacted, shown_url
from aichat.core.registry.selection import Candidate, State
from aichat.plugins.openai import OpenAiLlm, OpenAiStt, OpenAiTts
from aichat.plugins.postgres.store import Postgres
from aichat.plugins.postgres.supabase import Supabase
from aichat.web.serving.log_filters import DEMOTED, redact_logs

pytestmark = pytest.mark.anyio

SECRET = "hunter2-is-the-secret"
HOLDING = [
    f"https://me:{SECRET}@llm.example/v1",
    f"https://{SECRET}@llm.example/v1",
    f"https://:{SECRET}@llm.example/v1",
    f"https://me:with@{SECRET}@llm.example/v1",
    f"https://me:with/{SECRET}@llm.example/v1",
    f"https://me:with#{SECRET}@llm.example/v1",
    f"https://me%40x.example:{SECRET}%21@llm.example/v1",
    f"http://me:{SECRET}@[::1]:8080/v1",
    f"postgres://me:{SECRET}@db.example:5432/chat?sslmode=require",
    f"postgresql+asyncpg://me:{SECRET}@/chat?host=/run",
    f"redis://:{SECRET}@cache.example",
    f"http://me:{SECRET}@proxy.example:3128",
    f"https://llm.example/v1?api_key={SECRET}",
    f"https://llm.example/v1?x=1&token={SECRET}#top",
    f"https://llm.example/v1?key={SECRET}&x=1",
    f"https://store.example/x?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}",
    f"wss://llm.example/ws?access_token={SECRET}",
    f"host=db.example user=me password={SECRET} dbname=chat",
    f"Authorization: Bearer {SECRET}",
]
HARMLESS = [
    "https://llm.example:8000/v1/chat",
    "http://localhost:11434/v1",
    "https://cdn.example/npm/pkg@1.2 by a@b.example",
    "http://127.0.0.1:8000/p@x",
    "Write to me@llm.example.",
    "Put DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE into .env.",
    "Put OPENROUTER_API_KEY=... into .env, see [llm.openai].",
    "https://llm.example/v1?model=a&page=2",
    "Basic English words, a risk-free token of keys.",
]


@pytest.mark.parametrize("address", HOLDING)
@pytest.mark.parametrize("around", ["{}", "It failed ({}): try again.", "['{}']", 'url="{}"'])
def test_what_an_address_holds_is_taken_out(address: str, around: str) -> None:
    shown = redacted(around.format(address))
    assert SECRET not in shown
    assert "me:" not in shown
    assert "with" not in shown
    for place in ("llm.example", "db.example", "proxy.example", "store.example"):
        assert (place in shown) == (place in address)


@pytest.mark.parametrize("address", HOLDING[:17])
def test_an_address_alone_is_shown_without_login_and_query(address: str) -> None:
    shown = shown_url(address)
    assert SECRET not in shown
    assert "?" not in shown
    assert "@" not in shown


def test_an_address_without_a_scheme_has_no_login_either() -> None:
    assert shown_url(f"me:{SECRET}@proxy.example:3128") == "proxy.example:3128"


@pytest.mark.parametrize("text", HARMLESS)
def test_the_rest_is_left_as_it_is(text: str) -> None:
    assert redacted(text) == text


@given(st.text())
def test_any_text_is_taken_and_taking_out_twice_changes_nothing_more(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("kind", [BackendFailed, CannotStart])
@pytest.mark.parametrize("address", HOLDING)
def test_no_error_of_ours_says_it(kind: type[BackendFailed], address: str) -> None:
    error = kind(f"{address} does not answer.", f"Check {address}.")
    assert SECRET not in f"{error} {error!r} {error.line} {error.problem} {error.hint}"


@pytest.mark.parametrize("address", HOLDING)
async def test_no_candidate_reports_it(address: str) -> None:
    def make() -> object:
        raise RuntimeError(f"cannot reach {address}")

    candidate = Candidate("llm", "mine", make)
    candidate.become(State.STARTING, f"asking {address}")
    assert SECRET not in candidate.detail
    candidate._fail(RuntimeError(f"cannot reach {address}"))
    assert "cannot reach" in candidate.detail
    assert SECRET not in candidate.detail


@pytest.mark.parametrize("address", HOLDING[:17])
def test_no_backend_says_it_of_itself(address: str) -> None:
    for make in (OpenAiLlm, OpenAiStt, OpenAiTts):
        backend = make(model="m", base_url=address, key_origin=address, extra_body={"key": SECRET})
        assert SECRET not in f"{backend!r} {backend._server!r}"
    assert SECRET not in f"{Supabase(address)!r} {Postgres(address)!r}"


async def test_a_key_for_elsewhere_is_refused_without_the_login_of_either_address() -> None:
    for make in (OpenAiLlm, OpenAiStt, OpenAiTts):
        with pytest.raises(CannotStart) as caught:
            async with make(
                model="m",
                api_key="k",
                base_url=HOLDING[0],
                key_origin=f"https://me:{SECRET}@else.example",
            ):
                pass
        assert "else.example" in str(caught.value)
        assert SECRET not in str(caught.value)


# -- the log -------------------------------------------------------------------------------------


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept():
    handler = Kept()
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    redact_logs()
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("address", HOLDING)
def test_no_line_of_the_log_and_no_traceback_says_it(kept: Kept, address: str) -> None:
    log = logging.getLogger("somebody.else")
    log.warning("cannot reach %s", address)
    try:
        try:
            raise ValueError(f"at {address}")
        except ValueError as error:
            raise RuntimeError(f"no answer of {address}") from error
    except RuntimeError:
        log.exception("failed")
    text = "\n".join(kept.lines)
    assert "RuntimeError: no answer of" in text
    assert SECRET not in text


def test_handlers_are_wrapped_once(kept: Kept) -> None:
    redact_logs()
    assert isinstance(kept.formatter, RedactingFormatter)
    assert not isinstance(kept.formatter.inner, RedactingFormatter)


@pytest.mark.parametrize("name", ["httpx", "httpx2", "openai._base_client", "uvicorn.access"])
def test_a_line_for_each_request_is_for_those_who_debug(kept: Kept, name: str) -> None:
    log = logging.getLogger(name)
    before, log.propagate = (log.level, log.propagate), True
    try:
        log.setLevel(logging.NOTSET)
        log.info('HTTP Request: POST %s "200 OK"', HOLDING[0])
        assert kept.lines == []
        log.warning("slow")
        assert kept.lines == ["slow"]
        logging.getLogger().setLevel(logging.DEBUG)
        log.info('HTTP Request: POST %s "200 OK"', HOLDING[0])
        assert kept.lines == ["slow", 'HTTP Request: POST https://llm.example/v1 "200 OK"']
        assert log.filters.count(DEMOTED) == 1
    finally:
        log.level, log.propagate = before
