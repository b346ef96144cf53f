"""The forms of the page Voices: the values they hold, and the voice they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, evolve, field
from litestar.datastructures import FormMultiDict

from aichat.core import BadValue, Parts, Storage, Voice
from aichat.core.models import Method
from aichat.toolkit.voices.cloning import with_tokens_dropped
from aichat.web.schemas.decoding import fill
from aichat.web.schemas.settings import sent
from aichat.web.schemas.voices import SENTENCE, NewVoice, require_key
from aichat.web.services.uploads import Uploads, consented, keep_words
from aichat.web.services.voice_previews import Previews, seeded

from . import forms, takes
from .forms import Problems, Values
from .takes import Take

FIELDS = (
    *("voice", "speaker_desc", "scene_prompt", "text", "audio_path", "transcript", "consent"),
    "stock",
)
MEANT = ("speaker_desc", "scene_prompt", "audio_path", "transcript", "seed", "stock")
"""What of a form describes the voice."""
FIELD = {
    "audio_path": "audio_path",
    "transcript": "text_path",
    "seed": "settings",
    "stock": "settings",
}
"""The field of a voice that another one of the form changes."""
UNNAMED = "A voice without a name"
"""What a voice is called while it is tried before anybody has named it."""


@define
class VoiceForm:
    """*values* as they were typed; *seed* of the chosen take; *known* is the voice being edited.

    *drawn* is what the page showed of *known* when it was drawn.
    """

    method: Method
    values: Values
    seed: int | None = None
    takes: Sequence[Take] = ()
    problems: Problems = field(factory=dict)
    known: Voice | None = None
    drawn: Values = field(factory=dict)

    @classmethod
    def blank(cls, method: Method) -> VoiceForm:
        """Begin anew."""
        return cls(method, {**dict.fromkeys(FIELDS, ""), "text": SENTENCE})

    @classmethod
    async def of(cls, storage: Storage, voice: Voice, engine: str = "") -> VoiceForm:
        """Begin with a voice that is there; *engine* is the one whose own voices can be chosen."""
        words = await storage.clip(voice.text_path) if voice.text_path else b""
        values = {
            "voice": voice.voice,
            "speaker_desc": voice.speaker_desc,
            "scene_prompt": voice.scene_prompt,
            "text": SENTENCE,
            "audio_path": voice.audio_path or "",
            "transcript": words.decode(errors="replace"),
            "consent": "on" if voice.settings.get("consent") else "",
            "stock": f"{engine} {stock_of(voice, engine)}".strip(),
        }
        seed = voice.settings.get("seed")
        form = cls(voice.method, values, seed if isinstance(seed, int) else None, known=voice)
        form.drawn = form.shown()
        return form

    @classmethod
    def read(cls, method: Method, form: FormMultiDict, known: Voice | None = None) -> VoiceForm:
        """Read what was sent."""
        values = forms.texts(form, FIELDS)
        if known:
            values["voice"] = known.voice
        chosen = forms.whole(forms.text(form, "seed"))
        heard, drawn = takes.read(forms.all_texts(form, "take")), forms.drawn(form, MEANT)
        return cls(method, values, chosen, heard, known=known, drawn=drawn)

    def shown(self) -> Values:
        """Return what the fields of the voice show now, each as one text.

        The field of the engine's own voices is there only while an engine has some.
        """
        values = {**self.values, "seed": "" if self.seed is None else str(self.seed)}
        return {name: values[name] for name in MEANT if values[name] or name != "stock"}

    async def take_in(self, uploads: Uploads, parts: Parts, form: FormMultiDict) -> None:
        """Keep the clip that came with the form, and write down what is said in it."""
        sent_file = forms.file(form, "file")
        if sent_file is None:
            return
        try:
            clip = await uploads.keep(parts, sent_file, self.values["transcript"])
        finally:
            await sent_file.close()
        self.values |= {"audio_path": clip.audio_path, "transcript": clip.transcript}
        self.takes = ()

    async def voice(self, storage: Storage) -> Voice:
        """Return the voice that it would be. Raises BadValue, which names what is wrong."""
        wanted: dict[str, Any] = {
            "voice": self.values["voice"] or UNNAMED,
            "method": self.method,
            "speaker_desc": self.values["speaker_desc"],
            "scene_prompt": self.values["scene_prompt"],
        }
        if self.method == "clone":
            if not self.values["audio_path"]:
                raise BadValue("There is no clip yet.", "Choose a file, or record one.", "file")
            wanted["audio_path"] = self.values["audio_path"]
            wanted["text_path"] = await keep_words(storage, self.values["transcript"])
        require_key(wanted["voice"], "voice")
        made = Voice(**sent(fill(wanted, NewVoice)))
        settings = with_stock(self.known.settings if self.known else {}, self.values["stock"])
        return seeded(evolve(made, settings=settings), self.seed)

    async def hear(self, previews: Previews, parts: Parts, *, another: bool) -> None:
        """Add a take; *another* makes one with a new seed."""
        if another:
            used = [one.seed for one in self.takes if one.seed is not None]
            self.seed = max([*used, self.seed or 0]) + 1
        made = await previews.speak(parts, await self.voice(parts.storage), self.values["text"])
        self.takes = takes.added(self.takes, Take(self.seed, made.key))

    async def save(self, storage: Storage) -> Voice:
        """Keep the voice. Raises BadValue and Conflict."""
        if not self.values["voice"]:
            raise BadValue("It needs a name.", "Write one that you will know it by.", "voice")
        if self.method == "clone" and not self.values["consent"]:
            raise BadValue(
                "The speaker's consent is missing.",
                "Ask the person who is heard in the clip, then tick the box.",
                "consent",
            )
        made = await self.voice(storage)
        if self.method == "clone" and "consent" not in made.settings:
            made = evolve(made, settings={**made.settings, **consented()})
        if self.known is None:
            return await storage.add_voice(made)
        return await storage.change_voice(made.voice, self._changes(self.known, made))

    def _changes(self, known: Voice, made: Voice) -> dict[str, Any]:
        """Return what the user has changed: the page may be older than the voice."""
        meant = [name for name, text in self.shown().items() if self.drawn.get(name) != text]
        names = {FIELD.get(name, name) for name in meant}
        if "consent" in made.settings.keys() - known.settings.keys():
            names.add("settings")
        changes = {name: getattr(made, name) for name in names}
        is_same = all(getattr(known, name) == value for name, value in changes.items())
        return changes if is_same else with_tokens_dropped(changes)

    async def stale(self, previews: Previews, parts: Parts) -> set[str]:
        """Return the keys of the takes that were made with other values than the form holds now."""
        if not self.takes:
            return set()
        voice, text = await self.voice(parts.storage), " ".join(self.values["text"].split())
        now = {previews.key(parts, seeded(voice, take.seed), text) for take in self.takes}
        return {take.key for take in self.takes} - now


def stock_of(voice: Voice, engine: str) -> str:
    """Return the name of the engine's own voice that a voice's settings ask for; else ""."""
    given = voice.settings.get(engine, "")
    name = given.get("voice", "") if isinstance(given, Mapping) else given
    return name if isinstance(name, str) else ""


def with_stock(settings: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """Return settings with an engine's own voice; *chosen* is "ENGINE VOICE", "ENGINE" or ""."""
    engine, _, name = chosen.partition(" ")
    given = settings.get(engine)
    others = {key: value for key, value in settings.items() if key != engine}
    if isinstance(given, Mapping):
        kept = {key: value for key, value in given.items() if key != "voice"}
        return {**others, engine: {**kept, "voice": name} if name else kept}
    return {**others, engine: name} if name else others
