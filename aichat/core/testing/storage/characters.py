"""Storage contract: characters, voices and clips."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from attrs import evolve

from aichat.core.errors import BadValue, Conflict, NotFound
from aichat.core.ids import new_id
from aichat.core.models import Character, Conversation, Message, Voice
from aichat.core.storage import Storage

from .helpers import PAST, plain, say, somebody, started, unheard_of


class CharacterExamples:
    """A part of the contract."""

    async def test_a_character_comes_back_as_it_was_added(self, storage: Storage) -> None:
        """Every field survives, also the free ones; adding returns it too."""
        await storage.add_voice(Voice(voice := new_id()))
        character = Character(
            new_id(), "Zoë", "You are Zoë.", voice, "/z.png", ["/1.png", "/2.png"], False,
            "Hi!", "some/model", 0.5, {"tags": ["a"], "deep": {"x": None}}, PAST, PAST,
        )  # fmt: skip
        assert plain(await storage.add_character(character)) == plain(character)
        assert plain(await storage.character(character.id)) == plain(character)
        assert plain(character) in [plain(one) for one in await storage.characters()]

    async def test_an_id_is_made_of_the_name_and_a_number(self, storage: Storage) -> None:
        """Similar names share a slug, so the numbers distinguish them."""
        word = unheard_of()
        names = [f"Olivia {word}", f"olivia  {word.upper()}!", f"Ólivia {word}"]
        added = [await storage.add_character(Character("", name)) for name in names]
        assert [one.id for one in added] == [f"olivia-{word}-00{n}" for n in (1, 2, 3)]
        assert [one.name for one in added] == names
        for one in added:
            assert plain(await storage.character(one.id)) == plain(one)

    async def test_an_id_is_never_given_twice(self, storage: Storage) -> None:
        """A deleted character's id does not come back; those that were chosen count as well."""
        word = unheard_of()
        first = (await storage.add_character(Character("", word))).id
        await storage.delete_character(first)
        assert (await storage.add_character(Character("", word))).id == f"{word}-002"
        await storage.add_character(Character(f"{word}-041", "By hand"))
        await storage.delete_character(f"{word}-041")
        assert (await storage.add_character(Character("", word))).id == f"{word}-042"

    async def test_adding_a_character_again_is_a_conflict(self, storage: Storage) -> None:
        """What is there stays as it is."""
        id = await somebody(storage, "One")
        with pytest.raises(Conflict):
            await storage.add_character(Character(id, "Two"))
        assert (await storage.character(id)).name == "One"

    async def test_changing_a_character_changes_nothing_else(self, storage: Storage) -> None:
        """The whole record comes back, with a new time."""
        before = await storage.add_character(
            Character(new_id(), "Zoë", greeting="Hi", created_at=PAST, updated_at=PAST)
        )
        changed = await storage.change_character(before.id, {"greeting": None, "is_active": False})
        expected = evolve(before, greeting=None, is_active=False, updated_at=changed.updated_at)
        assert plain(changed) == plain(expected)
        assert changed.updated_at > PAST
        assert plain(await storage.character(before.id)) == plain(changed)

    @pytest.mark.parametrize("field", ["id", "created_at", "updated_at", "nonsense"])
    async def test_some_fields_of_a_character_stay(self, storage: Storage, field: str) -> None:
        """The error names the field, and nothing changes."""
        before = await storage.add_character(Character(new_id(), "Zoë"))
        with pytest.raises(BadValue) as caught:
            await storage.change_character(before.id, {"name": "Chloë", field: before.id})
        assert caught.value.field == field
        assert plain(await storage.character(before.id)) == plain(before)

    async def test_characters_are_listed_oldest_first(self, storage: Storage) -> None:
        """In whatever order they were added; active and inactive ones can be listed apart."""
        ids = [new_id() for _ in range(4)]
        for age in (2, 0, 3, 1):
            moment = PAST + timedelta(days=age)
            await storage.add_character(
                Character(ids[age], "N", is_active=age % 2 == 0, created_at=moment)
            )
        for active, expected in ((None, ids), (True, ids[::2]), (False, ids[1::2])):
            listed = [character.id for character in await storage.characters(active=active)]
            assert [id for id in listed if id in ids] == expected

    async def test_a_deleted_character_leaves_its_words_behind(self, storage: Storage) -> None:
        """It leaves every cast; its messages keep its name, and refer to no character."""
        gone, stays = await somebody(storage, "Gone"), await somebody(storage, "Stays")
        conversation = await started(storage, gone, stays)
        for id, name in ((gone, "Gone"), (stays, "Stays")):
            spoken = say(conversation, f"I am {name}", "assistant")
            await storage.add_message(evolve(spoken, name=name, character_id=id))
        await storage.delete_character(gone)
        with pytest.raises(NotFound):
            await storage.character(gone)
        _, cast = await storage.cast(conversation)
        assert [character.id for character in cast] == [stays]
        kept = await storage.recent_messages(conversation)
        assert [(m.name, m.character_id) for m in kept] == [("Gone", None), ("Stays", stays)]

    async def test_a_deleted_character_may_come_back(self, storage: Storage) -> None:
        """With its id, if it brings it; what was said before is not its own again."""
        id = await somebody(storage)
        conversation = await started(storage, id)
        await storage.add_message(evolve(say(conversation), character_id=id))
        await storage.delete_character(id)
        await storage.add_character(Character(id, "Back"))
        _, cast = await storage.cast(conversation)
        assert list(cast) == []
        (kept,) = await storage.recent_messages(conversation)
        assert kept.character_id is None


