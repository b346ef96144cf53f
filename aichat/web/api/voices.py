"""Voices over REST, and the upload that clones one."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import JSONBody, MultipartBody

from aichat.core import Voice
from aichat.toolkit.voices.cloning import with_tokens_dropped
from aichat.web.application_state import App, ApplicationState
from aichat.web.schemas import records, voices
from aichat.web.schemas.decoding import BadBody, Mistake
from aichat.web.schemas.forms import check_form
from aichat.web.schemas.parameters import VoiceKey, VoiceName, errors
from aichat.web.schemas.records import out, outs
from aichat.web.schemas.settings import sent
from aichat.web.schemas.voices import require_key
from aichat.web.services.disconnects import while_there
from aichat.web.services.uploads import LIMIT_BYTES
from aichat.web.services.voice_previews import seeded

FORM_BYTES = LIMIT_BYTES + 200_000
"""The file, and room for the other fields of the form."""


class Voices(Controller):
    """How characters sound."""

    path = "/voices"
    tags = ("voices",)

    @get(operation_id="listVoices", responses=errors())
    async def everything(self, app: App) -> list[voices.Voice]:
        """All voices, oldest first."""
        return outs(voices.Voice, await app.storage.voices())

    @get("/{voice:str}", operation_id="getVoice", responses=errors(400, 404))
    async def one(self, app: App, voice: VoiceKey) -> voices.Voice:
        """One voice."""
        return out(voices.Voice, await app.storage.voice(voice))

    @post(operation_id="createVoice", responses=errors(400, 404, 409))
    async def add(self, app: App, data: JSONBody[voices.NewVoice]) -> voices.Voice:
        """Make a voice."""
        require_key(data.voice, "voice")
        return out(voices.Voice, await app.storage.add_voice(Voice(**sent(data))))

    @put("/{voice:str}", operation_id="changeVoice", responses=errors(400, 404))
    async def change(
        self, app: App, voice: VoiceKey, data: JSONBody[voices.VoiceChanges]
    ) -> voices.Voice:
        """Change the fields that are sent."""
        changed = with_tokens_dropped(sent(data))
        return out(voices.Voice, await app.storage.change_voice(voice, changed))

    @delete(
        "/{voice:str}", operation_id="deleteVoice", status_code=200, responses=errors(400, 404, 409)
    )
    async def remove(self, app: App, voice: VoiceKey) -> records.Deleted:
        """Remove a voice that no character uses."""
        await app.storage.delete_voice(voice)
        return records.Deleted(True, f"Voice {voice} was deleted.")

    @post(
        "/upload",
        operation_id="uploadVoice",
        before_request=check_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 409, 413),
    )
    async def upload(
        self,
        app: App,
        data: MultipartBody[voices.Upload],
        named: VoiceName = None,
    ) -> voices.Voice:
        """Clone a voice from a clip: wav, mp3, ogg, flac, webm or m4a, of at most 60 seconds.

        Its name stands in the form or in the address. Without a transcript, the clip is written
        down here. *consent* is `yes` when the speaker agreed; the time is then kept in the
        voice's settings.
        """
        words, agreed = data.transcript.strip(), data.consent == "yes"
        try:
            name = _name(data.voice_name, named)
            made = await app.uploads.clone(app.parts, name, data.file, words, consent=agreed)
        finally:
            await data.file.close()
        return out(voices.Voice, made)

    @post(
        "/clips",
        operation_id="uploadClip",
        before_request=check_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 413),
    )
    async def keep_clip(self, app: App, data: MultipartBody[voices.ClipUpload]) -> voices.KeptClip:
        """Keep a clip for a voice that is made later: it can be listened to, and tried, before.

        Name `audio_path` and `text_path` in that voice within a day; else the clip is swept.
        """
        try:
            kept = await app.uploads.keep(app.parts, data.file, data.transcript.strip())
        finally:
            await data.file.close()
        return out(voices.KeptClip, kept)

    @post(
        "/preview",
        operation_id="previewVoice",
        status_code=200,
        media_type="audio/wav",
        responses=errors(400, 404),
    )
    async def preview(
        self,
        request: Request[Any, Any, Any],
        app: App,
        data: JSONBody[voices.VoicePreview],
    ) -> Response[bytes]:
        """Say a sentence in a voice that is kept, or in one that is yet to be made: a wav file.

        The same again is answered from a cache; another *seed* gives another take.
        """
        voice = seeded(await _wanted(app, data), data.seed)
        work = partial(app.previews.speak, app.parts, voice, data.text)
        made = await while_there(request, work)
        return Response(made.wav, media_type="audio/wav", headers={"Cache-Control": "no-store"})


async def _wanted(app: ApplicationState, data: voices.VoicePreview) -> Voice:
    if data.voice is not None and data.draft is None:
        return await app.storage.voice(data.voice)
    if data.draft is not None and data.voice is None:
        return Voice(**sent(data.draft))
    raise BadBody([Mistake("voice", "Send either voice (a key) or draft (a voice's fields).")])


def _name(in_form: str | None, in_address: str | None) -> str:
    """Return what an uploaded voice is to be called. Raises BadValue."""
    if in_form is not None and in_address is not None and in_form != in_address:
        raise BadBody([Mistake("voice_name", "The form and the address name different voices.")])
    name = in_form if in_form is not None else in_address
    if name is None:
        raise BadBody([Mistake("voice_name", "It is missing.")])
    require_key(name, "voice_name")
    return name
