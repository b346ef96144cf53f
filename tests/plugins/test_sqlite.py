import os
import sqlite3
import stat
import threading

import anyio
import pytest
from attrs import evolve

from aichat.core import BadValue, CannotStart, NotFound, Unreachable
from aichat.core.testing.leak_checks import at_once, longest_stall
from aichat.core.testing.storage.contract import StorageContract, contents, say, started
from aichat.plugins.sqlite import connection_threads, schema, storage_backend
from aichat.plugins.sqlite.store import Sqlite
from support.shared_backend import OpenedOnce

pytestmark = pytest.mark.anyio


class TestContract(OpenedOnce, StorageContract):
    @pytest.fixture(scope="class")
    @classmethod
    async def storage(cls, tmp_path_factory):
        async with Sqlite(str(tmp_path_factory.mktemp("contract") / "aichat.db")) as store:
            yield store


def writer_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sqlite-")]


async def test_the_hook_offers_the_store_that_plugins_toml_names(file):
    offer = storage_backend()
    assert (offer.name, offer.notice) == ("sqlite", "")
    async with offer.make(str(file)) as store:
        assert len(await store.characters()) == 3


async def test_three_characters_with_voices_live_in_a_new_database(storage):
    characters = await storage.characters(active=True)
    assert [c.id for c in characters] == ["olivia-barns-001", "mark-chen-001", "rosa-alvarez-001"]
    for character in characters:
        assert (await storage.voice(character.voice)).speaker_desc.endswith(
            {"Olivia": "quick", "Mark": "slow", "Rosa": "energetic"}[character.voice]
        )
        assert character.greeting
        assert character.name in character.system_prompt


async def test_a_deleted_ready_made_character_stays_away(file):
    async with Sqlite(str(file)) as store:
        await store.writer.do(lambda c: c.execute("delete from characters where voice = 'Mark'"))
    async with Sqlite(str(file)) as store:
        assert [c.voice for c in await store.characters()] == ["Olivia", "Rosa"]


async def test_everything_is_there_when_it_is_opened_again(file):
    async with Sqlite(str(file)) as store:
        conversation = await started(store, "rosa-alvarez-001")
        await store.add_message(say(conversation, "Remember me"))
    async with Sqlite(str(file)) as store:
        assert await contents(store, conversation) == ["Remember me"]
        _, (rosa,) = await store.cast(conversation)
        assert rosa.name == "Rosa Alvarez"


async def test_only_the_owner_may_look_into_a_new_folder(file):
    async with Sqlite(str(file)):
        assert stat.S_IMODE(file.parent.stat().st_mode) & 0o077 == 0


async def test_the_file_is_in_the_data_folder_unless_a_path_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("AICHAT_DATA", str(tmp_path / "here"))
    assert schema.locate("") == tmp_path / "here" / "aichat.db"
    monkeypatch.delenv("AICHAT_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert schema.locate("").name == "aichat.db"
    assert "aichat" in schema.locate("").parent.name.lower()
    assert schema.locate("~/x.db") == schema.Path.home() / "x.db"


# -- what stops the start ----------------------------------------------------------------------


async def refusal(path):
    with pytest.raises(CannotStart) as told:
        async with Sqlite(str(path)):
            pass
    assert not writer_threads()
    return told.value.line


async def test_memory_is_no_place_for_a_store():
    assert "Name a file" in await refusal(":memory:")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    line = await refusal(tmp_path / "data" / "aichat.db")
    assert str(tmp_path / "data") in line
    assert "AICHAT_DATA" in line


async def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    file = tmp_path / "aichat.db"
    file.write_text("Dear diary, " * 500)
    assert "damaged, or is no database" in await refusal(file)
    assert file.read_text().startswith("Dear diary")


async def test_a_newer_database_asks_for_a_newer_aichat(file):
    async with Sqlite(str(file)) as store:
        await store.writer.do(lambda c: c.execute("pragma user_version = 99"))
    line = await refusal(file)
    assert "newer aichat (version 99" in line
    assert "Update aichat" in line


async def test_another_programs_database_is_left_alone(tmp_path):
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as other:
        other.execute("create table recipes (name)")
    other.close()
    assert "another program's database" in await refusal(file)


async def test_a_migration_that_fails_leaves_no_trace(file, monkeypatch):
    good = schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: [*good, "create table t (a); nonsense;"])
    assert "nonsense" in await refusal(file)
    monkeypatch.setattr(schema, "migrations", lambda: good)
    async with Sqlite(str(file)) as store:
        assert len(await store.characters()) == 3


