"""Error frames that a user can act on; they reveal no internals."""

from __future__ import annotations

from aichat.core import AichatError
from aichat.web.schemas import server_frames


def error_message(error: Exception, stage: str | None = None) -> server_frames.ErrorOut:
    """Return the frame for an error; for errors not ours it names only the type."""
    if isinstance(error, AichatError):
        return server_frames.ErrorOut(
            message=error.line, code=error.code, stage=stage, retryable=error.retryable
        )
    where = f"The {stage} stage" if stage else "The server"
    return server_frames.ErrorOut(
        message=f"{where} failed ({type(error).__name__}). The server's log says more.",
        code="internal",
        stage=stage,
    )


def stage_of(handler: str) -> str:
    """Return the name of the plug-in that a handler belongs to."""
    parts = handler.split(".")
    return parts[2] if handler.startswith(("aichat.stages.", "aichat.plugins.")) else parts[0]
