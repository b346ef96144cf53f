"""A client says which languages its user is likely to speak, and the recogniser is told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from aichat.core import ForeignSpeech
from aichat.core.testing.fakes import FakeStt, FakeTurn
from aichat.web.realtime.languages import MOST, languages
from support.in_process_server import a_server
from support.microphone import QUIET, SPEECH


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", ("de", "en")),
        ("en;q=0.2, pt-BR ; q=1.0, fr;q=0.5", ("pt", "fr", "en")),
        ("zh-Hant-TW", ("zh",)),
        ("de,en", ("de", "en")),
        ("", ()),
        ("*", ()),
        ("de;q=0,fr", ("fr",)),
        ("deutsch,d,12,de--,;q=1,en;q=x,ﬁ", ()),
        (
            ",".join(f"{a}{b}" for a in "abc" for b in "defgh"),
            ("ad", "ae", "af", "ag", "ah", "bd", "be", "bf"),
        ),
    ],
)
def test_the_favourite_comes_first(text: str, codes: tuple[str, ...]) -> None:
    assert languages(text) == codes
    assert len(codes) <= MOST


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("languages=de-DE,en", {"Accept-Language": "fr"}, ("de", "en")),
        ("", {"Accept-Language": "fr-CA,fr;q=0.5"}, ("fr",)),
        ("", {}, ()),
    ],
)
def test_the_recogniser_is_told(
    query: str, headers: Mapping[str, str], expected: tuple[str, ...]
) -> None:
    recogniser = FakeStt("hello")
    with (
        a_server(stt=recogniser, turn=FakeTurn(end_ms=100)) as server,
        server.client(f"conversation_id=c&{query}", additional_headers=headers) as client,
    ):
        client.connection.send(SPEECH * 20 + QUIET * 20)
        client.until("turn_started")
    assert {one.languages for one in recogniser.asked} == {expected}


def test_a_client_is_advised_when_another_language_is_spoken() -> None:
    recogniser = FakeStt(ForeignSpeech("no guten", "Set your language."))
    with (
        a_server(stt=recogniser, turn=FakeTurn(end_ms=100)) as server,
        server.client("conversation_id=c") as client,
    ):
        for _ in range(2):
            client.connection.send(SPEECH * 20 + QUIET * 20)
            client.until("turn_started")
        (hint,) = client.of("hint")
    assert (hint["message"], hint["code"]) == ("Set your language.", "other_language")
