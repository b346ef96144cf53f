"""Latency of turns, and prompts of messages, over REST. Both are kept in memory only."""

from __future__ import annotations

from litestar import Controller, get

from aichat.core import NotFound, PromptMessage
from aichat.web.application_state import App
from aichat.web.schemas import system
from aichat.web.schemas.parameters import Id, errors
from aichat.web.services.metrics import TURNS


class Turns(Controller):
    """The last turns."""

    path = "/turns"
    tags = ("turns",)

    @get("/{id:str}/latency", operation_id="getLatency", responses=errors(400, 404))
    async def latency(self, app: App, id: Id) -> system.Latency:
        """Return the waterfall of one of the last turns: ms after its first mark."""
        if (event := app.metrics.turns.get(id)) is None:
            raise NotFound(
                f"No waterfall of the turn {id!r} is kept.",
                f"Ask for one of the last {TURNS} turns since the server started.",
            )
        return system.Latency(id, dict(event.marks), list(event.gaps), event.final)


class SentPrompts(Controller):
    """The prompts that models were sent."""

    path = "/messages"
    tags = ("messages",)

    @get("/{id:str}/prompt", operation_id="getPrompt", responses=errors(400, 404))
    async def prompt(self, app: App, id: Id) -> system.Prompt:
        """Return the exact prompt from which a character wrote a message."""
        prompt = app.prompts.of(id)
        who = prompt.character
        messages = [_shown(message) for message in prompt.messages]
        settings = dict(prompt.settings)
        return system.Prompt(id, who.id, who.model, who.temperature, settings, messages)


def _shown(message: PromptMessage) -> system.PromptMessage:
    calls = [system.PromptCall(call.name, call.arguments) for call in message.calls]
    return system.PromptMessage(message.role, message.content, message.name, calls)
