"""Storage contract: conversations and messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from aichat.core.errors import BadValue, Conflict, NotFound
from aichat.core.ids import new_id
from aichat.core.models import Conversation, Message
from aichat.core.storage import Storage

from .helpers import PAST, contents, plain, say, somebody, started, unheard_of

LONG = {
    "words": "word " * 40,
    "one word": "a" * 200,
    "no spaces": "雨" * 90,
    "one letter too many": "x" * 61,
    "a long word and a short one": "y" * 60 + " z",
}


class ConversationExamples:
    """A part of the contract."""

    async def test_a_conversation_comes_back_as_it_was_added(self, storage: Storage) -> None:
        """Every field survives, and its characters keep their order."""
        ids = [await somebody(storage) for _ in range(3)][::-1]
        conversation = Conversation(new_id(), "A title", ids, {"model": "m", "top_p": 0.9})
        assert plain(await storage.add_conversation(conversation)) == plain(conversation)
        kept, cast = await storage.cast(conversation.conversation_id)
        assert plain(kept) == plain(conversation)
        assert plain(await storage.conversation(conversation.conversation_id)) == plain(kept)
        assert [character.id for character in cast] == ids

    async def test_adding_a_conversation_again_is_a_conflict(self, storage: Storage) -> None:
        """What is there stays as it is."""
        id = await started(storage, who := await somebody(storage))
        await storage.add_message(say(id))
        with pytest.raises(Conflict):
            await storage.add_conversation(Conversation(id, "Another"))
        assert list((await storage.conversation(id)).active_characters) == [who]
        assert len(await contents(storage, id)) == 1

    async def test_changing_a_conversation_changes_nothing_else(self, storage: Storage) -> None:
        """It is activity; settings are replaced as a whole."""
        who = await somebody(storage)
        made = Conversation(new_id(), "T", [who], {"a": 1, "b": [2]}, PAST, PAST)
        await storage.add_conversation(made)
        changed = await storage.change_conversation(made.conversation_id, {"settings": {"a": 3}})
        assert plain(changed) == plain(
            evolve(made, settings={"a": 3}, updated_at=changed.updated_at)
        )
        assert changed.updated_at > PAST
        assert plain(await storage.conversation(made.conversation_id)) == plain(changed)
        for field in ("conversation_id", "created_at", "messages"):
            with pytest.raises(BadValue):
                await storage.change_conversation(made.conversation_id, {field: new_id()})

    async def test_characters_join_and_leave(self, storage: Storage) -> None:
        """At the end of the cast, once each, and from any place in it."""
        first, second, third = [await somebody(storage) for _ in range(3)]
        id = await started(storage, first)
        for who in (second, third, second):
            conversation = await storage.join_conversation(id, who)
        assert list(conversation.active_characters) == [first, second, third]
        left = await storage.leave_conversation(id, second)
        assert list(left.active_characters) == [first, third]
        with pytest.raises(NotFound):
            await storage.leave_conversation(id, second)
        changed = await storage.change_conversation(id, {"active_characters": [third, second]})
        assert list(changed.active_characters) == [third, second]
        _, cast = await storage.cast(id)
        assert [character.id for character in cast] == [third, second]

    async def test_nobody_is_in_a_cast_twice(self, storage: Storage) -> None:
        """The refusal names the field."""
        id = await started(storage, who := await somebody(storage))
        with pytest.raises(BadValue) as caught:
            await storage.change_conversation(id, {"active_characters": [who, who]})
        assert caught.value.field == "active_characters"

    async def test_deleting_a_conversation_takes_its_messages(self, storage: Storage) -> None:
        """A new one under the same id is empty; others keep theirs."""
        gone, kept = await started(storage), await started(storage)
        await storage.add_message(message := say(gone, word := unheard_of()))
        await storage.add_message(say(kept))
        await storage.delete_conversation(gone)
        for call in (
            storage.conversation(gone),
            storage.delete_conversation(gone),
            storage.message(message.message_id),
            storage.recent_messages(gone, 0),
            storage.messages(gone, 0),
        ):
            with pytest.raises(NotFound):
                await call
        assert await storage.search_messages(word) == []
        await storage.add_conversation(Conversation(gone))
        assert await contents(storage, gone) == []
        assert len(await contents(storage, kept)) == 1
        await storage.add_message(message)

    async def test_the_newest_activity_comes_first(self, storage: Storage) -> None:
        """A message, a change and who joins move it to the top; pages do not overlap."""
        ids = [await started(storage) for _ in range(4)]
        await storage.add_message(say(ids[2]))
        await storage.change_conversation(ids[0], {"title": "Changed"})
        await storage.join_conversation(ids[3], await somebody(storage))
        await storage.add_messages([say(ids[1])])
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

    async def test_the_first_of_a_batch_names_the_conversation(self, storage: Storage) -> None:
        """A title that was given stays; one that was taken away comes again."""
        id = await started(storage)
        greeting = say(id, "Hello!", "assistant")
        await storage.add_messages([greeting, say(id, "First"), say(id, "Second")])
        assert (await storage.conversation(id)).title == "First"
        await storage.change_conversation(id, {"title": None})
        await storage.add_message(say(id, "Third"))
        assert (await storage.conversation(id)).title == "Third"

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


class MessageExamples:
    """A part of the contract."""

    async def test_a_message_comes_back_as_it_was_added(self, storage: Storage) -> None:
        """Every field survives."""
        message = Message(
            new_id(), await started(storage), "assistant", "All of it.", "Zoë",
            await somebody(storage), "turn-7", True, "All of", "voice", PAST,
            {"versions": [{"content": "All of it.", "heard": None}], "version": 0},
        )  # fmt: skip
        await storage.add_message(message)
        (kept,) = await storage.recent_messages(message.conversation_id)
        assert plain(kept) == plain(message)
        assert plain(await storage.message(message.message_id)) == plain(message)

    async def test_messages_keep_the_order_in_which_they_were_added(self, storage: Storage) -> None:
        """Whatever their times; and the last n are the last n, oldest first."""
        conversation = await started(storage)
        for number in range(12):
            made = PAST - timedelta(days=number)
            await storage.add_message(evolve(say(conversation, str(number)), created_at=made))
        assert await contents(storage, conversation) == [str(number) for number in range(12)]
        assert await contents(storage, conversation, 3) == ["9", "10", "11"]
        assert await contents(storage, conversation, 0) == []

    async def test_pages_go_on_where_the_last_one_ended(self, storage: Storage) -> None:
        """Forwards after a message, backwards before one, and by counting."""
        conversation = await started(storage)
        said = [say(conversation, str(number)) for number in range(7)]
        await storage.add_messages(said)
        ids = [message.message_id for message in said]

        async def forwards(*page: object) -> list[int]:
            found = await storage.messages(conversation, *page)  # type: ignore[arg-type]
            return [ids.index(message.message_id) for message in found]

        async def backwards(*page: object) -> list[int]:
            found = await storage.recent_messages(conversation, *page)  # type: ignore[arg-type]
            return [ids.index(message.message_id) for message in found]

        assert await forwards(3) == [0, 1, 2]
        assert await forwards(3, 0, ids[2]) == [3, 4, 5]
        assert await forwards(3, 1, ids[2]) == [4, 5, 6]
        assert await forwards(3, 5) == [5, 6]
        assert await forwards(3, 0, ids[6]) == []
        assert await backwards(3) == [4, 5, 6]
        assert await backwards(3, ids[4]) == [1, 2, 3]
        assert await backwards(3, ids[1]) == [0]
        assert await backwards(3, ids[0]) == []

    async def test_a_page_begins_in_its_own_conversation(self, storage: Storage) -> None:
        """A message of another one, or of none, is unknown there."""
        conversation, other = await started(storage), await started(storage)
        await storage.add_message(stranger := say(other))
        for id in (stranger.message_id, new_id()):
            with pytest.raises(NotFound):
                await storage.messages(conversation, after=id)
            with pytest.raises(NotFound):
                await storage.recent_messages(conversation, before=id)

    async def test_negative_and_huge_counts_are_harmless(self, storage: Storage) -> None:
        """They mean nothing, or all there is."""
        conversation = await started(storage)
        await storage.add_message(say(conversation, word := unheard_of()))
        for count, found in ((-1, 0), (0, 0), (10**30, 1)):
            assert len(await storage.recent_messages(conversation, count)) == found
            assert len(await storage.messages(conversation, count, -5)) == found
            assert len(await storage.search_messages(word, count, -5)) == found
            assert len(await storage.conversations(count, -5)) >= found
        assert await storage.messages(conversation, 5, 10**30) == []
        assert await storage.conversations(5, 10**30) == []

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
        """An id that is taken elsewhere is a conflict, and nothing moves."""
        message = say(await started(storage))
        other = await started(storage)
        await storage.add_message(message)
        moved = evolve(message, conversation_id=other)
        for call in (storage.add_message(moved), storage.add_messages([say(other), moved])):
            with pytest.raises(Conflict):
                await call
        assert await contents(storage, other) == []
        assert await contents(storage, message.conversation_id) == [message.content]

    async def test_a_deleted_message_leaves_the_others_in_order(self, storage: Storage) -> None:
        """It is found no more, its conversation stays where it was, and it may be said again."""
        conversation, newer = await started(storage), await started(storage)
        said = [say(conversation, f"{number} {unheard_of()}") for number in range(3)]
        await storage.add_messages(said)
        await storage.add_message(say(newer))
        await storage.delete_message(said[1].message_id)
        assert await contents(storage, conversation) == [said[0].content, said[2].content]
        assert await storage.search_messages(said[1].content) == []
        assert (await storage.conversations(1))[0].conversation_id == newer
        for call in (
            storage.message(said[1].message_id),
            storage.delete_message(said[1].message_id),
            storage.messages(conversation, after=said[1].message_id),
        ):
            with pytest.raises(NotFound):
                await call
        await storage.delete_message(said[2].message_id)
        await storage.add_messages([said[1], said[2]])
        assert await contents(storage, conversation) == [message.content for message in said]

    async def test_a_batch_is_added_as_a_whole(self, storage: Storage) -> None:
        """In order, in more than one conversation, with versions of known messages among them."""
        first, second = await started(storage), await started(storage)
        await storage.add_message(known := say(first, "old"))
        again = say(first, "b")
        await storage.add_messages(
            [say(first, "a"), again, say(second, "c"), evolve(known, content="new"),
             evolve(again, content="B")]
        )  # fmt: skip
        assert await contents(storage, first) == ["new", "a", "B"]
        assert await contents(storage, second) == ["c"]
        await storage.add_messages([])

    async def test_a_batch_with_one_that_is_refused_leaves_nothing(self, storage: Storage) -> None:
        """No message, no title, no activity, wherever the bad one is."""
        conversation, newer = await started(storage), await started(storage)
        await storage.add_message(known := say(newer))
        before = plain(await storage.conversation(conversation))
        nobody = evolve(say(conversation), character_id=new_id())
        twice = say(conversation)
        for bad in (
            [say(new_id())],
            [nobody],
            [evolve(known, conversation_id=conversation)],
            [twice, evolve(twice, conversation_id=newer)],
        ):
            for batch in ([say(conversation), *bad], [*bad, say(conversation)]):
                with pytest.raises((NotFound, Conflict)):
                    await storage.add_messages(batch)
        assert await contents(storage, conversation) == []
        assert plain(await storage.conversation(conversation)) == before


class SearchExamples:
    """A part of the contract."""

    async def test_a_search_finds_every_word_in_any_case(self, storage: Storage) -> None:
        """In any order, newest first, as whole words only."""
        word, id = unheard_of(), await started(storage)
        texts = [f"Tea, {word}!", f"{word.upper()}: no TEA today", f"teatime {word}", "Tea"]
        for day, text in enumerate(texts):
            message = say(id, text)
            await storage.add_message(evolve(message, created_at=PAST + timedelta(days=day)))
        assert await found(storage, f"tea {word}") == [texts[1], texts[0]]
        assert await found(storage, f"{word} Today") == [texts[1]]
        assert await found(storage, word, 2) == [texts[2], texts[1]]
        assert await found(storage, word, 2, 2) == [texts[0]]
        assert await found(storage, f"{word} coffee") == []

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("crème brûlée", "CRÈME Brûlée"),
            ("Привет, мир", "ПРИВЕТ"),
            ("שלום עולם", "עולם"),
            ("say “hello” now", '"hello" now'),
            ("it's state-of-the-art", "the 's art state-of"),
            ("AND OR NOT NEAR", "AND NOT"),
            ("a NEAR( b", "NEAR("),
            ("col:x y", "col:x"),
            ("two * two", "two *"),
            ("50% of_it; drop table", "50 of; it--"),
            ("mail me at zoe@example.com/x?y=1.5", "example.com zoe 1.5 x"),
            ("(brackets) {and} [more]", "brackets) {and [more"),
            ("haha🤣tea☕done🫠", "tea done haha"),
            ("👩‍👩‍👧‍👦family🏴󠁧󠁢󠁥󠁮󠁧󠁿", "family"),
            ("back\\slash ^caret +plus", "\\slash ^caret +plus"),
        ],
    )
    async def test_marks_only_separate_words(self, storage: Storage, text: str, query: str) -> None:
        """No language of queries shows through."""
        word = unheard_of()
        await storage.add_message(say(await started(storage), f"{text} {word}"))
        assert await found(storage, f"{query} {word}") == [f"{text} {word}"]
        assert await found(storage, f"{word} {query} missing") == []

    @pytest.mark.parametrize("query", ["", "  ", "*", '"', "-", "_", "()", "\0", "…", ":", "'"])
    async def test_nothing_is_found_without_a_word(self, storage: Storage, query: str) -> None:
        """Nor does it fail."""
        await storage.add_message(say(await started(storage), "* \" - _ () … : ' Hello"))
        assert await storage.search_messages(query) == []

    async def test_an_accent_makes_another_word(self, storage: Storage) -> None:
        """As it does in most languages."""
        word = unheard_of()
        await storage.add_message(say(await started(storage), f"résumé {word}"))
        assert await found(storage, f"resume {word}") == []

    async def test_a_search_finds_the_newest_version(self, storage: Storage) -> None:
        """And not the one before; it holds the whole message."""
        old, new = unheard_of(), unheard_of()
        message = say(await started(storage), f"I said {old}")
        await storage.add_message(message)
        await storage.add_message(truer := evolve(message, content=f"I said {new}"))
        assert await storage.search_messages(old) == []
        (hit,) = await storage.search_messages(new)
        assert plain(hit) == plain(truer)


async def found(storage: Storage, query: str, *page: int) -> list[str]:
    """Search; return what was said."""
    return [message.content for message in await storage.search_messages(query, *page)]
