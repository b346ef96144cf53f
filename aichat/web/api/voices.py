"""Voices over REST, and the upload that clones one."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, delete, get, post, put
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.params import JSONBody, MultipartBody

from aichat.core import BadValue, Voice
from aichat.web.uploads import LIMIT_BYTES, Uploads
from aichat.web.values import sent

from . import schemas
from .bodies import BadBody, Mistake
from .params import VoiceKey, errors
from .reach import parts, storage
from .schemas import out, outs

FORM_BYTES = LIMIT_BYTES + 200_000
"""The file, and room for the other fields of the form."""


async def read_form(request: Request[Any, Any, Any]) -> None:
    """Read the form before Litestar does, whose errors would be ours."""
    try:
        await request.form()
    except (LookupError, UnicodeDecodeError):  # a part's charset is not known, or not kept to
        raise BadBody([Mistake("", "The form holds text that cannot be read.")]) from None
    except ClientException as error:
        if error.status_code != 400:
            raise
        raise BadBody([Mistake("", "It is no whole multipart/form-data.")]) from None


class Voices(Controller):
    """How characters sound."""

    path = "/voices"
    tags = ("voices",)

    @get(operation_id="listVoices", responses=errors())
    async def everything(self, state: State) -> list[schemas.Voice]:
        """All voices, oldest first."""
        return outs(schemas.Voice, await storage(state).voices())

    @get("/{voice:str}", operation_id="getVoice", responses=errors(400, 404))
    async def one(self, state: State, voice: VoiceKey) -> schemas.Voice:
        """One voice."""
        return out(schemas.Voice, await storage(state).voice(voice))

    @post(operation_id="createVoice", responses=errors(400, 404, 409))
    async def add(self, state: State, data: JSONBody[schemas.NewVoice]) -> schemas.Voice:
        """Make a voice."""
        require_key(data.voice, "voice")
        return out(schemas.Voice, await storage(state).add_voice(Voice(**sent(data))))

    @put("/{voice:str}", operation_id="changeVoice", responses=errors(400, 404))
    async def change(
        self, state: State, voice: VoiceKey, data: JSONBody[schemas.VoiceChanges]
    ) -> schemas.Voice:
        """Change the fields that are sent."""
        changed = sent(data)
        if changed.keys() & {"audio_path", "text_path"}:
            changed.setdefault("audio_tokens", None)  # they were made of the clip before
        return out(schemas.Voice, await storage(state).change_voice(voice, changed))

    @delete(
        "/{voice:str}", operation_id="deleteVoice", status_code=200, responses=errors(400, 404, 409)
    )
    async def remove(self, state: State, voice: VoiceKey) -> schemas.Deleted:
        """Remove a voice that no character uses."""
        await storage(state).delete_voice(voice)
        return schemas.Deleted(True, f"Voice {voice} was deleted.")

    @post(
        "/upload",
        operation_id="uploadVoice",
        before_request=read_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 409, 413),
    )
    async def upload(
        self,
        state: State,
        data: MultipartBody[schemas.Upload],
    ) -> schemas.Voice:
        """Clone a voice from a clip: wav, mp3, ogg, flac, webm or m4a, of at most 60 seconds.

        Without a transcript, the clip is written down here.
        """
        uploads: Uploads = state.uploads
        require_key(data.voice_name, "voice_name")
        words = data.transcript.strip()
        try:
            made = await uploads.clone(parts(state), data.voice_name, data.file, words)
        finally:
            await data.file.close()
        return out(schemas.Voice, made)


def require_key(key: str, field: str) -> None:
    """Refuse a key that would not fit into an address."""
    if key in (".", "..", "upload") or "/" in key or key != key.strip() or min(key) < " ":
        raise BadValue(
            f"{field} {key!r} cannot be a voice's key.",
            'Leave out "/" and line breaks, begin and end with a letter, and avoid "upload".',
            field,
        )
