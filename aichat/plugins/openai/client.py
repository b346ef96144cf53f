"""The client that the OpenAI-compatible recogniser, language model and voice share.

It follows no redirect, keeps its key to the server that the key is for, and turns whatever the
library raises into a sentence of ours, which repeats nothing of a server that answers as it should:
that can hold the key or the chat. Of one that sends no reply it repeats the reason.
"""

from __future__ import annotations

import importlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from attrs import define, field

from aichat.core import AichatError, BackendFailed, CannotStart, TimedOut
from aichat.core.redaction import shown_url
from aichat.toolkit.bounded_http import ASK, MB, bounds
from aichat.toolkit.network import is_this_machine

from .errors import (
    NoReply,
    StreamError,
    WebPage,
    is_late,
    is_late_to_connect,
    is_lost,
    is_too_long,
    quoted,
    status_of,
    unreachable,
    wait_of,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

IDLE_SECONDS = 300.0
"""How long a connection is kept for the next turn, which then needs no new handshake."""
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.25
"""The pause before a second try, unless the server asks for a longer one."""
LONGEST_WAIT = 3.0
"""A server that wants to be asked again later than this, in seconds, is not."""

OPENAI = "https://api.openai.com"
OPENROUTER = "https://openrouter.ai"
OPENROUTER_KEY = "OPENROUTER_API_KEY"
VARIABLES = {OPENROUTER: OPENROUTER_KEY, OPENAI: "OPENAI_API_KEY"}
PORTS = {"http": 80, "https": 443}

LARGEST = {"/audio/transcriptions": MB, "/audio/speech": 256 * MB, "/models": 16 * MB, "": 64 * MB}
"""How many bytes an answer may have, by the end of its path."""
BOUND = "Check base_url in plugins.toml."

PROBLEMS = {
    400: ("The {what} refused the request (400).", "Check {table}, or begin a new conversation."),
    401: (
        "The key was refused (401).",
        "Put a valid {variable}=... into .env, see {table}.",
    ),
    402: ("There is no credit left for the {what} (402).", "Buy credit, or change model."),
    403: ("The {what} may not answer this (403).", "Say it differently, or change model."),
    404: (
        "The server does not know the model (404).",
        "Check model and base_url in {table} ({url}).",
    ),
    408: ("The {what} took too long (408).", "Try again."),
    413: ("That is too long for the {what} (413).", "Begin a new conversation."),
    429: ("Too many requests to the {what} (429).", "Wait a moment, or change model."),
    503: (
        "The {what} is overloaded, or still being loaded (503).",
        "Wait a moment, or choose another model.",
    ),
}


@define(eq=False)
class Server:
    """One server, as one *part* sees it; *what* it is called in messages. Times are in seconds.

    *key_origin* is where the key belongs; empty: where *base_url* is, but for OpenRouter's key.
    """

    part: str
    what: str
    base_url: str = field(repr=shown_url)
    api_key: str = field(repr=False)
    key_origin: str = field(repr=shown_url)
    seconds: float
    """The longest silence of the server; the part's own limits are shorter."""
    client: Any = field(default=None, init=False, repr=False)

    @property
    def host(self) -> str:
        """The name of the machine."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_here(self) -> bool:
        """It is on this machine: it costs nothing and needs no key."""
        return is_this_machine(self.host)

    async def open(self, uses: str) -> None:
        """Make the client, and load the part of the library that it *uses*, as "audio.speech".

        Raises :class:`CannotStart` when a key is missing, or not for here.
        """
        key = self._key()
        if not key and not self.is_here:
            raise self._keyless()
        self.client = await anyio.to_thread.run_sync(self._connect, key)
        attrgetter(uses)(self.client)

    async def close(self) -> None:
        """End every connection."""
        if self.client is not None:
            with anyio.move_on_after(2, shield=True):
                await self.client.close()

    def _keyless(self) -> CannotStart:
        table = f"[{self.part}.openai]"
        if (variable := VARIABLES.get(origin(self.base_url))) is None:
            return CannotStart(
                f"No API key for {self.host}.",
                f'Put NAME=... into .env, and api_key = "$NAME" into {table}.',
            )
        return CannotStart(
            f"No API key: {variable} is not set.",
            f"Put {variable}=... into .env, or use a local server with {table} base_url.",
        )

    def _key(self) -> str:
        """Return the key, if it may be sent to this server."""
        here = origin(self.base_url)
        if not here:
            raise CannotStart(
                f"[{self.part}.openai] base_url is no address.",
                'Write one as "http://localhost:11434/v1".',
            )
        if self.key_origin:
            if origin(self.key_origin) != here:
                raise CannotStart(
                    f"The key is for {shown_url(self.key_origin)}, but base_url is at {here}.",
                    f"Make key_origin and base_url agree in [{self.part}.openai].",
                )
        elif here != OPENROUTER and _is_openrouters(self.api_key):
            if self.is_here:
                return ""  # it needs none, and shall not have this one
            raise CannotStart(
                f"OpenRouter's key is not sent to {here}.",
                f'Give [{self.part}.openai] that server\'s own api_key, or key_origin = "{here}" '
                "if it is to have this one.",
            )
        return self.api_key

    def _connect(self, key: str) -> Any:
        """Import the library and make the client; both take long, so this runs in a thread."""
        openai = importlib.import_module("openai")
        # httpx, or httpx2 from version 3 on
        http = importlib.import_module(openai.DefaultAsyncHttpxClient.__base__.__module__)
        timeout = openai.Timeout(self.seconds, connect=CONNECT_SECONDS)
        client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            default_headers=self._headers(),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,  # a redirect would send the chat, and the key, elsewhere
                timeout=timeout,
                limits=http.Limits(keepalive_expiry=IDLE_SECONDS),
                trust_env=not self.is_here,  # no proxy on the way to this machine
                headers=ASK,
                event_hooks={"response": [bounds(http, self._most, f"the {self.what}", BOUND)]},
            ),
        )
        client.organization = client.project = None  # of the environment: they are for OpenAI alone
        return client

    def _most(self, request: Any) -> int:
        """Return how many bytes the answer to a request may have."""
        return next(size for end, size in LARGEST.items() if request.url.path.endswith(end))

    def _headers(self) -> dict[str, str]:
        if origin(self.base_url) != OPENROUTER:
            return {}
        return {"HTTP-Referer": "https://aichat.local", "X-Title": "aichat"}

    async def twice(self, attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Return what *attempt* gives, at the second try if the server stumbled.

        All that goes wrong, and more than *seconds* for both, is raised as a sentence of ours.
        """
        try:
            with anyio.fail_after(seconds):
                try:
                    return await attempt()
                except Exception as error:
                    if not may_pass(error):
                        raise
                    log.info("%s stumbled (%s); once more", self.host, type(error).__name__)
                    pause = max(RETRY_SECONDS, wait_of(error))
                await anyio.sleep(pause)
                return await attempt()
        except TimeoutError:
            raise self.silent(seconds) from None
        except Exception as error:
            raise self.explained(error) from None

    # -- what goes wrong ---------------------------------------------------------------------

    def silent(self, seconds: float) -> TimedOut:
        """Say that nothing came."""
        return TimedOut(
            f"The {self.what} at {self.host} did not answer within {seconds:g} seconds.",
            "Try again, or choose another model.",
        )

    def explained(self, error: Exception) -> AichatError:
        """Turn what the library raised into a sentence of ours."""
        if known := ours(error):
            return known
        table = f"[{self.part}.openai]"
        if why := unreachable(error, self.what, self.base_url, table):
            return BackendFailed(*why)
        if is_late_to_connect(error):
            return TimedOut(
                f"{self.host} took no connection within {CONNECT_SECONDS:g} seconds.",
                f"Is it running? Check base_url in {table} ({shown_url(self.base_url)}).",
            )
        if is_late(error):
            return self.silent(self.seconds)
        if is_too_long(error):
            return BackendFailed(
                f"The conversation is longer than the {self.what} can read.",
                f"Begin a new one, or set how much it reads: context_tokens in {table}.",
            )
        return BackendFailed(*self._refusal(error))

    def _refusal(self, error: Exception) -> tuple[str, str]:
        """Say what a server that answers means."""
        status, table = status_of(error), f"[{self.part}.openai]"
        if status in PROBLEMS:
            problem, mend = (self._filled(text) for text in PROBLEMS[status])
            if status == 429 and (seconds := wait_of(error)) > LONGEST_WAIT:
                mend = f"Wait {seconds:.0f} seconds, or change model."
            return problem, mend
        if status is not None and 300 <= status < 400:
            mend = f"Put the address that it moved to into {table} base_url."
            return f"{self.host} redirects elsewhere ({status}).", mend
        if isinstance(error, WebPage):
            mend = f"Check base_url in {table} ({shown_url(self.base_url)}), and the network."
            page = f"a web page{self._quoted(error, ' (“{}”)')}"
            return f"{self.host} answered with {page}, not as a {self.what} does.", mend
        if isinstance(error, NoReply):
            mend = f"Check model, key and base_url in {table} ({shown_url(self.base_url)})."
            problem = f"{self.host} answered with an error in place of a reply"
            return f"{problem}{self._quoted(error, ': “{}”')}.", mend
        if status is not None:
            problem = f"The {self.what}'s server has a fault ({status})."
        elif is_lost(error):
            problem = f"The connection to the {self.what} at {self.host} failed."
        elif isinstance(error, StreamError):
            problem = f"The server of the {self.what} reported an error."
        else:
            problem = f"The {self.what} at {self.host} broke off ({type(error).__name__})."
        return problem, "Try again, or choose another model."

    def _quoted(self, error: Exception, frame: str) -> str:
        words = quoted(error, self.api_key)
        return frame.format(words) if words else ""

    def _filled(self, text: str) -> str:
        table = f"[{self.part}.openai]"
        variable = VARIABLES.get(origin(self.base_url), "NAME")
        url = shown_url(self.base_url)
        return text.format(what=self.what, table=table, variable=variable, url=url)


@define(eq=False, kw_only=True)
class Client(ABC):
    """What the three have in common: where the server is, with which key, and the connection.

    *key_origin* is where the key belongs; *extra_body* goes into every request as it is.
    """

    part: ClassVar[str]
    what: ClassVar[str]
    """As messages call it;"""
    uses: ClassVar[str]
    """and the library."""

    api_key: str = field(default="", repr=False)
    base_url: str = field(default=f"{OPENAI}/v1", repr=shown_url)
    key_origin: str = field(default="", repr=shown_url)
    extra_body: dict[str, Any] = field(factory=dict, repr=False)
    _server: Server = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        key, where = self.api_key, self.base_url
        longest = self._longest()
        self._server = Server(self.part, self.what, where, key, self.key_origin, longest)

    @abstractmethod
    def _longest(self) -> float:
        """Return after how many seconds of silence the server is surely gone."""

    async def __aenter__(self) -> Self:
        await self._server.open(self.uses)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def charges(self) -> bool:
        """Whether calls cost money: to a server elsewhere they do, to this machine they do not."""
        return not self._server.is_here


def origin(url: str) -> str:
    """Return the origin of an address, as browsers write it; empty if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = port in (None, PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")


def _is_openrouters(key: str) -> bool:
    """Return whether a key is OpenRouter's: by its look, or because the environment says so."""
    return bool(key) and (key.startswith("sk-or-") or key == os.environ.get(OPENROUTER_KEY))


def ours(error: BaseException | None) -> AichatError | None:
    """Return the error of ours that the library has wrapped, if there is one."""
    while error is not None and not isinstance(error, AichatError):
        error = error.__cause__
    return error


def may_pass(error: Exception) -> bool:
    """Return whether a second try may succeed, soon."""
    if ours(error):
        return False
    status = status_of(error)
    if status is None:
        return is_lost(error)
    return (status == 429 or status >= 500) and wait_of(error) <= LONGEST_WAIT
