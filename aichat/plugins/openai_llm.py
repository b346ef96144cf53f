"""A language model behind an OpenAI-compatible server."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from math import inf
from typing import Any, Literal

import anyio
from attrs import define, field

from aichat.core import (
    BackendFailed,
    Model,
    Prompt,
    PromptMessage,
    Tool,
    Written,
    closing,
)

from .openai_client import OPENROUTER, Client, origin, status_of
from .openai_stream import Reading

log = logging.getLogger(__name__)

LIST_SECONDS = 10.0
"""So long the list of models may take."""
MOST_MODELS = 2_000

SETTINGS = ("model", "temperature", "max_tokens", "top_p", "stop")
NO_TOOLS = (400, 404, 422, 501)
"""What servers answer when a model takes no tools, among other things."""

Effort = Literal["", "none", "minimal", "low", "medium", "high"]
Pieces = AsyncGenerator[Written, None]


@define(eq=False)
class OpenAiLlm(Client):
    """Chat completions over HTTP. Times are in seconds; *first_token_seconds* covers the retry.

    *reasoning* says how much the model thinks first ("": as it likes). *context_tokens* is how much
    it can read, where that is little. A reply ends after *max_reply_letters*.
    """

    part = "llm"
    what = "language model"
    uses = "chat.completions"

    model: str
    base_url: str = f"{OPENROUTER}/api/v1"
    first_token_seconds: float = 20
    between_tokens_seconds: float = 15
    reasoning: Effort = ""
    context_tokens: int | None = None
    max_reply_letters: int = 100_000
    _toolless: set[str] = field(init=False, factory=set, repr=False)
    """Models that were found to take no tools."""

    def _longest(self) -> float:
        return self.first_token_seconds + self.between_tokens_seconds  # ours are shorter

    async def reply(self, prompt: Prompt) -> AsyncIterator[Written]:
        pieces, piece = await self._begun(self._request(prompt))
        async with closing(pieces):
            while piece is not None:
                yield piece
                piece = await self._next(pieces)

    async def models(self) -> Sequence[Model]:
        try:
            with anyio.fail_after(LIST_SECONDS):
                page = await self._server.client.models.list()
            return [_model(one) for one in page.data[:MOST_MODELS]]
        except TimeoutError:
            raise self._server.silent(LIST_SECONDS) from None
        except Exception as error:
            if status_of(error) == 404:
                mend = "Name a model in [llm.openai], or check base_url."
                problem = f"{self._server.host} has no list of models."
                raise BackendFailed(problem, mend) from None
            raise self._server.explained(error) from None

    # -- asking ------------------------------------------------------------------------------

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """Say what to ask for."""
        chosen = {name: prompt.settings.get(name) for name in SETTINGS}
        request = {name: value for name, value in chosen.items() if value not in (None, [], ())}
        request.setdefault("model", self.model)
        if self._server.host == "api.openai.com" and "max_tokens" in request:
            request["max_completion_tokens"] = request.pop("max_tokens")
        if prompt.tools and request["model"] not in self._toolless:
            request["tools"] = [_tool(tool) for tool in prompt.tools]
            if prompt.must_answer:
                request["tool_choice"] = "none"
        request["messages"] = [_message(message) for message in prompt.messages]
        return {**request, "extra_body": {**self._thinking(), **self.extra_body}}

    def _thinking(self) -> dict[str, Any]:
        if not self.reasoning:
            return {}
        if origin(self.base_url) == OPENROUTER:
            return {"reasoning": {"effort": self.reasoning}}
        return {"reasoning_effort": self.reasoning}

    async def _begun(self, request: dict[str, Any]) -> tuple[Pieces, Written | None]:
        """Return the stream and its first piece."""

        async def attempt() -> tuple[Pieces, Written | None]:
            try:
                return await self._try(request)
            except Exception as error:
                if "tools" in request and status_of(error) in NO_TOOLS:
                    return await self._without_tools(request)
                raise

        return await self._server.twice(attempt, self.first_token_seconds)

    async def _without_tools(self, request: dict[str, Any]) -> tuple[Pieces, Written | None]:
        """Ask a model that may take no tools again; if it answers now, it took none."""
        model = request["model"]
        bare = {name: value for name, value in request.items() if name != "tools"}
        answered = await self._try(bare)
        log.warning("%s takes no tools; its characters do without.", model)
        self._toolless.add(model)
        return answered

    async def _try(self, request: dict[str, Any]) -> tuple[Pieces, Written | None]:
        stream = await self._server.client.chat.completions.create(
            **request, stream=True, stream_options={"include_usage": True}
        )
        pieces = Reading(stream, self.between_tokens_seconds).pieces()
        try:
            return pieces, await anext(pieces, None)
        except BaseException:
            await pieces.aclose()
            raise

    async def _next(self, pieces: Pieces) -> Written | None:
        try:
            return await anext(pieces, None)
        except Exception as error:
            raise self._server.explained(error) from None


def _message(message: PromptMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.calls
        ]
    return told


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


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
