"""Latency of turns, and prompts of messages, over REST. Both are kept in memory only."""

from __future__ import annotations

from litestar import Controller, get

from aichat.core import NotFound, PromptMessage
from aichat.web.application_state import App
from aichat.web.schemas import records
from aichat.web.schemas.parameters import Id, errors
from aichat.web.services.metrics import TURNS


class Turns(Controller):
    """The last turns."""

    path = "/turns"
    tags = ("turns",)

    @get("/{id:str}/latency", operation_id="getLatency", responses=errors(400, 404))
    async def latency(self, app: App, id: Id) -> records.Latency:
        """Return the waterfall of one of the last turns: ms after its first mark."""
        if (event := app.metrics.turns.get(id)) is None:
            raise NotFound(
                f"No waterfall of the turn {id!r} is kept.",
                f"Ask for one of the last {TURNS} turns since the server started.",
            )
        return records.Latency(id, dict(event.marks), list(event.gaps), event.final)


class SentPrompts(Controller):
    """The prompts that models were sent."""

    path = "/messages"
    tags = ("messages",)

    @get("/{id:str}/prompt", operation_id="getPrompt", responses=errors(400, 404))
    async def prompt(self, app: App, id: Id) -> records.Prompt:
        """Return the exact prompt from which a character wrote a message."""
        prompt = app.prompts.of(id)
        who = prompt.character
        messages = [_shown(message) for message in prompt.messages]
        settings = dict(prompt.settings)
        return records.Prompt(id, who.id, who.model, who.temperature, settings, messages)


def _shown(message: PromptMessage) -> records.PromptMessage:
    calls = [records.PromptCall(call.name, call.arguments) for call in message.calls]
    return records.PromptMessage(message.role, message.content, message.name, calls)
