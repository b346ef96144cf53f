"""Pictures of characters and in messages over REST."""

from __future__ import annotations

from litestar import Controller, post
from litestar.params import MultipartBody

from aichat.web.application_state import App
from aichat.web.schemas import voices
from aichat.web.schemas.forms import check_form
from aichat.web.schemas.parameters import errors
from aichat.web.services.uploads.pictures import LIMIT_BYTES

FORM_BYTES = LIMIT_BYTES + 100_000


class Images(Controller):
    """Pictures that characters may have, and messages show."""

    path = "/images"
    tags = ("characters",)

    @post(
        operation_id="uploadImage",
        before_request=check_form,
        request_max_body_size=FORM_BYTES,
        responses=errors(400, 413),
    )
    async def add(self, app: App, data: MultipartBody[voices.PictureUpload]) -> voices.Picture:
        """Keep a picture: PNG, JPEG or WebP.

        It is made anew, at most 512 pixels a side; for use in a message 1600. Within a day, name
        its address in a character's `image_url` or `images`, or show it in a message:
        `![what it shows](/images/…)`; else it is swept.
        """
        try:
            return voices.Picture(await app.pictures.keep(app.storage, data.file, data.use))
        finally:
            await data.file.close()
