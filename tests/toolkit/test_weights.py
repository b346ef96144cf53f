"""Weights are fetched from a hub that cuts, lies and vanishes: what came is never fetched twice."""

from __future__ import annotations

import fcntl
import gzip
import os
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import ClassVar
from urllib.request import Request

import anyio
import huggingface_hub
import pytest

from aichat.core import BackendFailed, CannotStart
from aichat.toolkit import downloads
from aichat.toolkit.downloads import Download, Stopped
from aichat.toolkit.weights import (
    Weights,
    cache_folder,
    fetch,
    fetched,
    find,
    held_bytes,
    needed_weights,
)
from support.fake_hugging_face import CUT, Hub, a_hub

BIG = Random(5).randbytes(3_500_000)
PARROT = Weights("parrot", "me/parrot", ("*.bin", "config.json"), "model.bin")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.01)
    with a_hub() as hub:
        files = {"model.bin": BIG, "config.json": b"{}", "README.md": b"No."}
        hub.add("me/parrot", files)
        hub.use(monkeypatch, tmp_path / "hub")
        yield hub


def got(told: list[tuple[int, int]] | None = None) -> Path:
    tell = (told if told is not None else []).append
    return fetch(PARROT, huggingface_hub, lambda *sizes: tell(sizes), threading.Event())


def test_what_is_needed_is_fetched_once_and_found_without_the_network(hub: Hub) -> None:
    assert find(PARROT, huggingface_hub) is None
    told: list[tuple[int, int]] = []
    folder = got(told)
    assert (folder / "model.bin").read_bytes() == BIG
    assert {path.name for path in folder.iterdir()} == {"model.bin", "config.json"}
    assert (told[0], told[-1]) == ((0, len(BIG)), (len(BIG), len(BIG)))
    asked = len(hub.asked)
    assert find(PARROT, huggingface_hub) == folder
    assert len(hub.asked) == asked
    assert held_bytes(PARROT, huggingface_hub) == len(BIG) + 2


