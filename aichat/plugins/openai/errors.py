"""Why a server did not answer, in words of ours: what most likely is the cause, and how to mend it.

What the server said is repeated only where it answered something else than a reply, as a page to
log in: the title, or the sentence that gives the reason. All else can hold the key or the chat.
"""

from __future__ import annotations

import errno
import html
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from urllib.parse import urlsplit

from aichat.core.redaction import redacted, shown_url

MOST_CAUSES = 32
UNREACHABLE = {
    errno.ENETUNREACH: "the network is unreachable",
    errno.EHOSTUNREACH: "the host is unreachable",
}
LONGEST_REASON = 500
"""Letters of what the server says that are looked at, for each thing that it says."""
SAYS = ("message", "msg", "error", "detail", "type", "code", "param", "loc", "reason")
"""Where the bodies of errors say what is wrong; elsewhere they may repeat the chat."""
REASONS = ("message", "msg", "error", "detail", "error_description", "reason", "title")
LONGEST_QUOTE = 200
TITLE = re.compile(r"<title[^<>]{0,200}>([^<>]{1,500})</title", re.IGNORECASE)
TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window)|maximum context|exceeds? the (?:available )?context"
    r"|prompt is too long|too many (?:input |prompt )?tokens|input is too long",
    re.IGNORECASE,
)


class StreamError(Exception):
    """The server reported an error within its stream; *body* is what it said."""

    def __init__(self, body: object) -> None:
        super().__init__("the server reported an error")
        self.body = body if isinstance(body, Mapping) else {"message": str(body)}


class NoReply(StreamError):
    """The server answered with JSON that is no reply, in place of a stream."""


class WebPage(Exception):
    """A page came in place of an answer; *text* is how it begins."""

    def __init__(self, text: str = "") -> None:
        super().__init__("a web page came")
        self.text = text


def status_of(error: Exception) -> int | None:
    """Find the HTTP status of an error, or the code of one in the middle of a stream."""
    status = getattr(error, "status_code", None)
    if status is None and isinstance(body := getattr(error, "body", None), Mapping):
        status = body.get("code")
    return int(str(status)) if str(status).isdecimal() and len(str(status)) == 3 else None


def is_lost(error: Exception) -> bool:
    """Return whether the connection failed; a wait that was too long is none of that."""
    names = _kinds(error)
    return bool(names & {"APIConnectionError", "TransportError"}) and not is_late(error)


def is_late(error: Exception) -> bool:
    """Return whether the client waited for too long."""
    return bool(_kinds(error) & {"APITimeoutError", "TimeoutException", "TimeoutError"})


def is_late_to_connect(error: Exception) -> bool:
    """Return whether not even a connection was made in time."""
    return any("ConnectTimeout" in _kinds(cause) for cause in causes(error))


def _kinds(error: BaseException) -> set[str]:
    """Name the classes: those of the library may come from httpx, or from what follows it."""
    return {kind.__name__ for kind in type(error).__mro__}


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from."""
    waiting, seen = [error], 0
    while waiting and seen < MOST_CAUSES:
        one = waiting.pop(0)
        seen += 1
        yield one
        waiting += [*getattr(one, "exceptions", ())]
        waiting += [origin for origin in (one.__cause__ or one.__context__,) if origin is not None]


def said(error: Exception) -> str:
    """Return what the server gives as the reason, for us to look at; never to be shown."""
    return " ".join(_said(getattr(error, "body", None) or _message(error), 0))


def quoted(error: Exception, key: str) -> str:
    """Return what a server that sent no reply gives as the reason, to be shown; perhaps nothing."""
    if isinstance(error, WebPage):
        title = TITLE.search(error.text)
        words = html.unescape(title[1]) if title else ""
    else:
        words = next(_reasons(getattr(error, "body", None), 0), "")
    words = redacted(words.replace(key, "…") if key else words)
    words = " ".join("".join(one if one.isprintable() else " " for one in words).split())
    return words if len(words) <= LONGEST_QUOTE else f"{words[:LONGEST_QUOTE].rstrip()} …"


def _reasons(body: object, depth: int) -> Iterator[str]:
    """Yield the sentences that say why, without what they repeat of the request."""
    if isinstance(body, str) and body.strip():
        yield body[:LONGEST_REASON]
    elif isinstance(body, Mapping) and depth < 5:
        for name in REASONS:
            yield from _reasons(body.get(name), depth + 1)
    elif isinstance(body, list | tuple) and depth < 5:
        for one in body[:20]:
            yield from _reasons(one, depth + 1)


def _message(error: Exception) -> str:
    return str(getattr(error, "message", "") or "")


def _said(body: object, depth: int) -> Iterator[str]:
    if isinstance(body, str | int):
        yield str(body)[:LONGEST_REASON]
    elif isinstance(body, Mapping) and depth < 5:
        for name in SAYS:
            yield from _said(body.get(name), depth + 1)
    elif isinstance(body, list | tuple) and depth < 5:
        for one in body[:20]:
            yield from _said(one, depth + 1)


def is_too_long(error: Exception) -> bool:
    """Return whether the model cannot read that much."""
    return status_of(error) in (None, 400, 413, 422, 500) and bool(TOO_LONG.search(said(error)))


def wait_of(error: Exception) -> float:
    """Return how long the server asks to be left alone, in seconds; 0 if it does not ask."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    given = headers.get("retry-after")
    if (seconds := _number(given)) is not None:
        return seconds
    try:
        until = parsedate_to_datetime(str(given))
    except ValueError:
        return 0.0  # neither a number nor a date: it says nothing
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _number(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return max(0.0, number) if isfinite(number) else None


# -- no connection ---------------------------------------------------------------------------


def unreachable(error: Exception, what: str, base_url: str, table: str) -> tuple[str, str] | None:
    """Say why no connection was made, and how to mend it; None if that is not known."""
    where = urlsplit(base_url)
    host = where.hostname or ""
    place = where.netloc.rpartition("@")[2]
    setting = f"base_url in {table} ({shown_url(base_url)})"
    for cause in causes(error):
        if isinstance(cause, ConnectionRefusedError):
            problem = f"The {what} at {place} refuses the connection: nothing listens there."
            return problem, f"Is its server running? Start it, or correct {setting}."
        if isinstance(cause, socket.gaierror):
            return f"The host {host} is not known.", f"Check {setting}, and the network."
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message or "it cannot be verified"
            problem = f"The certificate of {host} is not trusted ({reason})."
            mend = f"Check {setting}, or name the file of its authority in SSL_CERT_FILE."
            return problem, mend
        if isinstance(cause, ssl.SSLError):
            problem = f"The server at {place} does not speak TLS as it should."
            return problem, f"Write http:// for https:// if it has none: {setting}."
        if isinstance(cause, OSError) and cause.errno in UNREACHABLE:
            problem = f"There is no way to {host} ({UNREACHABLE[cause.errno]})."
            return problem, f"Check the network, or {setting}."
    return None
