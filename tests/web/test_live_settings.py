"""Settings of the turn detector and the voice detection are changed while they serve, and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from attrs import define

from aichat.core import BadValue, CannotStart, NotFound, Pause, hookimpl
from aichat.core.backends import Backend
from aichat.core.registry.config import Part
from aichat.core.registry.live_settings import live_settings
from aichat.plugins.silence import Silence
from aichat.plugins.silero import Silero
from aichat.plugins.smart_turn import SmartTurn
from aichat.toolkit.turn_detector_settings import TurnDetectorSettings
from aichat.web.settings.live_settings import KEPT_AS
from support.chat import a_store
from support.in_process_server import Server, a_server
from support.live_settings import SILENCE, a_chat_with_live_settings

API = "/api/plugins/turn/silence/settings"
WELL = Pause(650, 1_000, "well")


@pytest.mark.anyio
async def test_a_change_holds_at_once_and_after_a_restart_until_it_is_taken_back() -> None:
    store = await a_store()
    async with a_chat_with_live_settings(store) as (parts, adjusting):
        assert not parts.turn.is_over(WELL)
        await adjusting.change("turn", "silence", {"end_ms": 600, "back_channels": ["aha"]})
        assert parts.turn.is_over(WELL)
    async with a_chat_with_live_settings(store) as (parts, adjusting):
        assert parts.turn.is_over(WELL)
        changed = {one.name for one in adjusting.of("turn", "silence") if one.is_changed}
        assert changed == {"end_ms", "back_channels"}
        await adjusting.change("turn", "silence", {"end_ms": None})
        assert not parts.turn.is_over(WELL)
        await adjusting.reset("turn", "silence")
        assert not any(one.is_changed for one in adjusting.of("turn", "silence"))
    assert KEPT_AS not in await store.settings()


@pytest.mark.anyio
async def test_what_was_kept_and_no_longer_fits_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await a_store()
    kept = {"turn.silence": {"end_ms": "soon", "gone": 1, "resume_ms": 5}, "tts.other": {"a": 1}}
    await store.change_settings({KEPT_AS: kept})
    async with a_chat_with_live_settings(store) as (_, adjusting):
        values = {one.name: one.value for one in adjusting.of("turn", "silence")}
        assert (values["end_ms"], values["resume_ms"]) == (700, 5)
        await adjusting.change("turn", "silence", {"resume_ms": 6})
    assert "no setting 'gone'" in caplog.text
    after = (await store.settings())[KEPT_AS]
    assert after == {"turn.silence": {"resume_ms": 6}, "tts.other": {"a": 1}}


WRONG: list[tuple[Mapping[str, Any], str]] = [
    ({"end_ms": 99}, "Write a whole number from 100 to 10000."),
    ({"end_ms": 600.5}, "Write a whole number from 100 to 10000."),
    ({"end_ms": True}, "Write a whole number"),
    ({"end_ms": float("nan")}, "Write a whole number"),
    ({"shortest_ms": 1_600}, "more than longest_ms"),
    ({"longest_ms": 200}, "shortest_ms is 300, more than longest_ms"),
    ({"speculate": "maybe"}, "It takes: 'auto' or 'on' or 'off'."),
    ({"stop_phrases": ["a\0"]}, "no short text"),
    ({"stop_phrases": [""]}, "no short text"),
    ({"end_mss": 600}, "has no setting 'end_mss'"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("changes", "told"), WRONG)
async def test_what_cannot_be_changes_nothing(changes: Mapping[str, Any], told: str) -> None:
    store = await a_store()
    async with a_chat_with_live_settings(store) as (parts, adjusting):
        with pytest.raises(BadValue) as error:
            await adjusting.change("turn", "silence", {"resume_ms": 7, **changes})
        assert told in error.value.line
        assert parts.turn.resume_ms == 1_000  # type: ignore[attr-defined]
        with pytest.raises(NotFound):
            await adjusting.change("turn", "nobody", {"end_ms": 600})
    assert await store.settings() == {}


def test_the_built_in_detectors_say_what_may_be_changed() -> None:
    waits = {
        "end_ms", "barge_in_ms", "first_word_ms", "shortest_ms", "longest_ms", "speculate",
        "resume_ms", "back_channels", "stop_phrases",
    }  # fmt: skip
    assert set(live_settings(Silence)) == set(live_settings(SmartTurn)) == waits
    assert set(live_settings(Silero)) == {"threshold", "end_threshold", "min_speech_ms"}


@define
class Mine(TurnDetectorSettings):
    """A plug-in's own detector."""

    model: str = "tiny"


