"""The form of a character's page: the values it holds, and the character they describe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field
from litestar.datastructures import FormMultiDict

from aichat.core import BadValue, Character, NotFound, Storage, Voice
from aichat.web.schemas.decoding import BadBody, Mistake, fill
from aichat.web.schemas.records import NewCharacter
from aichat.web.schemas.settings import sent
from aichat.web.services.cards.card_import import free_name
from aichat.web.services.picture_origin import check_pictures
from aichat.web.services.uploads import Pictures

from . import forms
from .forms import Problems, Values

FIELDS = (
    *("name", "system_prompt", "greeting", "voice", "new_voice", "model", "temperature"),
    *("talkativeness", "extensions", "image_url", "say"),
)
MEANT = {
    **{name: name for name in FIELDS if name not in ("say", "new_voice", "talkativeness")},
    **{"new_voice": "voice", "talkativeness": "extensions"},
    **{"is_active": "is_active", "images": "images"},
}
"""What of the character a field of the form is."""
NEW_VOICE = "/new"
"""The choice of a voice that is described in the form; no key holds a "/"."""
MOST_PICTURES = 12
TRY = "What would you do on a rainy Sunday?"


@define
class CharacterForm:
    """*values* as they were typed; *known* is the character being edited."""

    values: Values
    is_active: bool = True
    images: Sequence[str] = ()
    problems: Problems = field(factory=dict)
    known: Character | None = None
    drawn: Values = field(factory=dict)
    """What the page showed when it was drawn first, by field."""
    answer: str = ""
    heard: str = ""
    """The address of what the voice said last."""

    @classmethod
    def blank(cls) -> CharacterForm:
        """Begin anew."""
        return cls({**dict.fromkeys(FIELDS, ""), "voice": NEW_VOICE, "say": TRY})

    @classmethod
    def of(cls, who: Character) -> CharacterForm:
        """Begin with a character that is there."""
        extensions = dict(who.extensions)
        talkative = extensions.pop("talkativeness", "")
        if isinstance(talkative, bool) or not isinstance(talkative, int | float | str):
            talkative = ""  # cards hold anything there; the form would not take it back
        values = {
            "name": who.name,
            "system_prompt": who.system_prompt,
            "greeting": who.greeting or "",
            "voice": who.voice or "",
            "new_voice": "",
            "model": who.model or "",
            "temperature": "" if who.temperature is None else f"{who.temperature:g}",
            "talkativeness": str(talkative),
            "extensions": json.dumps(extensions, indent=2, ensure_ascii=False)
            if extensions
            else "",
            "image_url": who.image_url or "",
            "say": TRY,
        }
        images = list(dict.fromkeys([*([who.image_url] if who.image_url else []), *who.images]))
        form = cls(values, who.is_active, images, known=who)
        form.drawn = form.shown()
        return form

    @classmethod
    def read(cls, form: FormMultiDict, known: Character | None = None) -> CharacterForm:
        """Read what was sent."""
        images = list(dict.fromkeys(forms.all_texts(form, "images")))
        is_active = bool(forms.text(form, "is_active"))
        drawn = forms.drawn(form, MEANT)
        return cls(forms.texts(form, FIELDS), is_active, images, known=known, drawn=drawn)

    def shown(self) -> Values:
        """Return what the fields of the character show now, each as one text."""
        others = {"is_active": "on" if self.is_active else "", "images": "\n".join(self.images)}
        return {name: {**self.values, **others}[name] for name in MEANT}

    def changed(self) -> set[str]:
        """Name the fields that the user has changed: the page may be older than the character."""
        return {name for name, text in self.shown().items() if self.drawn.get(name) != text}

    # -- pictures ----------------------------------------------------------------------------

    async def take_in(self, pictures: Pictures, storage: Storage, form: FormMultiDict) -> None:
        """Keep the picture that came with the form; the first one is the face."""
        file = forms.file(form, "file")
        if file is None:
            return
        try:
            if len(self.images) >= MOST_PICTURES:
                raise BadValue("There are too many pictures.", "Remove one.", "file")
            address = await pictures.keep(storage, file)
        finally:
            await file.close()
        self.images = list(dict.fromkeys([*self.images, address]))
        self.values["image_url"] = self.values["image_url"] or address

    def take_out(self, address: str) -> None:
        """Let go of a picture."""
        self.images = [one for one in self.images if one != address]
        if self.values["image_url"] == address:
            self.values["image_url"] = self.images[0] if self.images else ""

    # -- what comes of it --------------------------------------------------------------------

    def fields(self) -> dict[str, Any]:
        """Return the fields of the character. Raises :class:`BadBody`, which names what is wrong.

        The voice is left out: it may have to be made first.
        """
        values, mistakes = self.values, list[Mistake]()
        wanted: dict[str, Any] = {
            "name": values["name"],
            "system_prompt": values["system_prompt"],
            "greeting": values["greeting"] or None,
            "model": values["model"] or None,
            "temperature": forms.number(values["temperature"]),
            "image_url": values["image_url"] or None,
            "images": list(self.images),
            "is_active": self.is_active,
            "extensions": self._extensions(mistakes),
        }
        try:
            filled = fill(wanted, NewCharacter)
        except BadBody as error:
            raise BadBody([*error.mistakes, *mistakes]) from None
        if mistakes:
            raise BadBody(mistakes)
        check_pictures(wanted, self.known)
        return {name: value for name, value in sent(filled).items() if name != "voice"}

    def _extensions(self, mistakes: list[Mistake]) -> Mapping[str, Any]:
        changed = self.changed()
        if self.known and "extensions" not in changed:
            given: dict[str, Any] = dict(self.known.extensions)
            if "talkativeness" not in changed:
                return given
        else:
            given = self._written(mistakes)
        talkative = forms.number(self.values["talkativeness"])
        if talkative is None:
            return {key: value for key, value in given.items() if key != "talkativeness"}
        if isinstance(talkative, str) or not 0 <= talkative <= 1:
            mistakes.append(Mistake("talkativeness", "Write a number from 0 to 1."))
        return {**given, "talkativeness": talkative}

    def _written(self, mistakes: list[Mistake]) -> dict[str, Any]:
        given: Any = {}
        try:
            given = json.loads(self.values["extensions"] or "{}")
        except (ValueError, RecursionError) as error:
            at = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            mistakes.append(Mistake("extensions", f"This is not JSON{at}. Correct or empty it."))
        if not isinstance(given, dict):
            mistakes.append(Mistake("extensions", 'Write an object, as {"key": "value"}.'))
            given = {}
        written: dict[str, Any] = given
        return written

    async def voice(self, storage: Storage) -> Voice:
        """Return how it would sound: the chosen voice, the one described here, or the engine's."""
        name = self.values["name"] or "Somebody"
        if self.values["voice"] == NEW_VOICE:
            return Voice(name, speaker_desc=self.values["new_voice"])
        return await storage.voice(self.values["voice"]) if self.values["voice"] else Voice(name)

    def draft(self) -> Character:
        """Return the character as far as the form describes it, for a try-out without a name."""
        known = self.values["name"]
        self.values["name"] = known or "Somebody"
        try:
            return Character(self.known.id if self.known else "", **self.fields())
        finally:
            self.values["name"] = known

    async def save(self, storage: Storage) -> Character:
        """Keep what was changed of the character, and first the voice that is described with it."""
        fields = self.fields()
        wanted = {MEANT[name] for name in self.changed()} if self.known else {"voice", *fields}
        fields = {name: value for name, value in fields.items() if name in wanted}
        if "voice" in wanted:
            fields["voice"] = await self._kept_voice(storage, self.values["name"])
        try:
            if self.known is None:
                return await storage.add_character(Character("", **fields))
            return await storage.change_character(self.known.id, fields)
        except NotFound:
            raise BadValue(
                "This voice is no longer there.", "Choose another one.", "voice"
            ) from None

    async def _kept_voice(self, storage: Storage, name: str) -> str | None:
        chosen = self.values["voice"]
        if chosen != NEW_VOICE:
            return chosen or None
        if not self.values["new_voice"]:
            return None  # nothing was said about how it sounds: the engine's own
        voice = await self.voice(storage)
        taken = {one.voice for one in await storage.voices()}
        free = free_name(name.replace("/", "-"), taken)
        return (await storage.add_voice(evolve(voice, voice=free))).voice
