"""Tools: functions that a character may use while it writes, by way of its language model.

    def roll(dice: Annotated[str, "How many of which, as 2d6+1"]) -> str:
        '''Roll dice and tell what fell.'''

    @hookimpl
    def tools():
        return [tool(roll)]

A function is plain (then it runs in a worker thread) or async. Its docstring tells the model what
it is for, its annotations which arguments it takes. What it returns is told to the model: text as
it is, anything else as JSON. An :class:`~aichat.core.errors.AichatError` that it raises is told to
the model as well, which can then ask in another way; other errors are faults: the user is told.
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
"""So long a call may take, unless its tool says otherwise."""
LONGEST_ARGUMENTS = 20_000
LONGEST_RESULT = 4_000
"""Letters of a result; a model reads all of them again in every round."""
NAME = re.compile("[a-zA-Z0-9_-]{1,64}")


@frozen
class ToolCall:
    """A model asks for a tool. *arguments* are JSON, as the model wrote it, right or wrong."""

    id: str
    name: str
    arguments: str = field(default="", repr=lambda text: f"<{len(text)} letters>")


@frozen
class Tool:
    """One tool. *parameters* is the JSON schema of its arguments, an object; make it with `tool`.

    A call is cancelled after *seconds*; a worker thread cannot be, and its result is dropped.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., object] = field(repr=False)
    seconds: float = SECONDS
    plugin: str = ""
    """The plug-in that offers it; the registry notes it."""

    def arguments(self, text: str) -> dict[str, Any]:
        """Read what a model wrote. Raises :class:`BadValue` that says what is wrong with it."""
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
            told = "; ".join(wrong[:5])
            raise BadValue(f"{self.name} cannot be used so: {told}.", "Write other arguments.")
        given: dict[str, Any] = read
        return given

    async def use(self, arguments: Mapping[str, Any]) -> str:
        """Call it with arguments that :meth:`arguments` has read; return what to tell the model.

        Raises :class:`TimedOut`, and whatever the function raises.
        """
        with anyio.move_on_after(self.seconds):
            return _told(await self._call(shaped(self.function, arguments)))
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

    Raises :class:`PluginFailed` when it cannot be.
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


def _told(result: object) -> str:
    """Write a result for a model, in letters that every store keeps."""
    text = (
        result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    )
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if len(text) > LONGEST_RESULT:
        return text[:LONGEST_RESULT] + f" … ({len(text) - LONGEST_RESULT} more letters)"
    return text
