"""What goes wrong, in words that a user can act on; nothing of ours leaks."""

from __future__ import annotations

from aichat.core import AichatError
from aichat.web.schemas import server_frames


def error_message(error: Exception, stage: str | None = None) -> server_frames.ErrorOut:
    """Put an error into words that a user can act on; nothing of ours leaks."""
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
    """Name the plug-in that a handler belongs to."""
    parts = handler.split(".")
    return parts[2] if handler.startswith(("aichat.stages.", "aichat.plugins.")) else parts[0]
