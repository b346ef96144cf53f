"""Taking everything away in one file, and bringing it back in."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import anyio
import httpx
import pytest

from aichat.core import (
    Character,
    Conversation,
    Message,
    NotFound,
    Storage,
    Unreachable,
    Voice,
    new_id,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.web.services.archive import checking
from aichat.web.services.archive.checking import BadArchive, checked
from support.chat import a_store
from support.in_process_server import Server, a_server

Files = dict[str, Any]
PAGE = {"accept": "text/html"}


async def furnished() -> Storage:
    """A store with one of everything."""
    store = await a_store()
    await store.delete_conversation("c")  # ids of real ones are UUIDs
    audio = await store.add_clip(b"RIFF" + bytes(1_000), "wav")
    words = await store.add_clip("Grüß dich".encode(), "txt")
    picture = await store.add_clip(b"WEBP" + bytes(500), "webp")
    pot = await store.add_clip(b"WEBP" + bytes(400), "webp")
    await store.add_voice(Voice("Zoë's", "clone", audio_path=audio, text_path=words))
    who = await store.add_character(
        Character("", "Zoë", "You are Zoë.", "Zoë's", f"/images/{picture}", extensions={"a": [1]})
    )
    for _ in range(3):
        talk = Conversation(new_id(), "Tea", active_characters=[who.id], settings={"top_p": 0.5})
        await store.add_conversation(talk)
        id = talk.conversation_id
        said = [
            Message(new_id(), id, "user", f"Tea? ![a pot](/images/{pot})", source="voice"),
            Message(
                new_id(), id, "assistant", "Yes. No.", who.name, who.id, "t", True, "Yes.",
                extensions={"usage": {"model": "m"}},
            ),
        ]  # fmt: skip
        await store.add_messages(said)
    await store.change_settings({"strategy": "first"})
    return store


def everything(store: Storage) -> dict[str, Any]:
    """What a store keeps, less the times at which it was changed."""

    async def read() -> dict[str, Any]:
        talks = await store.conversations(1_000)
        return {
            "voices": {v.voice: (v.method, v.audio_path) for v in await store.voices()},
            "characters": {
                c.id: (c.name, c.voice, c.image_url, c.extensions, c.created_at)
                for c in await store.characters()
            },
            "talks": {
                t.conversation_id: (
                    t.title,
                    list(t.active_characters),
                    t.settings,
                    await store.messages(t.conversation_id, 1_000),
                )
                for t in talks
            },
            "settings": await store.settings(),
        }

    return anyio.run(read)


@pytest.fixture(scope="module")
def source() -> Iterator[Server]:
    with a_server(storage=anyio.run(furnished)) as server:
        yield server


@pytest.fixture(scope="module")
def archive(source: Server) -> bytes:
    return exported(source)


@pytest.fixture
def target() -> Iterator[Server]:
    with a_server() as server:
        yield server


def exported(server: Server, query: str = "") -> bytes:
    answer = httpx.get(f"{server.url}/settings/export{query}", trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="aichat-')
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


def imported(
    server: Server, archive: bytes, *, address: str = "/settings/import", **fields: str
) -> httpx.Response:
    return httpx.post(
        f"{server.url}{address}",
        files={"file": ("aichat.zip", archive)},
        data=fields,
        headers=PAGE,
        follow_redirects=True,
        trust_env=False,
        timeout=30,
    )


def changed(archive: bytes, change: Callable[[Files], object]) -> bytes:
    """The archive, with other content."""
    with ZipFile(io.BytesIO(archive)) as before:
        files: Files = {
            name: json.loads(before.read(name)) if name.endswith(".json") else before.read(name)
            for name in before.namelist()
        }
    change(files)
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as after:
        for name, content in files.items():
            is_raw = isinstance(content, bytes)
            after.writestr(name, content if is_raw else json.dumps(content))
    return out.getvalue()


def test_what_is_taken_away_comes_back_whole(source: Server, target: Server) -> None:
    page = imported(target, exported(source))
    assert "3 conversations came in." in page.text
    before, after = everything(source.store), everything(target.store)
    assert after["characters"]["zoe-001"] == before["characters"]["zoe-001"]
    for kind in ("talks", "voices"):
        assert {**after[kind], **before[kind]} == after[kind]
    assert after["settings"] == before["settings"]
    audio = before["voices"]["Zoë's"][1]
    assert anyio.run(target.store.clip, audio) == anyio.run(source.store.clip, audio)


def test_a_second_time_nothing_is_doubled_or_overwritten(source: Server, target: Server) -> None:
    archive = exported(source)
    imported(target, archive)
    zoe = next(c.id for c in anyio.run(target.store.characters) if c.name == "Zoë")
    anyio.run(target.store.change_character, zoe, {"name": "Zoë the second"})
    before = everything(target.store)
    again = imported(target, archive)
    assert "Nothing new came in." in again.text
    assert "were here already" in again.text
    assert everything(target.store) == before
    imported(target, archive, existing="replace")
    assert anyio.run(target.store.character, zoe).name == "Zoë"


class Slow(MemoryStorage):
    """A store that takes its time over the second conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.is_there = threading.Event()
        self.talks = 0

    async def add_messages(self, messages: Sequence[Message]) -> None:
        self.talks += 1
        if self.talks == 2:
            self.is_there.set()
            await anyio.sleep_forever()
        await super().add_messages(messages)


