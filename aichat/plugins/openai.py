"""Language models behind an OpenAI-compatible server: OpenRouter, vLLM, llama.cpp, Ollama, OpenAI.

No error of ours repeats what the server or the library said: that can hold the key or the chat.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from math import inf
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from attrs import define, field

from aichat.core import (
    AichatError,
    Backend,
    BackendFailed,
    CannotStart,
    Llm,
    Model,
    Prompt,
    TimedOut,
    Usage,
    closing,
    hookimpl,
    is_clean,
    is_this_machine,
    next_within,
)

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.25
IDLE_SECONDS = 300.0
"""So long a connection is kept for the next turn, which then needs no new handshake."""

LIST_SECONDS = 10.0
"""So long the list of models may take."""
MOST_MODELS = 2_000

Piece = str | Usage
Pieces = AsyncGenerator[Piece, None]

SETTINGS = ("temperature", "max_tokens", "top_p")

PROBLEMS = {
    400: ("The language model refused the request (400).", "Begin a new conversation."),
    401: ("The key was refused (401).", "Put a valid OPENROUTER_API_KEY=... into .env."),
    402: ("There is no credit left for the language model (402).", "Buy credit, or change model."),
    403: ("The language model may not answer this (403).", "Say it differently, or change model."),
    404: ("The server does not know the model (404).", "Check model and base_url in [llm.openai]."),
    408: ("The language model took too long (408).", "Try again."),
    413: ("The conversation is too long for the model (413).", "Begin a new one."),
    429: ("Too many requests to the language model (429).", "Wait a moment, or change model."),
}


@define(eq=False)
class OpenAiLlm:
    """Chat completions over HTTP. Times are in seconds; *first_token_seconds* covers the retry."""

    model: str
    api_key: str = field(default="", repr=False)
    base_url: str = "https://openrouter.ai/api/v1"
    first_token_seconds: float = 20
    between_tokens_seconds: float = 15
    _client: Any = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> OpenAiLlm:
        if not self.api_key and not is_this_machine(self._host):
            raise CannotStart(
                "No API key: OPENROUTER_API_KEY is not set.",
                "Put OPENROUTER_API_KEY=... into .env, or use a local server with [llm.openai] "
                "base_url.",
            )
        self._client = await anyio.to_thread.run_sync(self._connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(2, shield=True):
            await self._client.close()

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        pieces, piece = await self._begin(self._request(prompt))
        async with closing(pieces):
            while piece is not None:
                yield piece
                piece = await self._next(pieces)

    async def models(self) -> Sequence[Model]:
        try:
            with anyio.fail_after(LIST_SECONDS):
                page = await self._client.models.list()
            return [_model(one) for one in page.data[:MOST_MODELS]]
        except TimeoutError:
            raise self._silent(LIST_SECONDS) from None
        except Exception as error:
            if _status(error) == 404:
                mend = "Name a model in [llm.openai], or check base_url."
                raise BackendFailed(f"{self._host} has no list of models.", mend) from None
            raise self._explained(error) from None

    @property
    def charges(self) -> bool:
        """Somebody else's machine wants to be paid; one's own does not."""
        return not is_this_machine(self._host)

    @property
    def _host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    def _connect(self) -> Any:
        """Import the library and make the client; both take long, so this runs in a thread."""
        openai = importlib.import_module("openai")
        # httpx, or httpx2 from version 3 on
        http = importlib.import_module(openai.DefaultAsyncHttpxClient.__base__.__module__)
        longest = self.first_token_seconds + self.between_tokens_seconds  # ours are shorter
        timeout = openai.Timeout(longest, connect=5)
        client = openai.AsyncOpenAI(
            api_key=self.api_key or "none",
            base_url=self.base_url,
            default_headers=self._headers(),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,  # a redirect would send the chat, and the key, elsewhere
                timeout=timeout,
                limits=http.Limits(keepalive_expiry=IDLE_SECONDS),
                trust_env=not is_this_machine(self._host),  # no proxy on the way to this machine
            ),
        )
        _ = client.chat.completions  # loads the rest of the library here, not in the first turn
        return client

    def _headers(self) -> dict[str, str]:
        if self._host != "openrouter.ai":
            return {}
        return {"HTTP-Referer": "https://aichat.local", "X-Title": "aichat"}

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """Say what to ask for; the character's own choices win over the conversation's."""
        chosen = {name: prompt.settings.get(name) for name in SETTINGS}
        if prompt.character.temperature is not None:
            chosen["temperature"] = prompt.character.temperature
        return {
            "model": prompt.character.model or prompt.settings.get("model") or self.model,
            "messages": [{"role": m.role, "content": m.content} for m in prompt.messages],
            **{name: value for name, value in chosen.items() if value is not None},
        }

    async def _begin(self, request: dict[str, Any]) -> tuple[Pieces, Piece | None]:
        """Return the stream and its first text, with a second try if the server stumbled."""
        try:
            with anyio.fail_after(self.first_token_seconds):
                try:
                    return await self._try(request)
                except Exception as error:
                    if not _may_pass(error):
                        raise
                    log.info("%s stumbled (%s); once more", self._host, type(error).__name__)
                await anyio.sleep(RETRY_SECONDS)
                return await self._try(request)
        except TimeoutError:
            raise self._silent(self.first_token_seconds) from None
        except Exception as error:
            raise self._explained(error) from None

    async def _try(self, request: dict[str, Any]) -> tuple[Pieces, Piece | None]:
        stream = await self._client.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}
        )
        pieces = _pieces(stream)
        try:
            return pieces, await anext(pieces, None)
        except BaseException:
            await pieces.aclose()
            raise

    async def _next(self, pieces: Pieces) -> Piece | None:
        try:
            return await next_within(pieces, self.between_tokens_seconds, "The model's next word")
        except TimedOut:
            raise
        except Exception as error:
            raise self._explained(error) from None

    def _silent(self, seconds: float) -> TimedOut:
        return TimedOut(
            f"The language model at {self._host} did not answer within {seconds:g} seconds.",
            "Try again, or choose another model.",
        )

    def _explained(self, error: Exception) -> AichatError:
        """Turn what the library raised into a sentence of ours."""
        if isinstance(error, AichatError):
            return error
        status, kind = _status(error), type(error).__name__
        if kind == "APITimeoutError":
            return self._silent(self.first_token_seconds)
        if status in PROBLEMS:
            return BackendFailed(*PROBLEMS[status])
        if status is not None and 300 <= status < 400:
            mend = "Put the address that it moved to into [llm.openai] base_url."
            return BackendFailed(f"{self._host} redirects elsewhere ({status}).", mend)
        if status is not None:
            problem = f"The language model's server has a fault ({status})."
        elif kind == "APIConnectionError":
            problem = f"The connection to the language model at {self._host} failed."
        else:
            problem = f"The language model at {self._host} broke off ({kind})."
        return BackendFailed(problem, "Try again, or choose another model.")


def _model(listed: Any) -> Model:
    """Read one model of a list; vLLM has another name for the length."""
    length = getattr(listed, "context_length", None) or getattr(listed, "max_model_len", None)
    id = str(listed.id)
    pricing = getattr(listed, "pricing", None)
    prices = pricing if isinstance(pricing, Mapping) else {}
    return Model(
        id,
        str(getattr(listed, "name", None) or id),
        length if isinstance(length, int) else None,
        _price(prices.get("prompt")),
        _price(prices.get("completion")),
    )


def _price(told: object) -> float | None:
    """Read a price in USD for a token, which is a text; below 0 it varies."""
    try:
        price = float(str(told)) * 1_000_000
    except ValueError:
        return None
    return round(price, 6) if 0 <= price < inf else None


async def _pieces(stream: Any) -> Pieces:
    """Yield the letters that are meant to be read, and close the connection at the end."""
    wrote = finished = False
    took: Usage | None = None
    try:
        async for chunk in stream:
            if chunk.usage:  # some servers count on with every chunk
                took = _usage(chunk)
            for choice in chunk.choices or ():
                finished = finished or choice.finish_reason is not None
                if text := choice.delta.content:  # reasoning is in another field
                    wrote = True
                    yield text if is_clean(text) else _cleaned(text)
    finally:
        with anyio.move_on_after(2, shield=True):
            await stream.close()
    if took is not None:
        yield took
    if not finished:
        raise BackendFailed("The language model broke off in mid-sentence.", "Try again.")
    if not wrote:
        raise BackendFailed("The language model wrote nothing.", "Try again, or change model.")


def _usage(chunk: Any) -> Usage:
    """Read what the reply took; only OpenRouter tells the cost."""
    took = chunk.usage
    return Usage(
        str(chunk.model) or None,
        _count(took.prompt_tokens),
        _count(took.completion_tokens),
        _cost(getattr(took, "cost", None)),
    )


def _count(told: object) -> int | None:
    return told if isinstance(told, int) and told >= 0 else None


def _cost(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) and 0 <= told < inf else None


def _cleaned(text: str) -> str:
    """Take out what no store can keep."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")


def _status(error: Exception) -> int | None:
    """Find the HTTP status of an error, or the code of one in the middle of a stream."""
    status = getattr(error, "status_code", None)
    if status is None and isinstance(body := getattr(error, "body", None), Mapping):
        status = body.get("code")
    return int(str(status)) if str(status).isdecimal() else None


def _may_pass(error: Exception) -> bool:
    """Tell whether a second try may succeed."""
    status = _status(error)
    if status is None:
        return type(error).__name__ == "APIConnectionError"
    return status == 429 or status >= 500


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``use = "openai"``."""
    return Backend("openai", OpenAiLlm)
