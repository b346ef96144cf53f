"""Keeps secrets out of the log, and lines for each request unless at DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from aichat.core.redaction import RedactingFormatter

OF_REQUESTS = ("httpx", "httpx2", "openai", "openai._base_client", "uvicorn.access")
"""Loggers that write a line for each request, at INFO."""


class Demoted(logging.Filter):
    """Demotes INFO records to DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is still written at its new level."""
        if record.levelno == logging.INFO:
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        level = logging.getLogger(record.name).getEffectiveLevel()
        return record.levelno >= level


DEMOTED = Demoted()


def redact_logs() -> None:
    """Make every existing log handler redact secrets; call it again after handlers are added.

    Only handlers are changed; loggers and their levels stay as they are.
    """
    for handler in _handlers():
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter))
    for name in OF_REQUESTS:
        logging.getLogger(name).addFilter(DEMOTED)  # which counts once


def _handlers() -> Iterator[logging.Handler]:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in known:
        if isinstance(logger, logging.Logger):
            yield from logger.handlers
    if logging.lastResort:
        yield logging.lastResort