def test_an_import_is_cancelled_in_the_middle_and_everything_is_as_it_was(archive: bytes) -> None:
    store = Slow()
    with a_server(storage=store) as server, ThreadPoolExecutor() as threads:
        kept = Character("zoe-001", "Zoë", "The one who was here.")
        anyio.run(store.add_character, kept)
        before = everything(store)
        mine = "/settings/import?job=mine"
        going = threads.submit(imported, server, archive, address=mine, existing="replace")
        assert store.is_there.wait(10)
        assert anyio.run(store.voices)
        job = f"{server.url}/settings/import/mine"
        with httpx.stream("GET", job, trust_env=False) as progress:
            done, total = next(progress.iter_lines()).split()
            assert 0 < int(done) < int(total)
            assert httpx.post(f"{job}/cancel", trust_env=False).status_code == 202
            assert "Everything is as it was." in going.result(10).text
        assert everything(store) == before
        assert httpx.post(f"{job}/cancel", trust_env=False).status_code == 404
        assert httpx.get(job, trust_env=False).text == ""


class Failing(MemoryStorage):
    """A store that fails at the end."""

    async def change_settings(self, changes: Any) -> Any:
        raise Unreachable("The disk is full.", "Make room.")


def test_a_store_that_fails_in_the_middle_keeps_nothing_either(archive: bytes) -> None:
    with a_server(storage=Failing()) as server:
        assert imported(server, archive).status_code == 503
        after = everything(server.store)
        assert not any(after[kind] for kind in ("talks", "characters", "voices"))


def test_what_is_asked_for_is_in_it_and_nothing_else(source: Server) -> None:
    with ZipFile(io.BytesIO(exported(source, "?with=characters"))) as archive:
        names = archive.namelist()
        assert "characters.json" in names
        assert not [n for n in names if n.startswith(("voices", "conversations"))]
        assert [n for n in names if n.startswith("clips/")] == [
            n for n in names if n.endswith(".webp")
        ]
    with ZipFile(io.BytesIO(exported(source, "?with=conversations&with=no"))) as archive:
        assert len([n for n in archive.namelist() if n.startswith("conversations/")]) == 3


def test_what_refers_to_nothing_loses_that_reference(source: Server, target: Server) -> None:
    imported(target, exported(source, "?with=characters"))
    zoe = next(c for c in anyio.run(target.store.characters) if c.name == "Zoë")
    assert zoe.voice is None
    anyio.run(target.store.delete_character, zoe.id)
    imported(target, exported(source, "?with=conversations"))
    [talk, *_] = anyio.run(target.store.conversations)
    assert zoe.id not in talk.active_characters
    said = anyio.run(target.store.messages, talk.conversation_id)
    assert [(one.name, one.character_id) for one in said] == [(None, None), ("Zoë", None)]


def spoil(name: str, spoiled: Any) -> Callable[[Files], object]:
    return lambda files: files.__setitem__(name, spoiled)