async def test_a_later_migration_runs_once_and_brings_nobody_back(file, monkeypatch):
    async with Sqlite(str(file)) as store:
        await store.writer.do(lambda c: c.execute("delete from characters"))

    def count_extra(connection):
        return connection.execute("select count(*) from extra").fetchone()

    scripts = [*schema.migrations(), "create table extra (a);\ninsert into extra values (1);"]
    monkeypatch.setattr(schema, "migrations", lambda: scripts)
    for _ in range(2):
        async with Sqlite(str(file)) as store:
            assert await store.reader.do(count_extra) == (1,)
            assert await store.characters() == []


async def test_two_programs_may_open_a_new_file_at_once(file):
    file.parent.mkdir()
    found = []

    async def open_it():
        async with Sqlite(str(file)) as store:
            found.append(len(await store.characters()))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(open_it)
    assert found == [3, 3, 3, 3]


# -- what goes wrong later ---------------------------------------------------------------------


async def pages(store, limit):
    await store.writer.do(lambda c: c.execute(f"pragma max_page_count = {limit}").fetchone())


async def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(storage, file):
    conversation = await started(storage)
    await pages(storage, 80)
    kept = []

    async def fill():
        for number in range(500):
            await storage.add_message(say(conversation, f"{number} " + "x" * 2000))
            kept.append(number)

    with pytest.raises(Unreachable) as told:
        await fill()
    assert told.value.line == "The disk is full. Make room, then try again."
    assert [int(text.split()[0]) for text in await contents(storage, conversation)] == kept
    await pages(storage, 100_000)
    await storage.add_message(say(conversation, "500 room again"))
    assert len(await contents(storage, conversation)) == len(kept) + 1


async def test_on_a_full_disk_small_messages_in_the_same_batch_get_through(storage):
    conversation = await started(storage)
    await pages(storage, 80)
    refused = []

    async def add(text):
        try:
            await storage.add_message(say(conversation, text))
        except Unreachable:
            refused.append(len(text))

    async with anyio.create_task_group() as tasks, hold(storage.writer):
        for text in ("one", "x" * 1_000_000, "two"):
            tasks.start_soon(add, text)
        await waiting(storage.writer, 3)
    assert refused == [1_000_000]
    assert sorted(await contents(storage, conversation)) == ["one", "two"]


class hold:  # noqa: N801
    """Keep a worker's thread busy for the block's first part: leave it to let the thread go on."""

    def __init__(self, worker):
        self.worker, self.gate, self.busy = worker, threading.Event(), threading.Event()

    async def __aenter__(self):
        def work(_):
            self.busy.set()
            assert self.gate.wait(60)

        self.worker._hand_over(connection_threads.Job(work))
        await anyio.to_thread.run_sync(self.busy.wait, 60)

    async def __aexit__(self, *_):
        self.gate.set()


async def waiting(worker, count):
    with anyio.fail_after(60):
        while worker._jobs.qsize() < count:  # noqa: ASYNC110 (the queue tells nobody)
            await anyio.sleep(0.001)


async def test_a_read_only_database_is_told(storage):
    await storage.writer.do(lambda c: c.execute("pragma query_only = on"))
    with pytest.raises(Unreachable, match="may not be written to"):
        await started(storage)


