"""Programs of storage calls, made up by hypothesis: they must come out as in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from attrs import evolve, frozen
from hypothesis import strategies as st

from aichat.core.errors import BadValue, Conflict, NotFound
from aichat.core.ids import new_id
from aichat.core.memory_storage import MemoryStorage
from aichat.core.models import Character, Conversation, Message, Role, Voice, slug
from aichat.core.storage import Adjusts, Storage

from .helpers import PAST, plain, unheard_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
SCALAR = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | TEXT
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
STEPS = 50
WORDS = ("tea", "Tea!", "TEATIME", "café", "CAFÉ", "x-y", "(x)", "мир", "Мир", "42", "雨", "a.b")
NAMES = ("Olivia Barns", "olivia  barns", "Ölivia Barns", "Olivia Barns 001", "雨")


@frozen
class Step:
    """One call. Numbers choose among known records, or an unknown one; see ``_pick``."""

    do: str
    which: int
    other: int
    number: int
    role: Role
    text: str
    free: dict[str, Any]


def steps() -> st.SearchStrategy[list[Step]]:
    """Make up programs."""
    calls = [name for name in vars(Program) if name.startswith("do_")]
    often = [*["do_say"] * 4, *["do_say_many"] * 2, *["do_search"] * 2]
    return st.lists(  # a failing one shrinks to steps that do nothing
        st.builds(
            Step,
            st.sampled_from(calls + often),
            st.integers(0, 20),
            st.integers(0, 20),
            st.integers(-1, 6),
            st.sampled_from(["user", "assistant", "system"]),
            TEXT | st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
            st.dictionaries(TEXT, JSON, max_size=2),
        ),
        min_size=STEPS // 2,
        max_size=STEPS,
    )


class Program:
    """Does the same with the store under test and with the model, and compares the answers.

    The store may hold other records: ours carry a unique word.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage, self._model = storage, MemoryStorage()
        self._ours = unheard_of()
        self._made = 0
        # what there has been; deleted ones stay, and are unknown like any other
        self._characters: list[str] = []
        self._voices: list[str] = []
        self._clips: list[str] = []
        self._conversations: list[str] = []
        self._messages: list[Message] = []

    async def run(self, program: Sequence[Step]) -> None:
        """Take the steps, look at everything, and clean up."""
        try:
            await self._begin()
            for step in program:
                await getattr(self, step.do)(step)
            await self._look()
        finally:
            await self._clean_up()
        await self._look()

    async def _begin(self) -> None:
        """Fill the store a little."""
        first = Step("do_nothing", 0, 1, 3, "user", "tea", {})
        await self.do_add_clip(first)
        await self.do_add_voice(evolve(first, other=0))
        for which in (0, 1):
            await self.do_add_character(evolve(first, which=which, other=which * 3 + 1))
        for title in ("tea", "x-y"):
            await self.do_add_conversation(evolve(first, which=1, number=2, text=title))
            await self.do_say_many(evolve(first, which=1))

    async def do_nothing(self, step: Step) -> None:
        """Take no step."""

    # -- characters --------------------------------------------------------------------------

    async def do_add_character(self, step: Step) -> None:
        name = f"{self._ours} {NAMES[step.which % len(NAMES)]}"
        id = f"{slug(name)}-{step.number:03}" if step.number > 4 else ""
        voice = self._pick(self._voices, step.other) if step.other % 3 else None
        made = Character(
            id, name, step.text, voice, images=[step.text], is_active=step.other % 2 == 0,
            temperature=step.number / 4, extensions=step.free, created_at=self._moment(),
        )  # fmt: skip
        if added := await self._both("add_character", made):
            self._characters.append(added["id"])

    async def do_change_character(self, step: Step) -> None:
        changes: dict[str, Any] = {
            "name": f"{self._ours} {step.text}",
            "voice": self._pick(self._voices, step.other) if step.number % 2 else None,
            "extensions": step.free,
            "is_active": step.other % 2 == 0,
            "temperature": step.number,
            "created_at": PAST,
        }
        await self._both("change_character", self._character(step), _one(changes, step))

    async def do_delete_character(self, step: Step) -> None:
        await self._both("delete_character", self._character(step))

    async def do_character(self, step: Step) -> None:
        await self._both("character", self._character(step))

    # -- voices and clips --------------------------------------------------------------------

    async def do_add_voice(self, step: Step) -> None:
        key = f"Voice {step.which % 4} {self._ours}"
        path = self._pick(self._clips, step.other) if step.number % 2 else None
        made = Voice(
            key, "clone" if path else "description", step.text, "", path, None,
            [[step.number, 2], [3]] if step.number > 2 else None, step.free, self._moment(),
        )  # fmt: skip
        if await self._both("add_voice", made):
            self._voices.append(key)

    async def do_change_voice(self, step: Step) -> None:
        clip = self._pick(self._clips, step.other)
        changes: dict[str, Any] = {
            "audio_path": clip, "text_path": clip, "settings": step.free, "speaker_desc": step.text,
            "audio_tokens": [[step.number]], "voice": "another",
        }  # fmt: skip
        await self._both("change_voice", self._voice(step), _one(changes, step))

    async def do_silence_voice(self, step: Step) -> None:
        silent = {"audio_path": None, "text_path": None}
        await self._both("change_voice", self._voice(step), silent)

    async def do_delete_voice(self, step: Step) -> None:
        await self._both("delete_voice", self._voice(step))

    async def do_add_clip(self, step: Step) -> None:
        data = f"{self._ours} {step.which % 3}".encode()
        self._clips.append(await self._both("add_clip", data, "wav" if step.other % 4 else "txt"))

    async def do_clip(self, step: Step) -> None:
        await self._both("clip", self._pick(self._clips, step.which))

    # -- conversations -----------------------------------------------------------------------

    async def do_add_conversation(self, step: Step) -> None:
        again = step.which % 5 == 0 and self._conversations
        id = self._pick(self._conversations, step.which) if again else new_id()
        moment = self._moment()
        title = step.text if step.number > 4 else None
        made = Conversation(id, title, self._some_cast(step), step.free, moment, moment)
        if await self._both("add_conversation", made) and id not in self._conversations:
            self._conversations.append(id)

    async def do_change_conversation(self, step: Step) -> None:
        changes: dict[str, Any] = {
            "title": step.text if step.other % 3 else None,
            "active_characters": self._some_cast(step),
            "settings": step.free,
            "updated_at": PAST,
        }
        await self._both("change_conversation", self._conversation(step), _one(changes, step))

    async def do_adjust_conversation(self, step: Step) -> None:
        if isinstance(self._storage, Adjusts):
            given = {"a": step.number, step.text: None if step.other % 2 else step.free}
            changes = {"title": step.text} if step.number > 3 else {}
            await self._both("adjust_conversation", self._conversation(step), given, changes)

    async def do_join(self, step: Step) -> None:
        who = self._pick(self._characters, step.other)
        await self._both("join_conversation", self._conversation(step), who)

    async def do_leave(self, step: Step) -> None:
        who = self._pick(self._characters, step.other)
        await self._both("leave_conversation", self._conversation(step), who)

    async def do_delete_conversation(self, step: Step) -> None:
        await self._both("delete_conversation", self._conversation(step))

    async def do_cast(self, step: Step) -> None:
        await self._both("cast", self._conversation(step))

    # -- messages ----------------------------------------------------------------------------

    async def do_say(self, step: Step) -> None:
        self._messages.append(self._say(step))
        await self._both("add_message", self._messages[-1])

    async def do_say_again(self, step: Step) -> None:
        if self._messages:
            await self._both("add_message", await self._truer(step))

    async def do_say_many(self, step: Step) -> None:
        batch: list[Message] = []
        for number in range(step.number):
            if self._messages and step.which % 3 == 0 and step.other % step.number == number:
                batch.append(await self._truer(step))
            batch.append(self._say(evolve(step, text=step.text[number:])))
        if batch and step.other % 2:
            batch.append(evolve(batch[-1], content=f"twice {self._ours}"))
        self._messages += batch
        await self._both("add_messages", batch)

    async def do_unsay(self, step: Step) -> None:
        await self._both("delete_message", self._message(step))

    async def do_message(self, step: Step) -> None:
        await self._both("message", self._message(step))

    async def do_recent(self, step: Step) -> None:
        before = self._message(step) if step.role == "user" else None
        await self._both("recent_messages", self._conversation(step), step.number, before)

    async def do_page(self, step: Step) -> None:
        after = self._message(step) if step.role == "user" else None
        page = step.number, step.which % 4, after
        await self._both("messages", self._conversation(step), *page)

    async def do_search(self, step: Step) -> None:
        query = f"{step.text} {self._ours.upper()}"
        await self._both("search_messages", query, step.number * 10, step.which % 3)

    def _say(self, step: Step) -> Message:
        who = self._pick(self._characters, step.other) if step.other % 3 == 0 else None
        words = f"{step.text} {self._ours}" if step.other % 4 else step.text
        where = self._conversation(step)
        made = self._moment()
        return Message(
            new_id(), where, step.role, words, "N", who, "t", created_at=made, extensions=step.free
        )

    async def _truer(self, step: Step) -> Message:
        """Another version of what was said; now and then in the wrong conversation."""
        version = self._messages[step.other % len(self._messages)]
        where = self._conversation(step) if step.number == 0 else version.conversation_id
        heard = f"{self._ours} {step.text}"
        # what is later in its conversation is younger: so "newest first" means the same to all
        is_kept = await _outcome(self._model.message(version.message_id)) is not Refused
        made = version.created_at if is_kept else self._moment()
        return evolve(
            version, conversation_id=where, content=heard, interrupted=True, heard=heard,
            created_at=made,
        )  # fmt: skip

    # -- settings ----------------------------------------------------------------------------

    async def do_set(self, step: Step) -> None:
        changes = {f"{self._ours} {key}": value for key, value in step.free.items()}
        changes[f"{self._ours} {step.which % 3}"] = step.text if step.other % 3 else None
        for storage in (self._storage, self._model):
            await storage.change_settings(changes)
        assert await self._settings(self._storage) == await self._settings(self._model)

    async def _settings(self, storage: Storage) -> dict[str, Any]:
        return {k: v for k, v in (await storage.settings()).items() if k.startswith(self._ours)}

    # -- choosing ----------------------------------------------------------------------------

    def _pick(self, keys: Sequence[str], which: int) -> str:
        """Choose one of *keys*, or a stranger."""
        place = which % (len(keys) + 1)
        return keys[place] if place < len(keys) else new_id()

    def _character(self, step: Step) -> str:
        return self._pick(self._characters, step.which)

    def _voice(self, step: Step) -> str:
        return self._pick(self._voices, step.which)

    def _conversation(self, step: Step) -> str:
        return self._pick(self._conversations, step.which)

    def _message(self, step: Step) -> str:
        return self._pick([message.message_id for message in self._messages], step.other)

    def _some_cast(self, step: Step) -> list[str]:
        if not self._characters:
            return []
        count = max(step.number, 0) % 4
        places = [(step.other + n) % len(self._characters) for n in range(count)]
        return [self._characters[place] for place in dict.fromkeys(places)]

    def _moment(self) -> datetime:
        self._made += 1
        return PAST + timedelta(seconds=self._made)

    # -- comparing ---------------------------------------------------------------------------

    async def _both(self, call: str, *arguments: Any) -> Any:
        """Do it in both; return the answer, or None where both refuse."""
        real = await _outcome(getattr(self._storage, call)(*arguments))
        expected = await _outcome(getattr(self._model, call)(*arguments))
        assert real == expected, (call, arguments)
        return None if real is Refused else real

    async def _look(self) -> None:
        """Compare all that there is of ours, in its order."""
        for kind, ours in (("characters", self._characters), ("voices", self._voices)):
            listed = [_seen(one) for one in await getattr(self._storage, kind)()]
            listed = [one for one in listed if _key(one) in ours]
            assert listed == [_seen(one) for one in await getattr(self._model, kind)()]
        for id in await self._list_conversations():
            await self._both("cast", id)
            await self._both("recent_messages", id, 1000)
            await self._both("messages", id, 1000)
        assert await self._settings(self._storage) == await self._settings(self._model)

    async def _list_conversations(self) -> list[str]:
        """Compare the order of ours; return it."""
        known = [c.conversation_id for c in await self._model.conversations(1000)]
        listed: list[str] = []
        offset = 0
        while offset < 100_000 and (page := await self._storage.conversations(100, offset)):
            listed += [c.conversation_id for c in page]
            offset += 100
        assert [id for id in listed if id in set(self._conversations)] == known
        return known

    async def _clean_up(self) -> None:
        """Leave nothing, whatever came of it."""
        nothing = dict.fromkeys(await self._settings(self._storage))
        for storage in (self._storage, self._model):
            for id in self._conversations:
                await _outcome(storage.delete_conversation(id))
            for id in self._characters:
                await _outcome(storage.delete_character(id))
            for key in self._voices:
                await _outcome(storage.delete_voice(key))
            await storage.change_settings(nothing)


class Refused:
    """The result of an invalid call. Where two things are wrong, either may be raised."""


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        result = await call
    except (NotFound, Conflict, BadValue):
        return Refused
    return _seen(result)


def _seen(result: Any) -> Any:
    """Show an answer without what each store knows best: when it was changed."""
    if isinstance(result, Sequence) and not isinstance(result, (str, bytes)):
        return [_seen(one) for one in result]
    if not attrs.has(type(result)):
        return result
    return {name: value for name, value in plain(result).items() if name != "updated_at"}


def _key(shown: dict[str, Any]) -> str:
    return str(shown["id"] if "id" in shown else shown["voice"])


def _one(changes: dict[str, Any], step: Step) -> dict[str, Any]:
    """Choose one of the changes, or two."""
    names = list(changes)
    chosen = {names[step.number % len(names)], names[step.which % len(names)]}
    return {name: changes[name] for name in names if name in chosen}
