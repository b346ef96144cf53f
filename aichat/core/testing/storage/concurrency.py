"""Storage contract: concurrent use."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve

from aichat.core.errors import Conflict, NotFound
from aichat.core.ids import new_id
from aichat.core.models import Character, Voice
from aichat.core.storage import Adjusts, Storage

from .helpers import contents, say, somebody, started, unheard_of


async def at_once(*calls: Awaitable[Any]) -> list[Any]:
    """Make all calls concurrently; return results and errors in their order."""
    came: list[Any] = [None] * len(calls)

    async def make(place: int, call: Awaitable[Any]) -> None:
        try:
            came[place] = await call
        except (NotFound, Conflict) as refusal:
            came[place] = refusal

    async with anyio.create_task_group() as tasks:
        for place, call in enumerate(calls):
            tasks.start_soon(make, place, call)
    return came


class TogetherExamples:
    """A part of the contract."""

    async def test_nothing_is_lost_when_many_write_at_once(self, storage: Storage) -> None:
        """Sixteen tasks in two conversations; each task's messages keep their order."""
        both = [await started(storage), await started(storage)]

        async def write(task: int) -> None:
            for number in range(10):
                await storage.add_message(say(both[task % 2], f"{task} {number}"))

        async with anyio.create_task_group() as tasks:
            for task in range(16):
                tasks.start_soon(write, task)
        kept = [await contents(storage, conversation) for conversation in both]
        for task in range(16):
            mine = [text for text in kept[task % 2] if text.startswith(f"{task} ")]
            assert mine == [f"{task} {number}" for number in range(10)]
        assert [len(texts) for texts in kept] == [80, 80]

    async def test_retries_that_overlap_add_each_message_once(self, storage: Storage) -> None:
        """Eighty calls with forty ids."""
        conversation = await started(storage)
        said = [say(conversation, str(number)) for number in range(40)]
        refusals = await at_once(*[storage.add_message(m) for m in said + said])
        assert refusals == [None] * 80
        assert sorted(map(int, await contents(storage, conversation))) == list(range(40))

    async def test_batches_that_overlap_stay_together(self, storage: Storage) -> None:
        """No other message comes between those of a batch."""
        conversation = await started(storage)
        batches = [[say(conversation, f"{n} {part}") for part in range(5)] for n in range(10)]
        await at_once(*[storage.add_messages(b) for b in batches])
        kept = await contents(storage, conversation)
        chunks = [kept[place : place + 5] for place in range(0, 50, 5)]
        assert sorted(chunks) == sorted([m.content for m in batch] for batch in batches)

    async def test_names_that_collide_get_numbers_of_their_own(self, storage: Storage) -> None:
        """Without a gap, however many come at once."""
        word = unheard_of()
        added = await at_once(
            *[storage.add_character(Character("", f"Olivia {word}")) for _ in range(12)]
        )
        expected = [f"olivia-{word}-{number:03}" for number in range(1, 13)]
        assert sorted(character.id for character in added) == expected

    async def test_one_id_goes_to_one_of_many(self, storage: Storage) -> None:
        """The others get a Conflict."""
        id = new_id()
        came = await at_once(*[storage.add_character(Character(id, str(n))) for n in range(8)])
        (winner,) = [one for one in came if isinstance(one, Character)]
        assert (await storage.character(id)).name == winner.name

    async def test_changes_of_different_fields_all_stay(self, storage: Storage) -> None:
        """No call overwrites what another has changed."""
        who, conversation = await somebody(storage), await started(storage)
        cast = [await somebody(storage) for _ in range(6)]
        names = [f"contract {new_id()}" for _ in range(6)]
        await at_once(
            storage.change_character(who, {"name": "New"}),
            storage.change_character(who, {"greeting": "Hello"}),
            storage.change_character(who, {"extensions": {"a": 1}}),
            storage.change_conversation(conversation, {"settings": {"a": 1}}),
            storage.add_message(say(conversation, "A title")),
            *(storage.join_conversation(conversation, c) for c in cast),
            *(storage.change_settings({n: n}) for n in names),
        )
        character = await storage.character(who)
        assert (character.name, character.greeting) == ("New", "Hello")
        assert character.extensions == {"a": 1}
        kept = await storage.conversation(conversation)
        assert (kept.title, kept.settings) == ("A title", {"a": 1})
        assert sorted(kept.active_characters) == sorted(cast)
        settings = await storage.change_settings({})
        assert {name: settings.get(name) for name in names} == {name: name for name in names}
        await storage.change_settings(dict.fromkeys(names))

    async def test_settings_of_a_conversation_that_are_changed_at_once_all_stay(
        self, storage: Storage
    ) -> None:
        """In a store that can change single ones."""
        if not isinstance(storage, Adjusts):
            return
        conversation = await started(storage)
        await storage.change_conversation(
            conversation, {"settings": {"old": [1], "gone": 1, "nil": None}}
        )
        names = [f"s{number}" for number in range(12)]
        await at_once(
            *(storage.adjust_conversation(conversation, {n: {"of": n}}, {}) for n in names),
            storage.adjust_conversation(conversation, {"gone": None}, {"title": "New"}),
        )
        kept = await storage.conversation(conversation)
        assert kept.settings == {"old": [1], **{n: {"of": n} for n in names}}
        assert kept.title == "New"

    async def test_pages_have_each_message_once_while_others_append(self, storage: Storage) -> None:
        """Forwards to the end, and backwards from where it was."""
        conversation = await started(storage)
        first = say(conversation, "first")
        await storage.add_message(first)
        done = anyio.Event()
        seen = [first.message_id]

        async def write() -> None:
            for number in range(0, 60, 3):
                await storage.add_message(say(conversation, str(number)))
                await storage.add_messages([say(conversation, str(number + n)) for n in (1, 2)])
            done.set()

        async def follow() -> None:
            is_last = False
            while not is_last:
                is_last = done.is_set()
                page = await storage.messages(conversation, 7, after=seen[-1])
                seen.extend(message.message_id for message in page)
                assert len(seen) <= 61, "a page has what was on one before"
                is_last = is_last and not page
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            tasks.start_soon(follow)
        everything = [m.message_id for m in await storage.messages(conversation, 100)]
        assert seen == everything
        assert len(everything) == 61
        assert await all_backwards(storage, conversation) == everything

    async def test_no_reference_dangles_after_a_race(self, storage: Storage) -> None:
        """No reference is left to a record that is deleted while others refer to it."""
        for _ in range(4):
            who, conversation = await somebody(storage), await started(storage)
            spoken = [evolve(say(conversation), character_id=who) for _ in range(4)]
            await at_once(
                *(storage.add_message(m) for m in spoken[:2]),
                storage.join_conversation(conversation, who),
                storage.delete_character(who),
                storage.join_conversation(conversation, who),
                *(storage.add_message(m) for m in spoken[2:]),
            )
            _, cast = await storage.cast(conversation)
            assert list(cast) == []
            kept = await storage.recent_messages(conversation)
            assert {message.character_id for message in kept} <= {None}

    async def test_a_voice_and_its_clip_exist_for_every_reader_that_got_them(
        self, storage: Storage
    ) -> None:
        """Even if the previous owner drops them at that moment."""
        for _ in range(4):
            clip = await storage.add_clip(data := new_id().encode(), "wav")
            old, new = Voice(new_id(), audio_path=clip), Voice(new_id(), audio_path=clip)
            await storage.add_voice(old)
            who = Character(new_id(), "N", voice=old.voice)
            came = await at_once(
                storage.add_voice(new),
                storage.add_character(who),
                storage.delete_voice(old.voice),
                storage.add_clip(data, "wav"),
            )
            if isinstance(came[0], Voice):
                assert await storage.clip(clip) == data
            if isinstance(came[1], Character):
                assert await storage.voice(old.voice)
            else:
                with pytest.raises(NotFound):
                    await storage.voice(old.voice)


async def all_backwards(storage: Storage, conversation: str) -> list[str]:
    """Page back from the end; return the ids, oldest first."""
    page = await storage.recent_messages(conversation, 7)
    ids = [message.message_id for message in page]
    while page and len(ids) < 1000:
        page = await storage.recent_messages(conversation, 7, before=ids[0])
        ids = [message.message_id for message in page] + ids
    return ids
