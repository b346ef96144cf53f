"""What browsers and programs send as a form, with files or without."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException

from .decoding import BadBody, Mistake


async def read_form(request: Request[Any, Any, Any]) -> FormMultiDict:
    """Read a form. Raises :class:`BadBody` for one that cannot be read."""
    try:
        return await request.form()
    except (LookupError, UnicodeDecodeError):  # a part's charset is not known, or not kept to
        raise BadBody([Mistake("", "The form holds text that cannot be read.")]) from None
    except ClientException as error:
        if error.status_code != 400:
            raise
        raise BadBody([Mistake("", "It is no whole multipart/form-data.")]) from None


async def check_form(request: Request[Any, Any, Any]) -> None:
    """Read the form before Litestar does, whose errors would be ours."""
    await read_form(request)
