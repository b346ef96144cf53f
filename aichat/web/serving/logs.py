"""What stands in the log: no secrets, and no line for each request unless somebody debugs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from aichat.core.redaction import Discreet

OF_REQUESTS = ("httpx", "httpx2", "openai", "openai._base_client", "uvicorn.access")
"""Loggers that write a line for each request, as INFO."""


class Demoted(logging.Filter):
    """Makes DEBUG of INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written all the same."""
        if record.levelno == logging.INFO:
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        level = logging.getLogger(record.name).getEffectiveLevel()
        return record.levelno >= level


DEMOTED = Demoted()


def redact_logs() -> None:
    """Let every handler that there is leave secrets out; may be called again when there are more.

    Only the ways out are touched: who writes to the log, and at which level, is left as it is.
    """
    for handler in _handlers():
        if not isinstance(handler.formatter, Discreet):
            handler.setFormatter(Discreet(handler.formatter))
    for name in OF_REQUESTS:
        logging.getLogger(name).addFilter(DEMOTED)  # which counts once


def _handlers() -> Iterator[logging.Handler]:
    known = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in known:
        if isinstance(logger, logging.Logger):
            yield from logger.handlers
    if logging.lastResort:
        yield logging.lastResort
