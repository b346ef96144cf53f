"""Files that an older aichat wrote open in a newer one, with all that is in them."""

import sqlite3
from pathlib import Path

import pytest

from aichat.core import Character
from aichat.core.testing.storage.contract import contents, plain, say
from aichat.plugins.sqlite import schema
from aichat.plugins.sqlite.store import Sqlite

pytestmark = pytest.mark.anyio

VERSION_1 = Path(__file__).with_name("sqlite_version_1.sql")
"""What aichat 0.1 had written, as text."""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "aichat.db"
    old = sqlite3.connect(path)
    old.executescript(VERSION_1.read_text("utf-8"))
    old.execute("pragma user_version = 1")
    old.execute(f"pragma application_id = {schema.OURS}")
    old.execute("pragma journal_mode = wal")
    old.close()
    return path


async def test_an_old_file_keeps_its_messages_and_loses_what_dangled(file):
    async with Sqlite(str(file)) as store:
        first = [
            (m.message_id, m.content, m.name, m.character_id) for m in await store.messages("first")
        ]
        assert first == [
            ("m1", 'Do you like tea; or "coffee"?', None, None),
            ("m2", "Crème brûlée, please.", "Zoë", "zoe-007"),
            ("m4", "I was deleted.", "Gone", None),
        ]
        rosa = await store.message("m5")
        assert (rosa.conversation_id, rosa.character_id) == ("second", "rosa-alvarez-001")
        heard = await store.message("m2")
        assert (heard.interrupted, heard.heard, heard.turn_id) == (True, "Crème", "t1")
        assert heard.created_at.isoformat() == "2026-01-02T03:04:07+00:00"


async def test_an_old_file_keeps_its_people(file):
    async with Sqlite(str(file)) as store:
        assert [c.name for c in await store.characters()] == [
            "Zoë", "Olivia Barns", "Mark Chen", "Rosa Alvarez",
        ]  # fmt: skip
        zoe = plain(await store.character("zoe-007"))
        assert (zoe["voice"], zoe["images"], zoe["extensions"]) == ("Zoë's", ["/z.png"], {"a": [1]})
        voice = plain(await store.voice("Zoë's"))
        assert (voice["audio_tokens"], voice["settings"]) == ([[1, 2], [3]], {"speed": 1.5})
        assert (voice["audio_path"], voice["text_path"]) == (None, None)
        kept, cast = await store.cast("first")
        assert (kept.title, kept.settings) == ("Tea", {"model": "m"})
        assert [character.id for character in cast] == ["rosa-alvarez-001", "zoe-007"]


async def test_what_was_said_long_ago_is_found(file):
    async with Sqlite(str(file)) as store:
        assert [m.message_id for m in await store.search_messages("TEA coffee")] == ["m1"]
        assert [m.message_id for m in await store.search_messages("hello")] == ["m5", "m3"]
        await store.delete_conversation("second")
        assert await store.search_messages("hello") == []
        await store.add_message(say("first", "hello again"))
        assert len(await store.search_messages("hello")) == 1
        await store.writer.do(
            lambda c: c.execute(
                "insert into message_words (message_words) values ('integrity-check')"
            )
        )


async def test_numbers_that_were_given_long_ago_are_not_given_again(file):
    async with Sqlite(str(file)) as store:
        for name, id in (("Zoe", "zoe-008"), ("Rosa Alvarez", "rosa-alvarez-002")):
            assert (await store.add_character(Character("", name))).id == id
        assert (await store.add_character(Character("", "Gone"))).id == "gone-004"


async def test_an_upgrade_that_fails_leaves_the_old_file(file, monkeypatch):
    first, second, *rest = schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: [first, second + "\nselect nonsense;"])
    with pytest.raises(Exception, match="nonsense"):
        async with Sqlite(str(file)):
            pass
    monkeypatch.setattr(schema, "migrations", lambda: [first, second, *rest])
    async with Sqlite(str(file)) as store:
        assert len(await contents(store, "first")) == 3


async def test_an_upgraded_file_has_the_tables_of_a_new_one(file, tmp_path):
    def tables(path):
        with sqlite3.connect(path) as database:
            rows = database.execute(
                "select type, name, sql from sqlite_master where sql is not null order by name"
            ).fetchall()
        database.close()
        return rows

    async with Sqlite(str(file)), Sqlite(str(tmp_path / "new.db")):
        pass
    assert tables(file) == tables(tmp_path / "new.db")
