"""Weights come in the background of a real server: told on the page and in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import pytest

from support.fake_hugging_face import CUT, Hub, a_hub
from support.litestar_run import Server
from support.tiny_whisper import build

COMING = "Better speech recognition is on its way: faster_whisper, weights: "


@attrs.define
class Online(Server):
    """A server that reaches the hub's double."""

    hub: Hub | None = None

    def environment(self) -> dict[str, str]:
        assert self.hub
        return {**super().environment(), **self.hub.environment(self.folder / "hub")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Online]:
    settings = (
        ('use = ["pocketsphinx"]', 'use = ["faster_whisper", "pocketsphinx"]'),
        ('model = "base.en"', 'model = "me/parrot"'),
    )
    with a_hub() as hub:
        hub.add("me/parrot", build(tmp_path / "parrot", "hello olivia"))
        hub.held.clear()
        hub.faults, hub.cuts = {"api": [503, CUT]}, [200_000]
        server = Online(tmp_path, settings=settings, hub=hub)
        server.start()
        try:
            yield server
        finally:
            hub.held.set()
            server.kill()


def test_a_download_is_told_while_another_serves_and_then_it_takes_over(server: Online) -> None:
    assert server.hub
    with server.conversation("mark-chen-001") as listener:
        address, page, end = server.url + listener.path, "", time.monotonic() + 60
        while not (COMING in page and "Rough recognition" in page):
            assert time.monotonic() < end, page
            time.sleep(0.05)
            page = httpx.get(address, trust_env=False).text
        assert server.hub.faults == {"api": []}, "the list was not asked for again"
        server.hub.held.set()
        told, has_come = "", False
        while not has_come or "Rough recognition" in told or COMING in told:
            told = str(listener.until("status")["notices"])  # the first may be of before
            has_come = has_come or COMING in told
        page = httpx.get(address, trust_env=False).text
        assert COMING not in page
        assert "Rough recognition" not in page
    assert server.hub.ranges() == ["bytes=0-", "bytes=200000-"]
    assert any(line.startswith("stt faster_whisper: weights: ") for line in server.said)
    assert "stt faster_whisper: the weights are here, it is ready\n" in server.said