def test_a_detector_of_a_plug_in_has_the_shared_settings_with_their_texts() -> None:
    assert live_settings(Mine) == live_settings(Silence)
    assert all(one.mark.label and one.mark.help for one in live_settings(Mine).values())
    assert (Mine("large").model, Mine(end_ms=700).end_ms) == ("large", 700)


@pytest.mark.parametrize("make", [Silence, SmartTurn, Silero])
def test_what_they_begin_with_is_within_their_own_limits(make: Any) -> None:
    backend = make()
    for name, setting in live_settings(make).items():
        value = getattr(backend, name)
        if value is not None:
            setting.check(value)


# -- the page and the API --------------------------------------------------------------------------


class Late:
    """A plug-in with a voice that starts at its second attempt."""

    def __init__(self) -> None:
        self.attempts = 0

    @hookimpl
    def tts_backend(self) -> Backend[Any]:
        return Backend("late", self.start)

    def start(self) -> object:
        self.attempts += 1
        if self.attempts == 1:
            raise CannotStart("The box is off.", "Switch it on.")
        return object()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    parts = {**SILENCE, "tts": Part(("late", "given"))}
    with a_server(plugins=[Late()], parts=parts) as server:
        yield server


@pytest.fixture
def client(client: httpx.Client) -> Iterator[httpx.Client]:
    """Leaves the settings as it found them."""
    yield client
    client.post("/speech/turn.silence", data={"do": "reset"})


def test_the_page_changes_tells_what_differs_and_takes_it_back(client: httpx.Client) -> None:
    page = client.get("/speech").text
    assert 'name="end_ms" type="number" value="700"' in page
    assert "In plugins.toml:" not in page
    page = client.post("/speech/turn.silence", data={"end_ms": "450", "longest_ms": ""}).text
    assert 'name="end_ms" type="number" value="450"' in page
    assert "In plugins.toml: 700" in page
    assert "Saved. It applies from now on." in page
    phrases = client.post("/speech/turn.silence", data={"stop_phrases": " stopp \r\n\r\nhalt"}).text
    assert "stopp\nhalt</textarea>" in phrases
    page = client.post("/speech/turn.silence", data={"do": "reset end_ms"}).text
    assert "In plugins.toml: 700" not in page
    assert "In plugins.toml: aichat&#39;s own" in page
    page = client.post("/speech/turn.silence", data={"do": "reset"}).text
    assert "In plugins.toml:" not in page


def test_the_page_names_the_field_that_is_wrong_and_keeps_what_was_typed(
    client: httpx.Client,
) -> None:
    answer = client.post("/speech/turn.silence", data={"end_ms": "5", "resume_ms": "900"})
    assert answer.status_code == 400
    assert "“Silence that ends your turn” is 5. Write a whole number from 100" in answer.text
    assert 'value="5"' in answer.text
    assert 'value="900"' in answer.text
    assert client.get(API).json()[0]["value"] == 700
    assert client.post("/speech/turn.nobody", data={}).status_code == 404


def test_programs_read_and_change_them_too(client: httpx.Client) -> None:
    first = client.put(API, json={"end_ms": 450}).json()[0]
    assert first == {
        "name": "end_ms", "value": 450, "base": 700, "changed": True, "low": 100, "high": 10000,
        "choices": [], "takes": "Write a whole number from 100 to 10000.",
    }  # fmt: skip
    assert client.put(API, json={"end_ms": None}).json()[0]["changed"] is False
    wrong = client.put(API, json={"end_ms": 0})
    assert wrong.status_code == 400
    assert wrong.json()["extra"][0]["field"] == "end_ms"
    assert client.put(API.replace("silence", "no"), json={}).status_code == 404


def test_who_could_not_start_is_tried_again_without_a_restart(client: httpx.Client) -> None:
    page = client.get("/settings").text
    assert "The box is off. Switch it on." in page
    assert 'aria-label="Try again: late"' in page
    who = {"part": "tts", "name": "late"}
    assert "late is starting." in client.post("/settings/retry", data=who).text
    page = client.get("/settings").text
    assert "The box is off." not in page
    again = client.post("/settings/retry", data=who)
    assert "There is nothing to try again." in again.text
    storage = {"part": "storage", "name": "given"}
    assert client.post("/settings/retry", data=storage).status_code == 400
