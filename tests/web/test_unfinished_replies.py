"""A reply that goes on is in the store already; whoever looks meanwhile sees it once."""

from __future__ import annotations

import io
import zipfile

import httpx

from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.in_process_server import a_server
from support.waiting import soon

TEXT = " ".join(f"Kangaroo number {n} jumps over the fence." for n in range(30))
STEADY = {"llm": FakeLlm(TEXT, 0.02), "tts": FakeTts(ms_per_word=100, seconds=0.001)}


def test_a_page_shows_a_reply_that_goes_on_once_and_not_as_cut_off() -> None:
    with a_server(**STEADY) as server, server.client("character_ids=olivia") as client:
        c = client.until("ready")["conversation_id"]
        client.send("text_message", text="@Olivia hi")
        id = client.until("turn_started")["lines"][0]["message_id"]
        client.until("audio_chunk")
        with httpx.Client(base_url=server.url, trust_env=False) as web:
            soon(lambda: "Kangaroo number 0" in web.get(f"/api/messages?conversation_id={c}").text)
            page = web.get(f"/c/{c}").text
            assert page.count(f'id="m-{id}"') == 1
            bubble = page.split(f'id="m-{id}"')[1].split("</article>")[0]
            assert "Kangaroo number 0" in bubble
            assert "is-interrupted" not in bubble
            found = web.get(f"/api/messages?conversation_id={c}").json()
            assert [m["message_id"] for m in found].count(id) == 1
            assert TEXT.startswith(found[1]["content"])
            assert found[1]["content"].startswith(found[1]["heard"])
            hits = web.get("/api/messages/search?q=Kangaroo").json()
            assert [m["message_id"] for m in hits] == [id]
            assert web.get("/api/conversations").json()[0]["title"] == "@Olivia hi"
            client.send("interrupt")
            client.until("interrupted")
            recent = f"/api/messages/recent?conversation_id={c}&n=1"
            soon(lambda: web.get(recent).json()[0]["interrupted"])
            assert web.get(recent).json()[0]["message_id"] == id
            assert "is-interrupted" in web.get(f"/c/{c}").text


def test_an_archive_made_meanwhile_holds_a_reply_once() -> None:
    with a_server(**STEADY) as server, server.client("character_ids=olivia") as client:
        client.send("text_message", text="@Olivia hi")
        c = client.until("ready")["conversation_id"]
        id = client.until("turn_started")["lines"][0]["message_id"]
        client.until("audio_chunk")
        with httpx.Client(base_url=server.url, trust_env=False) as web:
            soon(lambda: "Kangaroo number 0" in web.get(f"/api/messages?conversation_id={c}").text)
            made = web.get("/settings/export").content
        with zipfile.ZipFile(io.BytesIO(made)) as archive:
            talks = [archive.read(name).decode() for name in archive.namelist() if "json" in name]
        assert "".join(talks).count(id) == 1