async def test_a_database_that_another_program_locks_is_told_and_works_again(
    file, storage, monkeypatch
):
    await storage.writer.do(lambda c: c.execute("pragma busy_timeout = 20"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unreachable, match="locked"):
        await started(storage)
    assert len(await storage.characters()) == 3
    other.execute("rollback")
    other.close()
    await started(storage)


async def test_a_damaged_database_is_told(file):
    async with Sqlite(str(file)) as store:
        conversation = await started(store)
        for number in range(50):
            await store.add_message(say(conversation, f"{number}" * 1000))
    with file.open("r+b") as raw:
        raw.seek(file.stat().st_size // 2)
        raw.write(os.urandom(file.stat().st_size // 2))
    async with Sqlite(str(file)) as store:
        with pytest.raises(Unreachable, match="damaged"):
            await contents(store, conversation)
        assert len(await store.characters()) == 3


async def test_a_job_that_fails_does_not_spoil_the_others_in_its_batch(storage):
    conversation = await started(storage)
    errors = []

    async def add(text, id):
        try:
            await storage.add_message(say(id, text))
        except NotFound:
            errors.append(text)

    async with anyio.create_task_group() as tasks, hold(storage.writer):
        for number in range(6):
            tasks.start_soon(add, str(number), "nowhere" if number % 2 else conversation)
        await waiting(storage.writer, 6)
    assert errors == ["1", "3", "5"]
    assert await contents(storage, conversation) == ["0", "2", "4"]


async def test_a_job_with_a_bug_is_reported_to_its_caller_alone(storage):
    with pytest.raises(ZeroDivisionError):
        await storage.writer.do(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await storage.reader.do(lambda _: 1 / 0)
    await started(storage)


async def test_the_database_itself_keeps_the_rules_too(storage):
    conversation = await started(storage, "rosa-alvarez-001")
    await storage.add_message(evolve(say(conversation), character_id="rosa-alvarez-001"))
    for breach in (
        "update characters set voice = 'nobody'",
        "update messages set character_id = 'nobody'",
        "update messages set role = 'nobody'",
        "update conversations set settings = '{'",
        "delete from voices",
    ):
        with pytest.raises(BadValue, match="breaks a rule"):
            await storage.writer.do(lambda c, sql=breach: c.execute(sql))
    await storage.writer.do(lambda c: c.execute("delete from characters"))
    assert (await storage.cast(conversation))[1] == []
    assert (await storage.recent_messages(conversation))[0].character_id is None


# -- finding without counting ------------------------------------------------------------------


async def plans(store, work):
    """Do *work*; return the query plans of the statements that it needed, as SQLite tells them."""
    asked, told = [], []
    await store.reader.do(lambda c: c.set_trace_callback(asked.append))
    await work
    await store.reader.do(lambda c: c.set_trace_callback(None))
    for statement in asked:
        if statement.startswith("select"):
            rows = await store.reader.do(
                lambda c, sql=statement: c.execute(f"explain query plan {sql}").fetchall()
            )
            told += [row[-1] for row in rows]
    return told


async def test_a_page_of_a_long_conversation_is_found_by_the_index(storage):
    conversation = await started(storage)
    said = [say(conversation, str(number)) for number in range(20)]
    await storage.add_messages(said)
    middle = said[10].message_id
    for work, step in (
        (storage.recent_messages(conversation, 5), "seq<?"),
        (storage.recent_messages(conversation, 5, middle), "seq<?"),
        (storage.messages(conversation, 5), "seq>?"),
        (storage.messages(conversation, 5, 0, middle), "seq>?"),
    ):
        steps = await plans(storage, work)
        assert any("messages_by_conversation" in found and step in found for found in steps)
        assert not [found for found in steps if found.startswith("SCAN") or "B-TREE" in found]


async def test_the_newest_conversations_and_hits_are_found_without_sorting_all(storage):
    conversation = await started(storage)
    await storage.add_message(say(conversation, "tea"))
    listed = await plans(storage, storage.conversations(5))
    assert listed == ["SCAN conversations USING INDEX conversations_by_activity"]
    hits = await plans(storage, storage.search_messages("tea", 5))
    assert [found for found in hits if "VIRTUAL TABLE INDEX" in found]
    assert not [found for found in hits if "SCAN messages" in found or "TEMP B-TREE" in found]


async def test_a_search_of_very_many_words_is_a_search(storage):
    conversation = await started(storage)
    words = " ".join(f"word{number}" for number in range(3000))
    await storage.add_message(say(conversation, words))
    assert len(await storage.search_messages(words)) == 1
    assert await storage.search_messages(f"{words} another") == []


async def test_letters_that_sqlite_does_not_know_are_not_found_and_harm_nothing(storage):
    conversation = await started(storage)
    await storage.add_message(say(conversation, "\u19b0 tea"))
    assert await storage.search_messages("\u19b0") == []
    assert await storage.search_messages("\u19b0 coffee") == []


# -- the threads -------------------------------------------------------------------------------


async def test_the_threads_end_with_the_store(file):
    async with Sqlite(str(file)) as store:
        assert len(writer_threads()) == 2
    assert not writer_threads()
    with pytest.raises(Unreachable, match="closed"):
        await store.characters()
    assert not file.with_name("aichat.db-wal").exists()


async def test_what_waits_when_the_store_closes_is_still_written(file):
    async with Sqlite(str(file)) as store:
        conversation = await started(store)
        async with anyio.create_task_group() as tasks:
            async with hold(store.writer):
                for number in range(20):
                    tasks.start_soon(store.add_message, say(conversation, str(number)))
                await waiting(store.writer, 20)
            await store.__aexit__(None, None, None)
    async with Sqlite(str(file)) as store:
        assert len(await contents(store, conversation)) == 20


async def test_a_cancelled_wait_does_not_stop_the_work(storage):
    conversation = await started(storage)
    async with hold(storage.writer), anyio.create_task_group() as tasks:
        tasks.start_soon(storage.add_message, say(conversation, "Said all the same"))
        await waiting(storage.writer, 1)
        tasks.cancel_scope.cancel()
    await storage.add_message(say(conversation, "Next"))
    assert await contents(storage, conversation) == ["Said all the same", "Next"]


async def test_too_many_waiting_jobs_are_refused(storage, monkeypatch):
    conversation = await started(storage)
    monkeypatch.setattr(connection_threads, "WAITING", 3)
    async with anyio.create_task_group() as tasks, hold(storage.writer):
        for number in range(3):
            tasks.start_soon(storage.add_message, say(conversation, str(number)))
        await waiting(storage.writer, 3)
        with pytest.raises(Unreachable, match="wait for the database"):
            await storage.add_message(say(conversation, "one too many"))
    assert await contents(storage, conversation) == ["0", "1", "2"]


async def test_a_batch_is_one_transaction(storage, monkeypatch):
    conversation = await started(storage)
    commits = []
    await storage.writer.do(
        lambda c: c.set_trace_callback(lambda sql: sql == "commit" and commits.append(sql))
    )
    async with anyio.create_task_group() as tasks, hold(storage.writer):
        for number in range(connection_threads.BATCH + 50):
            tasks.start_soon(storage.add_message, say(conversation, str(number)))
        await waiting(storage.writer, connection_threads.BATCH + 50)
    assert len(await contents(storage, conversation)) == connection_threads.BATCH + 50
    assert len(commits) <= 4


async def test_a_store_that_is_left_by_a_cancellation_still_closes(file):
    with anyio.CancelScope() as scope:
        async with Sqlite(str(file)) as store:
            conversation = await started(store)
            scope.cancel()
            await anyio.sleep(1)
    assert not writer_threads()
    async with Sqlite(str(file)) as store:
        assert await contents(store, conversation) == []


async def test_the_event_loop_is_not_held_while_the_disk_is_busy(storage):
    conversation = await started(storage)

    async def write(number):
        await storage.add_message(say(conversation, str(number) * 100))

    stall = await longest_stall(lambda: at_once(300, write))
    assert stall.blocked < 0.25


def test_it_works_on_trio_too(file):
    async def main():
        async with Sqlite(str(file)) as store:
            conversation = await started(store)
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(store.add_message, say(conversation, str(number)))
            return len(await contents(store, conversation))

    assert anyio.run(main, backend="trio") == 20
