"""Storage contract: values that are kept unchanged, values that are refused, settings."""

from __future__ import annotations

from typing import Any

import pytest

from aichat.core.errors import BadValue, NotFound
from aichat.core.ids import new_id
from aichat.core.models import Character, Conversation, Voice
from aichat.core.storage import Storage

from .helpers import contents, plain, say, somebody, started

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 done 🫠",
    "right to left": "שלום עולם, ‏مرحبا بالعالم",
    "combining": "e\u0301 ä ﷽ \u200b\ufeff",
    "quotes": "'; drop table messages; -- \"\\ % _",
    "braces": '{"a": [1]} ${x} {{ y }} %(z)s',
    "lines": "one\r\ntwo\n\n\tthree\u2028four",
    "controls": "\x01\x08\x1b[31m\x7f\x85\ufffe\uffff",
    "empty": "",
}

NUMBERS = [0, -1, 2**53, -(2**63), 2**63 - 1, 0.1, -2.5e-7, 1e15, True, False, None]

UNCLEAN = ("\0", "a\0b", "\ud800", "\udc00 low", "half \ud83d")


class ValueExamples:
    """A part of the contract."""

    @pytest.mark.parametrize("name", TEXTS)
    async def test_text_survives(self, storage: Storage, name: str) -> None:
        """Any text, in messages and names and free fields."""
        text = TEXTS[name]
        conversation = await started(storage)
        await storage.add_message(say(conversation, text))
        assert await contents(storage, conversation) == [text]
        character = Character(new_id(), text, text, extensions={text: [text]}, images=[text])
        await storage.add_character(character)
        assert plain(await storage.character(character.id)) == plain(character)
        await storage.add_voice(voice := Voice(f"{text} {new_id()}", settings={text: {text: 1}}))
        assert plain(await storage.voice(voice.voice)) == plain(voice)

    async def test_numbers_survive(self, storage: Storage) -> None:
        """And stay whole or broken; true and false stay themselves."""
        conversation = Conversation(new_id(), settings={"numbers": NUMBERS})
        await storage.add_conversation(conversation)
        kept = (await storage.conversation(conversation.conversation_id)).settings["numbers"]
        assert list(kept) == NUMBERS
        assert [type(number) for number in kept] == [type(number) for number in NUMBERS]

    async def test_a_megabyte_survives(self, storage: Storage) -> None:
        """A pasted book is a message too, and so is one without a space in it."""
        conversation = await started(storage)
        book, wall = "A book. " * 131_072, "雨" * 349_525
        await storage.add_message(say(conversation, book))
        await storage.add_messages([say(conversation, wall)])
        assert await contents(storage, conversation) == [book, wall]

    @pytest.mark.parametrize("dirt", UNCLEAN, ids=ascii)
    async def test_what_cannot_be_stored_is_refused(self, storage: Storage, dirt: str) -> None:
        """In every field, also deep in the free ones; nothing changes."""
        id, conversation = await somebody(storage), await started(storage)
        await storage.add_voice(Voice(voice := new_id()))
        before = await storage.settings()
        for call in (
            storage.change_character(id, {"name": dirt}),
            storage.change_character(id, {"extensions": {"a": [{"b": dirt}]}}),
            storage.change_character(id, {"extensions": {"a": {dirt: 1}}}),
            storage.change_character(id, {"images": ["/a.png", dirt]}),
            storage.change_voice(voice, {"settings": {dirt: None}}),
            storage.change_conversation(conversation, {"title": dirt}),
            storage.change_conversation(conversation, {"settings": {"model": dirt}}),
            storage.change_settings({f"a {new_id()}": [dirt]}),
            storage.change_settings({dirt: 1}),
        ):
            with pytest.raises(BadValue):
                await call
        assert (await storage.character(id)).extensions == {}
        assert await storage.settings() == before

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**70, b"x", {1}, {1: 2}, ...])
    async def test_what_is_not_json_is_refused(self, storage: Storage, value: Any) -> None:
        """It could not come back."""
        id = await somebody(storage)
        for call in (
            storage.change_character(id, {"extensions": {"a": [value]}}),
            storage.change_settings({f"a {new_id()}": value}),
        ):
            with pytest.raises(BadValue):
                await call

    @pytest.mark.parametrize("id", ["", "nonsense", "x" * 3000, "%", "'", "a/b", "\0", "\ud800"])
    async def test_odd_ids_are_unknown(self, storage: Storage, id: str) -> None:
        """Or a bad value; they never break anything."""
        conversation = await started(storage, await somebody(storage))
        for call in (
            storage.character(id),
            storage.change_character(id, {}),
            storage.delete_character(id),
            storage.voice(id),
            storage.change_voice(id, {}),
            storage.delete_voice(id),
            storage.clip(id),
            storage.conversation(id),
            storage.cast(id),
            storage.change_conversation(id, {}),
            storage.join_conversation(id, id),
            storage.join_conversation(conversation, id),
            storage.leave_conversation(id, id),
            storage.leave_conversation(conversation, id),
            storage.delete_conversation(id),
            storage.message(id),
            storage.delete_message(id),
            storage.messages(id),
            storage.messages(conversation, after=id),
            storage.recent_messages(id),
            storage.recent_messages(conversation, before=id),
        ):
            with pytest.raises((NotFound, BadValue)):
                await call


class SettingsExamples:
    """A part of the contract."""

    async def test_settings_are_kept_by_name(self, storage: Storage) -> None:
        """What is not mentioned stays; null takes away."""
        one, two = f"contract {new_id()}", f"contract {new_id()}"
        assert one not in await storage.settings()
        await storage.change_settings({one: {"deep": [1, None, "é"]}, two: "text"})
        everything = await storage.change_settings({two: False})
        assert everything[one] == {"deep": [1, None, "é"]}
        assert everything[two] is False
        assert await storage.settings() == everything
        left = await storage.change_settings({one: None, two: None})
        assert not {one, two} & set(left)
        assert await storage.settings() == left
