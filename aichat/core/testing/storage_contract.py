"""What every store must do. Inherit :class:`StorageContract` and give it a ``storage`` fixture."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aichat.core.errors import AichatError, NotFound
from aichat.core.ids import new_id
from aichat.core.models import Character, Conversation, Message, Voice
from aichat.core.storage import Storage

from .storage_program import PAST, STEPS, Program, Step, plain, say

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 done 🫠",
    "right to left": "שלום עולם, ‏مرحبا بالعالم",
    "combining": "e\u0301 ä ﷽ \u200b\ufeff",
    "quotes": "'; drop table messages; -- \"\\ % _",
    "lines": "one\r\ntwo\n\n\tthree\u2028four",
    "empty": "",
}

LONG = {
    "words": "word " * 40,
    "one word": "a" * 200,
    "no spaces": "雨" * 90,
    "one letter too many": "x" * 61,
    "a long word and a short one": "y" * 60 + " z",
}


async def started(storage: Storage, *characters: str) -> str:
    """Begin a conversation; return its id."""
    conversation = Conversation(new_id(), active_characters=characters)
    await storage.add_conversation(conversation)
    return conversation.conversation_id


async def contents(storage: Storage, conversation: str, n: int = 1000) -> list[str]:
    """Read what was said."""
    return [message.content for message in await storage.recent_messages(conversation, n)]


class StorageContract:
    """Inherit, and add a fixture ``storage``: an entered store, empty or with ready-made rows."""

    pytestmark = pytest.mark.anyio

    async def test_a_voice_comes_back_as_it_was_put(self, storage: Storage) -> None:
        """Every field survives, also the free ones."""
        voice = Voice(
            new_id(), "clone", "warm", "a quiet room", "a.wav", "a.txt", [[1, 2], [3, 4]],
            {"speed": 1.25, "nested": {"list": [1, None, "é"]}},
        )  # fmt: skip
        await storage.add_voice(voice)
        assert plain(await storage.voice(voice.voice)) == plain(voice)

    async def test_a_character_comes_back_as_it_was_put(self, storage: Storage) -> None:
        """Every field survives, also the free ones."""
        await storage.add_voice(Voice(voice := new_id()))
        character = Character(
            new_id(), "Zoë", "You are Zoë.", voice, "/z.png", ["/1.png", "/2.png"], False,
            "Hi!", "some/model", 0.5, {"tags": ["a"], "deep": {"x": None}},
        )  # fmt: skip
        await storage.add_character(character)
        assert plain(await storage.character(character.id)) == plain(character)

    async def test_a_conversation_comes_back_as_it_was_put(self, storage: Storage) -> None:
        """Every field survives, and its characters keep their order."""
        ids = [new_id() for _ in range(3)]
        for id in ids:
            await storage.add_character(Character(id, "Somebody"))
        conversation = Conversation(new_id(), "A title", ids[::-1], {"model": "m", "top_p": 0.9})
        await storage.add_conversation(conversation)
        kept, cast = await storage.cast(conversation.conversation_id)
        assert plain(kept) == plain(conversation)
        assert plain(await storage.conversation(conversation.conversation_id)) == plain(kept)
        assert [character.id for character in cast] == ids[::-1]

    async def test_a_message_comes_back_as_it_was_added(self, storage: Storage) -> None:
        """Every field survives."""
        message = Message(
            new_id(), await started(storage), "assistant", "All of it.", "Zoë", new_id(),
            "turn-7", True, "All of", "voice", PAST,
        )  # fmt: skip
        await storage.add_message(message)
        (kept,) = await storage.recent_messages(message.conversation_id)
        assert plain(kept) == plain(message)

    async def test_putting_again_replaces(self, storage: Storage) -> None:
        """There is one record for each key, and the last version counts."""
        await storage.add_voice(Voice(key := new_id(), speaker_desc="high"))
        await storage.add_voice(Voice(key, speaker_desc="low"))
        assert (await storage.voice(key)).speaker_desc == "low"
        await storage.add_character(Character(id := new_id(), "One", voice=key))
        await storage.add_character(Character(id, "Two", voice=key))
        assert [c.name for c in await storage.characters() if c.id == id] == ["Two"]

    async def test_characters_are_listed_oldest_first(self, storage: Storage) -> None:
        """Whatever the order in which they were put, and apart by whether they are active."""
        ids = [new_id() for _ in range(4)]
        for age in (2, 0, 3, 1):
            moment = PAST + timedelta(days=age)
            await storage.add_character(
                Character(ids[age], "N", is_active=age % 2 == 0, created_at=moment)
            )
        for active, expected in ((None, ids), (True, ids[::2]), (False, ids[1::2])):
            listed = [character.id for character in await storage.characters(active=active)]
            assert [id for id in listed if id in ids] == expected

    async def test_unknown_ids_are_not_found(self, storage: Storage) -> None:
        """Reading, deleting and adding alike."""
        nobody = new_id()
        for call in (
            storage.character(nobody),
            storage.voice(nobody),
            storage.conversation(nobody),
            storage.cast(nobody),
            storage.delete_conversation(nobody),
            storage.recent_messages(nobody),
            storage.add_message(say(nobody)),
            storage.add_conversation(Conversation(new_id(), active_characters=[nobody])),
            storage.add_character(Character(new_id(), "N", voice=nobody)),
        ):
            with pytest.raises(NotFound):
                await call

    async def test_messages_keep_the_order_in_which_they_were_added(self, storage: Storage) -> None:
        """And the last n are the last n, oldest first."""
        conversation = await started(storage)
        for number in range(12):
            await storage.add_message(say(conversation, str(number)))
        assert await contents(storage, conversation) == [str(number) for number in range(12)]
        assert await contents(storage, conversation, 3) == ["9", "10", "11"]
        assert await contents(storage, conversation, 0) == []

    async def test_adding_the_same_message_again_changes_nothing(self, storage: Storage) -> None:
        """A retry is harmless."""
        message = say(await started(storage))
        await storage.add_message(message)
        await storage.add_message(message)
        assert await contents(storage, message.conversation_id) == [message.content]

    async def test_a_truer_version_takes_the_place_of_the_first(self, storage: Storage) -> None:
        """It stays where it was said, not where it was corrected."""
        conversation = await started(storage)
        first, second = say(conversation, "I never", "assistant"), say(conversation, "Wait!")
        for message in (first, second, evolve(first, interrupted=True, heard="I")):
            await storage.add_message(message)
        kept = await storage.recent_messages(conversation)
        assert [(m.content, m.interrupted, m.said) for m in kept] == [
            ("I never", True, "I"),
            ("Wait!", False, "Wait!"),
        ]

    async def test_a_message_stays_in_its_conversation(self, storage: Storage) -> None:
        """An id that is taken elsewhere is refused, and nothing moves."""
        message = say(await started(storage))
        other = await started(storage)
        await storage.add_message(message)
        with pytest.raises(AichatError):
            await storage.add_message(evolve(message, conversation_id=other))
        assert await contents(storage, other) == []
        assert await contents(storage, message.conversation_id) == [message.content]

    async def test_deleting_a_conversation_takes_its_messages(self, storage: Storage) -> None:
        """A new one under the same id is empty; others keep theirs."""
        gone, kept = await started(storage), await started(storage)
        await storage.add_message(message := say(gone))
        await storage.add_message(say(kept))
        await storage.delete_conversation(gone)
        with pytest.raises(NotFound):
            await storage.conversation(gone)
        await storage.add_conversation(Conversation(gone))
        assert await contents(storage, gone) == []
        assert len(await contents(storage, kept)) == 1
        await storage.add_message(message)

    async def test_the_newest_activity_comes_first(self, storage: Storage) -> None:
        """A message moves its conversation to the top; pages do not overlap."""
        ids = [await started(storage) for _ in range(4)]
        for number in (2, 0, 3, 1):
            await storage.add_message(say(ids[number]))
        pages = [await storage.conversations(2), await storage.conversations(2, 2)]
        listed = [c.conversation_id for page in pages for c in page]
        assert listed == [ids[number] for number in (1, 3, 0, 2)]
        assert await storage.conversations(0) == []

    async def test_the_user_names_the_conversation(self, storage: Storage) -> None:
        """Not a character, not silence; and only once."""
        conversation = await started(storage)
        for role, text in (("assistant", "Hi!"), ("user", "  "), ("user", "Why  is it\nraining?")):
            assert (await storage.conversation(conversation)).title is None
            await storage.add_message(Message(new_id(), conversation, role, text))  # type: ignore[arg-type]
        await storage.add_message(say(conversation, "Something else"))
        assert (await storage.conversation(conversation)).title == "Why is it raining?"

    @pytest.mark.parametrize("name", LONG)
    async def test_a_long_beginning_is_shortened(self, storage: Storage, name: str) -> None:
        """Titles are at most 60 letters, in whole words where there are any."""
        text = LONG[name]
        conversation = await started(storage)
        await storage.add_message(say(conversation, text))
        title = (await storage.conversation(conversation)).title
        assert title is not None
        assert 50 <= len(title) <= 60
        assert text.startswith(title.removesuffix("…"))
        assert " " not in text.strip()[:60] or title.removesuffix("…").endswith("word")

    @pytest.mark.parametrize("name", TEXTS)
    async def test_text_survives(self, storage: Storage, name: str) -> None:
        """Any text, in messages and names and free fields."""
        text = TEXTS[name]
        conversation = await started(storage)
        await storage.add_message(say(conversation, text))
        assert await contents(storage, conversation) == [text]
        character = Character(new_id(), text, text, extensions={text: [text]})
        await storage.add_character(character)
        assert plain(await storage.character(character.id)) == plain(character)

    async def test_a_megabyte_survives(self, storage: Storage) -> None:
        """A pasted book is a message too."""
        conversation, text = await started(storage), "A book. " * 131_072
        await storage.add_message(say(conversation, text))
        assert await contents(storage, conversation) == [text]

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

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # examples share the store, but no ids
            HealthCheck.differing_executors,  # each subclass runs it
            HealthCheck.too_slow,
        ],
    )
    @given(steps=st.lists(STEPS, max_size=30))
    async def test_any_program_comes_out_as_in_memory(
        self, storage: Storage, steps: list[Step]
    ) -> None:
        """Whatever is done in whatever order."""
        program = Program(storage)
        for step in steps:
            await program.run(step)
        await program.run(Step("list", 0, 0, "user", ""))