def test_a_download_that_is_cut_goes_on_where_it_was(hub: Hub) -> None:
    hub.cuts = [1_000_000, 1_500_000]
    told: list[tuple[int, int]] = []
    assert (got(told) / "model.bin").read_bytes() == BIG
    assert hub.ranges() == ["bytes=0-", "bytes=1000000-", "bytes=2500000-"]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_next_start_goes_on_where_the_last_one_ended(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    hub.cuts = [2_000_000, 0]
    with pytest.raises(OSError, match="2000000 of 3500000"):
        got()
    assert find(PARROT, huggingface_hub) is None
    assert held_bytes(PARROT, huggingface_hub) == 2_000_000
    told: list[tuple[int, int]] = []
    assert (got(told) / "model.bin").read_bytes() == BIG
    assert hub.ranges()[-1] == "bytes=2000000-"
    assert told[1] == (2_000_000, 3_500_000)


def test_a_server_that_cannot_go_on_is_read_from_the_start(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cuts = [1_000_000]
    monkeypatch.setattr("urllib.request.Request", lambda url, headers: Request(url))  # for all
    told: list[tuple[int, int]] = []
    assert (got(told) / "model.bin").read_bytes() == BIG
    assert hub.ranges() == ["", ""]
    assert told[-1] == (3_500_000, 3_500_000)


def test_what_is_not_what_was_promised_is_thrown_away(hub: Hub) -> None:
    hub.wrong = True
    with pytest.raises(ValueError, match="not what was promised"):
        got()
    assert held_bytes(PARROT, huggingface_hub) == 0
    hub.wrong = False
    assert (got() / "model.bin").read_bytes() == BIG


def test_a_server_that_brings_nothing_is_given_up(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cuts = [0] * 20
    with pytest.raises(OSError, match="after 0 of 3500000"):
        got()
    assert len(hub.ranges()) == downloads.ATTEMPTS


def test_between_attempts_it_waits_twice_as_long_each_time(tmp_path: Path) -> None:
    class Impatient(threading.Event):
        waits: ClassVar[list[float]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0)
            return False

    def unreachable() -> downloads.Source:
        raise ConnectionError("no route")

    how = downloads.Persistence(Impatient())
    with pytest.raises(ConnectionError):
        downloads.Download(unreachable, tmp_path, lambda count: None, how).run()
    doubled = [downloads.PAUSE_SECONDS * 2**n for n in range(downloads.ATTEMPTS - 1)]
    assert Impatient.waits == doubled


@pytest.mark.parametrize("what", ["api", "resolve"])
def test_a_hub_that_does_not_answer_is_asked_again(hub: Hub, what: str) -> None:
    hub.faults = {what: [503, CUT, 429, CUT]}
    failures: list[str] = []
    folder = fetch(
        PARROT,
        huggingface_hub,
        lambda *sizes: None,
        threading.Event(),
        lambda reason, pause: failures.append(reason),
    )
    assert {path.name for path in folder.iterdir()} == {"model.bin", "config.json"}
    assert hub.faults == {what: []}
    assert len(failures) == 4
    assert "503" in failures[0]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_hub_refuses_is_not_asked_for_again(hub: Hub, status: int) -> None:
    hub.faults = {"api": [status] * 20}
    with pytest.raises(OSError, match=str(status)):
        got()
    assert len(hub.asked) == 1


def test_a_list_that_never_comes_is_given_up(hub: Hub) -> None:
    hub.faults = {"api": [CUT] * 20}
    with pytest.raises(Exception, match="disconnected"):
        got()
    assert len(hub.asked) == downloads.ATTEMPTS


def test_without_leave_to_use_the_network_nothing_is_attempted_twice(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 3600)
    with pytest.raises(ConnectionError, match="offline"):
        got()


@pytest.mark.anyio
async def test_users_see_why_a_download_has_to_wait(hub: Hub) -> None:
    hub.faults = {"api": [503]}
    lines: list[str] = []
    await fetched(PARROT, huggingface_hub, lines.append)
    assert lines[0].startswith("weights: ")
    assert "503" in lines[0]
    assert lines[0].endswith("; next attempt in 0 s")
    assert lines[-1] == "weights: 3 of 4 MB"


def test_a_list_that_unpacks_to_more_than_any_is_refused_in_words(hub: Hub) -> None:
    hub.packed = gzip.compress(b" " * 40_000_000)
    with pytest.raises(BackendFailed, match="The answer of the hub is larger than 31 MB"):
        got()
    hub.packed = b""
    assert (got() / "model.bin").read_bytes() == BIG
    session = huggingface_hub.utils.get_session()
    assert len(session.event_hooks["response"]) == 1  # however often it was asked


def test_a_file_that_goes_on_and_on_is_not_written_to_the_disk(hub: Hub, tmp_path: Path) -> None:
    hub.add("me/parrot", {"model.bin": BIG})
    place = f"{hub.address}/cdn/me/parrot/model.bin"
    source = downloads.Source(place, {}, sha256(BIG).hexdigest(), 1_000_000)
    how = downloads.Persistence(threading.Event())
    download = downloads.Download(lambda: source, tmp_path, lambda _: None, how)
    with pytest.raises(ValueError, match="more came than the 1000000 bytes"):
        download.run()
    assert sum(file.stat().st_size for file in tmp_path.glob("*.incomplete")) <= 1_000_000


def test_two_at_once_fetch_it_once(hub: Hub) -> None:
    hub.held.clear()
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(got())) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not hub.ranges():
        threading.Event().wait(0.01)
    hub.held.set()
    for thread in threads:
        thread.join(30)
    assert len(folders) == 2
    assert hub.ranges() == ["bytes=0-"]


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("aichat.toolkit.weights.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="3 MB are needed and 1 MB free"):
        got()
    assert hub.ranges() == []


@pytest.mark.anyio
async def test_a_start_that_is_cancelled_leaves_at_once_and_keeps_what_came(hub: Hub) -> None:
    hub.held.clear()
    lines: list[str] = []
    begun = anyio.Event()

    def report(line: str) -> None:
        lines.append(line)
        if line.startswith("weights: 3 of"):
            begun.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetched, PARROT, huggingface_hub, report)
        with anyio.fail_after(60):
            await begun.wait()
        tasks.cancel_scope.cancel()
    hub.held.set()
    assert lines[0] == "weights: 0 of 4 MB"
    with anyio.fail_after(60):
        while held_bytes(PARROT, huggingface_hub) < 3_000_000:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert await fetched(PARROT, huggingface_hub, report)


@pytest.mark.anyio
async def test_the_refusal_tells_why_and_the_mend(hub: Hub) -> None:
    unknown = Weights("nobody's", "no/body")
    with pytest.raises(CannotStart) as caught:
        await fetched(unknown, huggingface_hub, lambda line: None, otherwise="set a folder.")
    assert "The weights of nobody's are not here and could not be" in caught.value.problem
    assert caught.value.hint == "Connect once, or set a folder."
    with pytest.raises(CannotStart, match="may not be downloaded"):
        await fetched(PARROT, huggingface_hub, lambda line: None, allowed=False)


@pytest.mark.anyio
async def test_a_cache_that_may_not_be_written_is_named(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache_folder(PARROT, huggingface_hub)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file")
    with pytest.raises(CannotStart) as caught:
        await fetched(PARROT, huggingface_hub, lambda line: None, otherwise="set a folder.")
    assert "could not be downloaded (Not a directory: " in caught.value.problem
    assert caught.value.hint == f"Make {folder} writable and give it room, or set a folder."
    folder.unlink()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/cache/blobs/x")

    monkeypatch.setattr(Download, "run", refuse)
    with pytest.raises(CannotStart, match="Permission denied: /cache/blobs/x"):
        await fetched(PARROT, huggingface_hub, lambda line: None)


@pytest.mark.anyio
async def test_pieces_that_nobody_will_go_on_with_are_swept(hub: Hub) -> None:
    got()
    blobs = cache_folder(PARROT, huggingface_hub) / "blobs"
    old, held, new = (blobs / f"{letter}.incomplete" for letter in "abc")
    for piece in (old, held, new):
        piece.write_bytes(b"half")
    for piece in (old, held):
        os.utime(piece, (0, 0))
    with held.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        await fetched(PARROT, huggingface_hub, lambda line: None)
        assert {piece.name for piece in blobs.glob("*.incomplete")} == {held.name, new.name}


def test_a_path_is_where_the_user_says_and_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(10))
    mine = Weights(str(tmp_path))
    assert find(mine, huggingface_hub) == tmp_path
    assert held_bytes(mine, huggingface_hub) == 10
    assert find(Weights(str(tmp_path / "no")), huggingface_hub) is None


def test_a_backend_says_what_it_needs_or_nothing() -> None:
    class Needy:
        weights = (PARROT,)

    assert needed_weights(Needy()) == (PARROT,)
    assert needed_weights(object()) == ()


def test_the_cache_is_the_one_of_the_hub_client(hub: Hub, tmp_path: Path) -> None:
    got()
    blob = cache_folder(PARROT, huggingface_hub) / "blobs" / sha256(BIG).hexdigest()
    assert blob.is_file()
    assert not issubclass(Stopped, OSError)
