"""Clips as files: their names, their rights, and when they go."""

import os
import stat
import time

import pytest

from aichat.core import Conversation, Message, NotFound, Unreachable, Voice, new_id
from aichat.plugins.sqlite import clips
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio

TWO_DAYS = 2 * 86_400


@pytest.fixture
def folder(file):
    return file.with_name("aichat.db-clips")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def grow_old(path):
    moment = time.time() - TWO_DAYS
    os.utime(path, (moment, moment))


async def age_rows(store):
    await store.writer.do(
        lambda c: c.execute("update clips set created_at = '2020-01-01T00:00:00.000000+00:00'")
    )


async def test_a_clip_is_one_file_that_only_the_owner_may_read(storage, folder):
    key = await storage.add_clip(b"sound", "wav")
    assert names(folder) == [key]
    assert (folder / key).read_bytes() == b"sound"
    assert stat.S_IMODE((folder / key).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_clip_is_there_when_the_store_opens_again(file):
    async with Sqlite(str(file)) as store:
        key = await store.add_clip(b"sound", "wav")
    async with Sqlite(str(file)) as store:
        assert await store.clip(key) == b"sound"


async def test_the_file_goes_with_the_last_voice(storage, folder):
    key = await storage.add_clip(b"sound", "wav")
    await storage.add_voice(Voice("a", audio_path=key))
    await storage.delete_voice("a")
    assert names(folder) == []


async def test_a_clip_that_came_back_before_its_file_was_removed_keeps_it(storage, folder):
    key = await storage.add_clip(b"sound", "wav")
    gone = await storage._write(clips.forget, [key])
    assert gone == [key]
    await storage.add_clip(b"sound", "wav")
    await storage._drop(gone)
    assert await storage.clip(key) == b"sound"


async def test_a_file_that_somebody_removed_is_not_found(storage, folder):
    key = await storage.add_clip(b"sound", "wav")
    (folder / key).unlink()
    with pytest.raises(NotFound, match="no clip"):
        await storage.clip(key)


async def test_a_key_is_no_path(storage, file):
    (file.parent / "secret.txt").write_text("private")
    for key in ("../secret.txt", str(file), "..", ".", ""):
        with pytest.raises(NotFound):
            await storage.clip(key)


async def test_what_nobody_has_used_for_a_day_is_swept_at_the_start(file, folder):
    async with Sqlite(str(file)) as store:
        used = await store.add_clip(b"used", "wav")
        await store.add_voice(Voice("a", audio_path=used))
        shown = await store.add_clip(b"shown", "webp")
        (somebody, *_) = await store.characters()
        await store.change_character(somebody.id, {"images": [f"/images/{shown}"]})
        sent = await store.add_clip(b"sent", "webp")
        talk = await store.add_conversation(Conversation(new_id()))
        words = f"![a cat](/images/{sent})"
        await store.add_message(Message(new_id(), talk.conversation_id, "user", words))
        unused = await store.add_clip(b"unused", "wav")
        await age_rows(store)
        new = await store.add_clip(b"new", "wav")
        for name in (used, shown, sent, unused):
            grow_old(folder / name)
        for name in ("draft-old", "unknown.wav"):
            (folder / name).write_bytes(b"of a crash")
            grow_old(folder / name)
        (folder / "draft-new").write_bytes(b"of another process")
    async with Sqlite(str(file)) as store:
        assert names(folder) == sorted(["draft-new", used, shown, sent, new])
        assert await store.clip(used) == b"used"
        assert await store.clip(new) == b"new"
        with pytest.raises(NotFound):
            await store.clip(unused)


async def test_adding_a_clip_again_keeps_it_for_another_day(file, folder):
    async with Sqlite(str(file)) as store:
        key = await store.add_clip(b"sound", "wav")
        await age_rows(store)
        grow_old(folder / key)
        await store.add_clip(b"sound", "wav")
    async with Sqlite(str(file)) as store:
        assert await store.clip(key) == b"sound"


async def test_a_clip_that_cannot_be_written_is_told_and_leaves_nothing(storage, folder):
    folder.write_text("a file, not a folder")
    with pytest.raises(Unreachable, match="cannot be read or written"):
        await storage.add_clip(b"sound", "wav")
    folder.unlink()
    key = await storage.add_clip(b"sound", "wav")
    assert names(folder) == [key]


async def test_a_clip_whose_row_is_refused_is_swept_later(file, folder):
    async with Sqlite(str(file)) as store:
        await store.writer.do(lambda c: c.execute("pragma query_only = on"))
        with pytest.raises(Unreachable, match="may not be written to"):
            await store.add_clip(b"sound", "wav")
    (left,) = folder.iterdir()
    grow_old(left)
    async with Sqlite(str(file)):
        assert names(folder) == []


async def test_a_batch_that_is_tried_again_publishes_its_clip_once(storage, folder):
    draft = clips.Folder(folder).draft(b"sound")
    for _ in range(2):
        assert await storage._write(clips.keep, storage.clips, draft, "key.wav") == "key.wav"
    assert names(folder) == ["key.wav"]