class VoiceExamples:
    """A part of the contract."""

    async def test_a_voice_comes_back_as_it_was_added(self, storage: Storage) -> None:
        """Every field survives, also the free ones."""
        audio, text = await a_clip(storage, "wav"), await a_clip(storage, "txt")
        voice = Voice(
            new_id(), "clone", "warm", "a quiet room", audio, text, [[1, 2], [3, 4]],
            {"speed": 1.25, "nested": {"list": [1, None, "é"]}}, PAST, PAST,
        )  # fmt: skip
        assert plain(await storage.add_voice(voice)) == plain(voice)
        assert plain(await storage.voice(voice.voice)) == plain(voice)

    async def test_voices_are_listed_oldest_first(self, storage: Storage) -> None:
        """Whatever the order in which they were added."""
        keys = [new_id() for _ in range(3)]
        for age in (2, 0, 1):
            await storage.add_voice(Voice(keys[age], created_at=PAST + timedelta(days=age)))
        listed = [voice.voice for voice in await storage.voices()]
        assert [key for key in listed if key in keys] == keys

    async def test_adding_a_voice_again_is_a_conflict(self, storage: Storage) -> None:
        """What is there stays as it is."""
        await storage.add_voice(Voice(key := new_id(), speaker_desc="high"))
        with pytest.raises(Conflict):
            await storage.add_voice(Voice(key, speaker_desc="low"))
        assert (await storage.voice(key)).speaker_desc == "high"

    async def test_changing_a_voice_changes_nothing_else(self, storage: Storage) -> None:
        """Cached reference codes come and go."""
        before = await storage.add_voice(Voice(new_id(), settings={"a": 1}, updated_at=PAST))
        changed = await storage.change_voice(before.voice, {"audio_tokens": [[7], [8]]})
        assert plain(changed)["audio_tokens"] == [[7], [8]]
        assert changed.updated_at > PAST
        back = await storage.change_voice(before.voice, {"audio_tokens": None})
        assert plain(back) == plain(evolve(before, updated_at=back.updated_at))
        with pytest.raises(BadValue):
            await storage.change_voice(before.voice, {"voice": "another"})

    async def test_a_voice_in_use_stays(self, storage: Storage) -> None:
        """The error names the characters that use it; without any, it can be deleted."""
        await storage.add_voice(Voice(key := f"Voice {new_id()}"))
        zoe = await somebody(storage, "Zoë", voice=key)
        tom = await somebody(storage, "Tom", voice=key)
        with pytest.raises(Conflict) as caught:
            await storage.delete_voice(key)
        assert "Zoë" in caught.value.line
        assert "Tom" in caught.value.line
        await storage.change_character(zoe, {"voice": None})
        await storage.delete_character(tom)
        await storage.delete_voice(key)
        with pytest.raises(NotFound):
            await storage.voice(key)

    async def test_a_clip_is_kept_under_its_hash(self, storage: Storage) -> None:
        """Adding it again changes nothing, and another extension is another clip."""
        data = new_id().encode() + bytes(range(256)) * 40
        key = await storage.add_clip(data, "wav")
        assert key == f"{sha256(data).hexdigest()}.wav"
        assert await storage.add_clip(data, "wav") == key
        assert await storage.clip(key) == data
        assert (await storage.add_clip(data, "mp3")).endswith(".mp3")
        assert await storage.clip(await storage.add_clip(b"", "txt")) == b""

    @pytest.mark.parametrize("extension", ["", "WAV", ".wav", "../x", "a" * 9, "wäv", "wav\n"])
    async def test_an_extension_is_plain(self, storage: Storage, extension: str) -> None:
        """It becomes part of a file's name, or of an address."""
        with pytest.raises(BadValue):
            await storage.add_clip(b"data", extension)

    async def test_a_clip_goes_with_the_last_voice_that_has_it(self, storage: Storage) -> None:
        """Not before, and also when a voice takes another clip."""
        shared, own, text = [await a_clip(storage, end) for end in ("wav", "wav", "txt")]
        first, second = new_id(), new_id()
        await storage.add_voice(Voice(first, audio_path=shared, text_path=text))
        await storage.add_voice(Voice(second, audio_path=shared))
        await storage.delete_voice(first)
        assert await storage.clip(shared)
        with pytest.raises(NotFound):
            await storage.clip(text)
        await storage.change_voice(second, {"audio_path": own})
        with pytest.raises(NotFound):
            await storage.clip(shared)
        assert await storage.clip(own)

    async def test_a_clip_that_a_character_shows_stays(self, storage: Storage) -> None:
        """Also when the last voice that had it goes."""
        face, other = await a_clip(storage, "webp"), await a_clip(storage, "webp")
        pictures = {"image_url": f"/images/{face}", "images": ["/a.png", f"/images/{other}"]}
        await storage.change_character(await somebody(storage), pictures)
        await storage.add_voice(Voice(voice := new_id(), audio_path=face, text_path=other))
        await storage.delete_voice(voice)
        assert await storage.clip(face)
        assert await storage.clip(other)

    async def test_a_clip_that_a_message_shows_stays(self, storage: Storage) -> None:
        """As long as the message is there."""
        picture, conversation = await a_clip(storage, "webp"), await started(storage)
        for words, is_kept in ((f"Look: ![a cat](/images/{picture})!", True), ("No more.", False)):
            message = Message(new_id(), conversation, "user", words)
            await storage.add_message(message)
            await storage.add_clip(await storage.clip(picture), "webp")
            await storage.add_voice(Voice(voice := new_id(), audio_path=picture))
            await storage.delete_voice(voice)
            if is_kept:
                assert await storage.clip(picture)
                await storage.delete_message(message.message_id)
        with pytest.raises(NotFound):
            await storage.clip(picture)

    async def test_a_clip_that_is_gone_may_come_again(self, storage: Storage) -> None:
        """As after an upload that is done once more."""
        key = await storage.add_clip(data := new_id().encode(), "wav")
        await storage.add_voice(Voice(voice := new_id(), audio_path=key))
        await storage.delete_voice(voice)
        assert await storage.add_clip(data, "wav") == key
        assert await storage.clip(key) == data

    async def test_references_to_nothing_are_refused(self, storage: Storage) -> None:
        """To voices, clips, characters and conversations; nothing is left behind."""
        nobody, voice, there = new_id(), Voice(new_id()), await somebody(storage)
        await storage.add_voice(voice)
        conversation = await started(storage)
        refused = Character(new_id(), "N", voice=nobody), Voice(new_id(), audio_path="0.wav")
        for call in (
            storage.add_character(refused[0]),
            storage.change_character(there, {"voice": nobody}),
            storage.add_voice(refused[1]),
            storage.change_voice(voice.voice, {"text_path": "../../etc/passwd"}),
            storage.add_conversation(Conversation(nobody, active_characters=[there, new_id()])),
            storage.change_conversation(conversation, {"active_characters": [there, nobody]}),
            storage.join_conversation(conversation, nobody),
            storage.leave_conversation(conversation, there),
            storage.add_message(evolve(say(conversation), character_id=nobody)),
            storage.add_message(say(nobody)),
        ):
            with pytest.raises(NotFound):
                await call
        for gone in (
            storage.character(refused[0].id),
            storage.voice(refused[1].voice),
            storage.conversation(nobody),
        ):
            with pytest.raises(NotFound):
                await gone
        assert (await storage.character(there)).voice is None
        assert (await storage.voice(voice.voice)).text_path is None
        assert list((await storage.conversation(conversation)).active_characters) == []
        assert await storage.recent_messages(conversation) == []


async def a_clip(storage: Storage, extension: str) -> str:
    """Add a clip that no other test has; return its key."""
    return await storage.add_clip(new_id().encode(), extension)
