"""Tools in a reply: the model's calls are made, and their results sent back to it.

One reply may go through several rounds: the model writes, asks for tools, and writes on when their
results are there. Nothing is called while the turn is speculative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from attrs import define, evolve

from aichat.core import AichatError, BadValue, Bus, Character, Prompt, PromptMessage, Tool, ToolCall
from aichat.core.events import Event, Line, ToolUsed

ROUNDS = 4
"""Most rounds of tool calls in one reply; then the character has to answer."""
CALLS = 8
"""Most calls in one round; the others are refused."""


def tools_of(character: Character, tools: Mapping[str, Tool]) -> tuple[Tool, ...]:
    """Return those of the *tools* that ``extensions["tools"]`` names; unknown ones are none."""
    names = character.extensions.get("tools")
    if not isinstance(names, list | tuple):
        return ()
    return tuple(tool for name, tool in tools.items() if name in names)


@define
class Toolbox:
    """Uses the tools of one line."""

    bus: Bus
    line: Line
    tools: Sequence[Tool]

    async def go_on(self, sent: Prompt, said: str, calls: Sequence[ToolCall], last: bool) -> Prompt:
        """Do what was asked for; return the prompt of the next round, the one to answer if *last*.

        *said* is what the model wrote in the round in which it asked.
        """
        await self.bus.committed(self.line.turn)
        results: dict[int, PromptMessage] = {}

        async def use(place: int, call: ToolCall) -> None:
            results[place] = await self._use(call, refused=place >= CALLS)

        async with anyio.create_task_group() as tasks:
            for place, call in enumerate(calls):
                tasks.start_soon(use, place, call)
        asked = PromptMessage("assistant", said, calls=tuple(calls))
        answers = [results[place] for place in range(len(calls))]
        return evolve(sent, messages=(*sent.messages, asked, *answers), must_answer=last)

    async def _use(self, call: ToolCall, refused: bool) -> PromptMessage:
        """Make one call, publish it, and return the result as a message for the model."""
        arguments: dict[str, Any] = {}
        failed = True
        try:
            if refused:
                raise BadValue(f"These were more than {CALLS} calls.", "Ask for fewer at once.")
            tool = self._named(call.name)
            arguments = tool.arguments(call.arguments)
            result, failed = await tool.use(arguments), False
        except AichatError as error:
            result = error.line
        except Exception as error:
            self.bus.report(Event(self.line.turn), error)
            result = f"The tool broke ({type(error).__name__})."
        await self.bus.publish(ToolUsed(self.line, call.name, arguments, result, failed))
        return PromptMessage("tool", result, call.name, call_id=call.id)

    def _named(self, name: str) -> Tool:
        for tool in self.tools:
            if tool.name == name:
                return tool
        known = ", ".join(tool.name for tool in self.tools)
        raise BadValue(f"There is no tool {name[:64]!r}.", f"There are: {known}.")
