"""A backup is a store again, whatever happens while it is made."""

import stat
import zipfile

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest

from aichat.core import Conflict, NotFound, Unreachable, Voice
from aichat.core.storage import BacksUp
from aichat.core.testing.storage.contract import contents, say, started
from aichat.plugins.sqlite import backup
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio


def restored(zipped, folder):
    with zipfile.ZipFile(zipped) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return Sqlite(str(folder / "aichat.db"))


async def test_a_backup_holds_everything(storage, tmp_path):
    conversation = await started(storage, "rosa-alvarez-001")
    await storage.add_message(say(conversation, "Remember me"))
    key = await storage.add_clip(b"sound" * 1000, "wav")
    await storage.add_voice(Voice("a", "clone", audio_path=key))
    await storage.change_settings({"theme": "dark"})
    told = await storage.back_up(tmp_path / "backup.zip")
    assert "3 characters, 4 voices, 1 conversations, 1 messages and 1 clips" in told
    assert str(storage.file) in told
    await storage.delete_conversation(conversation)
    await storage.delete_voice("a")
    async with restored(tmp_path / "backup.zip", tmp_path / "again") as again:
        assert await contents(again, conversation) == ["Remember me"]
        assert [m.content for m in await again.search_messages("remember")] == ["Remember me"]
        assert await again.clip((await again.voice("a")).audio_path) == b"sound" * 1000
        assert await again.settings() == {"theme": "dark"}
        await again.add_message(say(conversation, "And go on"))


async def test_the_store_offers_it(storage):
    assert isinstance(storage, BacksUp)


async def test_a_backup_is_for_the_owners_eyes_and_leaves_nothing_beside_it(storage, tmp_path):
    await started(storage)
    before = set(tmp_path.iterdir())
    await storage.back_up(tmp_path / "backup.zip")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "backup.zip"}
    assert stat.S_IMODE((tmp_path / "backup.zip").stat().st_mode) == 0o600


async def test_nothing_is_overwritten(storage, tmp_path):
    await started(storage)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        await storage.back_up(tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "mine"


async def test_a_place_that_cannot_be_written_to_is_told(storage, tmp_path):
    await started(storage)
    with pytest.raises(Unreachable, match="cannot be written"):
        await storage.back_up(tmp_path / "nowhere" / "backup.zip")


async def test_a_database_that_was_not_there_is_no_backup(tmp_path):
    async with Sqlite(str(tmp_path / "typo" / "aichat.db")) as store:
        with pytest.raises(NotFound, match="AICHAT_DATA"):
            await store.back_up(tmp_path / "backup.zip")
        assert not (tmp_path / "backup.zip").exists()
        await started(store)
        await store.back_up(tmp_path / "backup.zip")


async def test_a_backup_while_others_write_is_one_moment(storage, tmp_path):
    conversation = await started(storage)
    done = anyio.Event()

    async def write():
        number = 0
        while not done.is_set():
            await storage.add_messages([say(conversation, f"{number} {part}") for part in "abc"])
            number += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        while len(await contents(storage, conversation)) < 30:
            await anyio.lowlevel.checkpoint()
        await storage.back_up(tmp_path / "backup.zip")
        done.set()
    everything = await contents(storage, conversation, 10**6)
    async with restored(tmp_path / "backup.zip", tmp_path / "again") as again:
        copied = await contents(again, conversation, 10**6)
    assert len(copied) >= 30
    assert len(copied) % 3 == 0
    assert copied == everything[: len(copied)]


async def test_a_voice_that_is_deleted_meanwhile_takes_its_clip_along(
    storage, tmp_path, monkeypatch
):
    kept, gone = await storage.add_clip(b"kept", "wav"), await storage.add_clip(b"gone", "wav")
    await storage.add_voice(Voice("kept", audio_path=kept))
    await storage.add_voice(Voice("gone", audio_path=gone))
    copy_database, moments = backup._copy_database, []

    def copy_then_delete(database, copy):
        keys = copy_database(database, copy)
        if not moments:
            anyio.from_thread.run(storage.delete_voice, "gone")
        moments.append(keys)
        return keys

    monkeypatch.setattr(backup, "_copy_database", copy_then_delete)
    told = await storage.back_up(tmp_path / "backup.zip")
    assert [len(keys) for keys in moments] == [2, 1]
    assert "missing" not in told
    async with restored(tmp_path / "backup.zip", tmp_path / "again") as again:
        assert await again.clip(kept) == b"kept"
        assert [voice.voice for voice in await again.voices()][-1] == "kept"


async def test_a_clip_whose_file_is_missing_is_told_and_the_rest_is_kept(storage, tmp_path):
    lost, kept = await storage.add_clip(b"lost", "wav"), await storage.add_clip(b"kept", "wav")
    (storage.clips.path / lost).unlink()
    told = await storage.back_up(tmp_path / "backup.zip")
    assert told.endswith("1 more clips were missing.")
    async with restored(tmp_path / "backup.zip", tmp_path / "again") as again:
        assert await again.clip(kept) == b"kept"


async def test_a_damaged_database_is_no_backup(storage, file, tmp_path):
    conversation = await started(storage)
    for number in range(50):
        await storage.add_message(say(conversation, f"{number}" * 1000))
    await storage.__aexit__(None, None, None)
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size // 2)
        raw.write(b"\xff" * 4096 * 3)
    with pytest.raises(Unreachable, match="damaged"):
        await storage.back_up(tmp_path / "backup.zip")
    assert not (tmp_path / "backup.zip").exists()
