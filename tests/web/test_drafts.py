"""Who would answer what is being written: told by the server, to the writer alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.in_process_server import Client, Server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.client(max_queue=None) as client:  # who has not read all closes slowly
        client.until("ready")
        yield client


def foreseen(client: Client, text: str, number: int = 1) -> dict[str, Any]:
    client.send("draft", text=text, number=number)
    while (told := client.until("foreseen"))["number"] != number:
        pass
    return told


@pytest.mark.parametrize(
    ("text", "speakers", "line"),
    [
        ("", ["olivia", "mark", "rosa"], "Olivia, Mark, then Rosa will answer."),
        ("@Mark and @Olivia?", ["mark", "olivia"], "Mark, then Olivia will answer."),
        ("what does Rosa think", ["rosa"], "Rosa will answer."),
    ],
)
def test_the_names_in_a_draft_say_who_will_answer(
    client: Client, text: str, speakers: list[str], line: str
) -> None:
    told = foreseen(client, text)
    assert (told["speakers"], told["line"]) == (speakers, line)


def test_what_is_foreseen_is_what_happens(client: Client) -> None:
    text = "@Rosa, then @Mark"
    told = foreseen(client, text)
    client.send("text_message", text=text)
    assert client.until("turn_started")["speakers"] == told["speakers"]


def test_settings_and_dice_are_heeded(client: Client) -> None:
    client.send("settings", muted=["mark"], strategy="all")
    assert foreseen(client, "hello", 1)["speakers"] == ["olivia", "rosa"]
    assert foreseen(client, "@Mark", 2)["line"] == "Mark cannot answer while muted."
    client.send("settings", strategy="manual")
    assert foreseen(client, "hello", 3)["line"].startswith("Nobody was addressed.")
    client.send("settings", strategy="natural")
    assert foreseen(client, "hello", 4)["line"].startswith("Perhaps ")
    client.send("settings", muted=None, strategy=None)
    assert foreseen(client, "hello", 5)["speakers"] == ["olivia", "mark", "rosa"]


def test_only_the_writer_is_told_and_nobody_is_interrupted(server: Server) -> None:
    with server.client() as one, server.client() as other:
        one.until("ready")
        other.until("ready")
        foreseen(one, "@Mark", 7)
        other.send("ping", t=1.0)
        other.until("pong")
        assert not [seen for seen in other.seen if "foreseen" in str(seen)]


def test_a_draft_that_is_too_long_is_refused_with_words(client: Client) -> None:
    client.send("draft", text="x" * 8_001)
    assert "8000" in client.until("error")["message"]
