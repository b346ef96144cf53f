"""Redacts secrets in all that people read: errors, logs, pages, the doctor's report.

Addresses hold them as ``https://user:password@host`` and ``?api_key=…``. All our errors and every
line of the log pass :func:`redacted`; what shows an address by itself uses :func:`shown_url`.
"""

from __future__ import annotations

import logging
import re

LOGIN = re.compile(
    r"(?<=://)(?!USER:PASSWORD@)"  # which an example says
    r"(?:[^\s/?#\"'<>@]{0,500}@"  # up to the first @ of the authority
    r"|[^\s/?#\"'<>@:]{0,200}:(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>]{0,500}@"  # a password as it is
    r")[^\s/?#\"'<>@]{0,500}@?"
)
NAMES = (
    r"[\w.\-]{0,40}(?:key|token|secret|passw(?:or)?d|pwd|auth|signature|sig|credentials?|session)"
)
QUERY = re.compile(rf"([?&;]{NAMES}=)[^\s&;#\"'<>]+", re.IGNORECASE)
WORDS = re.compile(
    r"((?<![\w])(?:password|passwd|pwd)=)(?!\.\.\.)[^\s&;,\"']+"  # of a database's address
    r"|(\bBearer\s+)[\w.~+/=\-]{8,}"
    r"|(\bsk-)[\w\-]{8,}"
)
LONGEST = 100_000
"""Most letters of a text; the rest is cut off."""


def redacted(text: str) -> str:
    """Return *text* without the credentials that its addresses hold."""
    text = text[:LONGEST]
    if "://" in text:
        text = LOGIN.sub(_without_login, text)
    text = QUERY.sub(r"\1…", text)
    return WORDS.sub(lambda found: f"{found[1] or found[2] or found[3]}…", text)


def _without_login(found: re.Match[str]) -> str:
    return found[0].rpartition("@")[2]


def shown_url(url: object) -> str:
    """Return an address as people may see it: without a login and without a query."""
    text = re.split(r"[?#]", redacted(str(url)), maxsplit=1)[0]
    return text if "://" in text else text.rpartition("@")[2]


class RedactingFormatter(logging.Formatter):
    """Redacts secrets in what another formatter writes, tracebacks included."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return redacted(self.inner.format(record))