def spoil_first(file: str, /, **fields: Any) -> Callable[[Files], object]:
    return lambda files: files[file][0].update(fields)


def talk_of(files: Files) -> Any:
    return files["conversations/000001.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil("evil.exe", b"x"), "evil.exe"),
        (spoil("../../etc/passwd", b"x"), "none of ours"),
        (lambda files: files["aichat.json"].update(format="other"), "no archive of aichat"),
        (spoil("aichat.json", {"version": 99, "made_by": "9", "made_at": ""}), "Update aichat"),
        (lambda files: files.pop("aichat.json"), "aichat.json is missing"),
        (spoil("characters.json", {"no": "list"}), "characters.json: "),
        (spoil("characters.json", b"\xff{"), "characters.json: "),
        (spoil_first("characters.json", name=""), "characters.json: "),
        (spoil_first("characters.json", id="../x"), "no id of a character"),
        (spoil_first("characters.json", temperature=9), "characters.json: "),
        (spoil_first("voices.json", voice="a/b"), "voices.json: "),
        (spoil_first("voices.json", method="stolen"), "voices.json: "),
        (spoil("settings.json", {"temperature": "hot"}), "settings.json: "),
        (lambda files: talk_of(files)["conversation"].update(conversation_id="x"), "000001.json"),
        (lambda files: talk_of(files)["messages"][0].update(role="god"), "000001.json"),
        (lambda files: talk_of(files)["messages"][0].update(conversation_id=new_id()), "another"),
        (lambda files: talk_of(files)["messages"][0].update(message_id="m"), "000001.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    archive: bytes, change: Callable[[Files], object], words: str
) -> None:
    with pytest.raises(BadArchive, match=re.escape(words)):
        checked(io.BytesIO(changed(archive, change)))


def test_of_an_archive_with_a_mistake_nothing_is_kept(source: Server, target: Server) -> None:
    before = everything(target.store)
    wrong = changed(
        exported(source), lambda files: talk_of(files)["messages"][0].update(role="god")
    )
    page = imported(target, wrong)
    assert page.status_code == 400
    assert "conversations/000001.json: " in page.text
    assert 'class="places"' in page.text
    assert everything(target.store) == before


@pytest.mark.parametrize("file", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_is_refused(target: Server, file: bytes) -> None:
    assert imported(target, file).status_code == 400


def test_a_recording_must_be_what_its_name_says(source: Server, target: Server) -> None:
    def swap(files: Files) -> None:
        name = next(name for name in files if name.endswith(".wav"))
        files[name] = b"something else"

    page = imported(target, changed(exported(source), swap))
    assert page.status_code == 400
    assert "not what its name says" in page.text


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(
    archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = changed(archive, spoil("characters.json", b" " * 5_000_000))
    assert len(bomb) < 100_000
    monkeypatch.setattr(checking, "MOST_IN_A_FILE", 4_000_000)
    with pytest.raises(BadArchive, match=r"characters\.json is too large"):
        checked(io.BytesIO(bomb))
    monkeypatch.setattr(checking, "MOST_BYTES", 4_000_000)
    with pytest.raises(BadArchive, match="The archive is too large"):
        checked(io.BytesIO(bomb))


def test_without_a_file_the_form_says_so(target: Server) -> None:
    answer = httpx.post(f"{target.url}/settings/import", data={"existing": "keep"}, trust_env=False)
    assert answer.status_code == 400
    assert "There is no file." in answer.text


def test_all_conversations_are_deleted_only_when_one_is_sure(target: Server) -> None:
    talks = anyio.run(target.store.conversations)
    assert talks
    url = f"{target.url}/settings/forget"
    assert httpx.post(url, data={"x": ""}, trust_env=False).status_code == 400
    assert len(anyio.run(target.store.conversations)) == len(talks)
    page = httpx.post(
        url,
        data={"sure": "yes"},
        headers=PAGE,
        follow_redirects=True,
        trust_env=False,
    )
    assert "gone." in page.text
    assert anyio.run(target.store.conversations) == []
    with pytest.raises(NotFound):
        anyio.run(target.store.conversation, talks[0].conversation_id)
