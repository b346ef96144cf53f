"""Tools: functions that a character may use while it writes, by way of its language model.

    def roll(dice: Annotated[str, "How many of which, as 2d6+1"]) -> str:
        '''Roll dice and return the result.'''

    @hookimpl
    def tools():
        return [tool(roll)]

A function is plain (then it runs in a worker thread) or async. Its docstring describes it to the
model, its annotations describe its arguments. Its result is sent to the model: text as it is,
anything else as JSON. An :class:`~aichat.core.errors.AichatError` that it raises is sent to the
model as well, which can then call it in another way; other errors are shown to the user.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.to_thread
from attrs import field, frozen

from .errors import BadValue, PluginFailed, TimedOut
from .tool_schemas import problems, schema_of, shaped
from .validators import require_json

SECONDS = 10.0
"""Timeout of a call, unless its tool sets another."""
LONGEST_ARGUMENTS = 20_000
"""Most letters of the arguments of a call."""
LONGEST_RESULT = 4_000
"""Most letters of a result; the model is sent all of them again in every round."""
NAME = re.compile("[a-zA-Z0-9_-]{1,64}")


@frozen
class ToolCall:
    """A model's call of a tool. *arguments* are JSON as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str = field(default="", repr=lambda text: f"<{len(text)} letters>")


@frozen
class Tool:
    """A tool. *parameters* is the JSON schema of its arguments, an object; make it with `tool`.

    A call is cancelled after *seconds*; a worker thread cannot be, and its result is dropped.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., object] = field(repr=False)
    seconds: float = SECONDS
    plugin: str = ""
    """The plug-in that offers it; set by the registry."""

    def arguments(self, text: str) -> dict[str, Any]:
        """Parse and check the arguments that a model wrote. Raises :class:`BadValue`."""
        if len(text) > LONGEST_ARGUMENTS:
            raise BadValue(f"The arguments of {self.name} are too long.", "Write shorter ones.")
        try:
            read = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            raise BadValue(
                f"The arguments of {self.name} are not JSON.", "Write an object."
            ) from None
        require_json("arguments", read)  # they are stored with the message
        if wrong := list(problems(self.parameters, read, "arguments")):
            problem = f"{self.name} cannot be used so: {'; '.join(wrong[:5])}."
            raise BadValue(problem, "Write other arguments.")
        given: dict[str, Any] = read
        return given

    async def use(self, arguments: Mapping[str, Any]) -> str:
        """Call it with arguments that :meth:`arguments` has parsed; return the text for the model.

        Raises :class:`TimedOut`, and whatever the function raises.
        """
        with anyio.move_on_after(self.seconds):
            return _as_text(await self._call(shaped(self.function, arguments)))
        raise TimedOut(
            f"{self.name} did not answer within {self.seconds:g} seconds.", "Try again later."
        )

    async def _call(self, arguments: Mapping[str, Any]) -> object:
        if inspect.iscoroutinefunction(self.function):
            result: object = await self.function(**arguments)
            return result
        return await anyio.to_thread.run_sync(
            lambda: self.function(**arguments), abandon_on_cancel=True
        )


def tool(
    function: Callable[..., object],
    *,
    name: str = "",
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
) -> Tool:
    """Make a tool of a function; what is not given is taken from its name, docstring, annotations.

    Raises :class:`PluginFailed` when that is not possible.
    """
    name = name or getattr(function, "__name__", "")
    if not NAME.fullmatch(name):
        raise PluginFailed(f"A tool cannot be called {name!r}.", "Use 1 to 64 of a-z, 0-9, _, -.")
    description = description or inspect.getdoc(function) or ""
    if not description:
        raise PluginFailed(f"The tool {name} says not what it is for.", "Give it a docstring.")
    schema = schema_of(function) if parameters is None else parameters
    if schema.get("type") != "object":
        raise PluginFailed(
            f"The parameters of the tool {name} are no JSON schema of an object.",
            'Write {"type": "object", "properties": ...}.',
        )
    return Tool(name, description, schema, function, seconds)


def _as_text(result: object) -> str:
    """Return a result as text for a model, in characters that every store can keep."""
    text = (
        result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    )
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if len(text) > LONGEST_RESULT:
        return text[:LONGEST_RESULT] + f" … ({len(text) - LONGEST_RESULT} more letters)"
    return text
