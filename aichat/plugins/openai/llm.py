"""A language model behind an OpenAI-compatible server."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from math import inf
from typing import Any, Literal

import anyio
from attrs import define, field

from aichat.core import (
    BackendFailed,
    ListedModel,
    LlmOutput,
    Prompt,
    PromptMessage,
    Tool,
    ToolCall,
    closing,
)
from aichat.core.redaction import shown_url
from aichat.toolkit.prompts.message_roles import in_turns, without_system, without_tools

from .client import OPENROUTER, Client, origin
from .errors import status_of
from .refused_fields import SYSTEM, Refused, refusal
from .stream import Reading

log = logging.getLogger(__name__)

LIST_SECONDS = 10.0
"""The longest wait for the list of models."""
MOST_MODELS = 2_000

SETTINGS = ("model", "temperature", "max_tokens", "top_p", "stop")
MOST_TRIES = 6
"""Requests for one reply, each with fewer optional fields than the one before."""

Effort = Literal["", "none", "minimal", "low", "medium", "high"]
Pieces = AsyncGenerator[LlmOutput, None]


@define(eq=False)
class OpenAiLlm(Client):
    """Chat completions over HTTP. Times are in seconds; *first_token_seconds* covers the retry.

    *reasoning* says how much the model thinks first ("": as it likes), and *thinking_seconds* for
    how long at most. *context_tokens* is how much it can read, where that is little. A reply ends
    after *max_reply_letters*, or when the model has written for *reply_seconds*.
    """

    part = "llm"
    what = "language model"
    uses = "chat.completions"

    model: str
    base_url: str = field(default=f"{OPENROUTER}/api/v1", repr=shown_url)
    first_token_seconds: float = 20
    between_tokens_seconds: float = 15
    thinking_seconds: float = 600
    reply_seconds: float = 600
    reasoning: Effort = ""
    context_tokens: int | None = None
    max_reply_letters: int = 100_000
    _refused: Refused = field(init=False, factory=Refused, repr=False)

    def _longest(self) -> float:
        return self.first_token_seconds + self.between_tokens_seconds  # ours are shorter

    async def reply(self, prompt: Prompt) -> AsyncIterator[LlmOutput]:
        pieces, piece = await self._begun(prompt)
        async with closing(pieces):
            while piece is not None:
                if isinstance(piece, ToolCall):  # whatever the server said before, it knows tools
                    self._refused.forget(self._model(prompt), "tools")
                yield piece
                piece = await self._next(pieces)

    async def models(self) -> Sequence[ListedModel]:
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

    def _request(self, prompt: Prompt, without: Collection[str] = ()) -> dict[str, Any]:
        """Say what to ask for, *without* the fields that the server refuses."""
        chosen = {name: prompt.settings.get(name) for name in SETTINGS}
        request = {name: value for name, value in chosen.items() if value not in (None, [], ())}
        request.setdefault("model", self.model)
        is_openai = self._server.host == "api.openai.com"
        if "max_tokens" in request and (is_openai or "max_tokens" in without):
            request["max_completion_tokens"] = request.pop("max_tokens")
        if prompt.tools:
            request["tools"] = [_tool(tool) for tool in prompt.tools]
            if prompt.must_answer:
                request["tool_choice"] = "none"
        request["stream_options"] = {"include_usage": True}
        request = {name: value for name, value in request.items() if name not in without}
        thinking = {name: value for name, value in self._thinking().items() if name not in without}
        request["messages"] = [_message(one) for one in _ordered(prompt, without)]
        return {**request, "stream": True, "extra_body": {**thinking, **self.extra_body}}

    def _model(self, prompt: Prompt) -> str:
        return str(prompt.settings.get("model") or self.model)

    def _thinking(self) -> dict[str, Any]:
        if not self.reasoning:
            return {}
        if origin(self.base_url) == OPENROUTER:
            return {"reasoning": {"effort": self.reasoning}}
        return {"reasoning_effort": self.reasoning}

    async def _begun(self, prompt: Prompt) -> tuple[Pieces, LlmOutput | None]:
        """Return the stream and its first piece."""
        return await self._server.twice(lambda: self._attempt(prompt), self.first_token_seconds)

    async def _attempt(self, prompt: Prompt) -> tuple[Pieces, LlmOutput | None]:
        """Ask; leave out what the server refuses, and ask again."""
        model = self._model(prompt)
        without, named = set(self._refused.of(model)), set[str]()
        for _ in range(MOST_TRIES - 1):
            request = self._request(prompt, without)
            try:
                begun = await self._try(request, prompt)
            except Exception as error:
                if (refused := refusal(error, request)) is None:
                    raise
                without |= refused.fields
                named |= refused.fields if refused.is_named else set()
                continue
            self._remember(model, named)
            return begun
        return await self._try(self._request(prompt, without), prompt)

    def _remember(self, model: str, fields: Collection[str]) -> None:
        for name in fields:
            doing = "; its characters do without" if name == "tools" else ""
            log.warning("%s takes no %s%s.", model, name, doing)
        if fields:
            self._refused.remember(model, fields)

    async def _try(
        self, request: dict[str, Any], prompt: Prompt
    ) -> tuple[Pieces, LlmOutput | None]:
        stream = await self._server.client.chat.completions.create(**request)
        names = [tool.name for tool in prompt.tools]
        between = self.between_tokens_seconds
        pieces = Reading(stream, between, max(between, self.first_token_seconds), names).pieces()
        try:
            return pieces, await anext(pieces, None)
        except BaseException:
            await pieces.aclose()
            raise

    async def _next(self, pieces: Pieces) -> LlmOutput | None:
        try:
            return await anext(pieces, None)
        except Exception as error:
            raise self._server.explained(error) from None


def _ordered(prompt: Prompt, without: Collection[str]) -> Sequence[PromptMessage]:
    """Return the messages as the model takes them."""
    messages = (without_tools if "tools" in without else in_turns)(prompt.messages)
    return without_system(messages) if SYSTEM in without else messages


def _message(message: PromptMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    sent: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        sent["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.calls
        ]
    return sent


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _model(listed: Any) -> ListedModel:
    """Read one model of a list; vLLM has another name for the length."""
    length = getattr(listed, "context_length", None) or getattr(listed, "max_model_len", None)
    id = str(listed.id)
    pricing = getattr(listed, "pricing", None)
    prices = pricing if isinstance(pricing, Mapping) else {}
    return ListedModel(
        id,
        str(getattr(listed, "name", None) or id),
        length if isinstance(length, int) else None,
        _price(prices.get("prompt")),
        _price(prices.get("completion")),
    )


def _price(listed: object) -> float | None:
    """Read a price in USD for a token, which is a text; below 0 it varies."""
    try:
        price = float(str(listed)) * 1_000_000
    except ValueError:
        return None
    return round(price, 6) if 0 <= price < inf else None
