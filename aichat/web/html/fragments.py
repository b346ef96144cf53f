"""Renders events as fragments of the page, with the templates of the page itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen
from jinja2 import Environment
from markupsafe import Markup, escape

from aichat.core import Character, Message, Parts
from aichat.core.events import (
    Event,
    Line,
    MessageAdded,
    MessageDeleted,
    ReplyFinished,
    SpeakersChosen,
    ToolUsed,
)
from aichat.core.picture_links import in_words
from aichat.core.plain_text import unmarked
from aichat.toolkit.message_versions import shown, versions

from .cast_view import CastView
from .markdown import render
from .snapshot import Bubble, LineProgress

UNNAMED = {"user": "You", "assistant": "Somebody", "system": "Note"}
"""Name to show for a message without one, by role."""

LOOKED_AT = 1_000
"""Most letters of a message that are read to make a line about it."""
LINE = 90
"""Most letters of a message in a line about it."""
UNTIL = 3
"""Words that are shown to mark where somebody was interrupted."""


@frozen
class MessageView:
    """A message as the templates show it."""

    id: str
    conversation_id: str
    role: str
    name: str
    character_id: str | None
    html: Markup
    """The text that is shown at first: all of it, or what was heard."""
    state: str
    time: str
    place: int = 0
    """Place of a live line in its turn, from 0."""
    unheard: Markup | None = None
    """The whole text, if not all of it was heard."""
    until: str = ""
    """The last words that were heard of it."""
    version: int = 0
    versions: int = 1
    """Number of versions; *version* (from 0) is the one that is shown."""
    tools: Sequence[Any] = ()
    """Tool calls: each has a name, arguments, a result, and whether it failed."""
    chunks: int = 0
    """Number of text chunks in a message that is being written."""


def view(message: Message) -> MessageView:
    """Prepare a stored message."""
    heard = render(message.said)
    return MessageView(
        message.message_id,
        message.conversation_id,
        message.role,
        message.name or UNNAMED[message.role],
        message.character_id,
        heard,
        _state(message),
        message.created_at.isoformat(),
        unheard=_unheard(message, heard),
        until=_until(message),
        version=shown(message),
        versions=len(versions(message)),
        tools=_tools(message.extensions.get("tools")),
    )


def _unheard(message: Message, heard: Markup) -> Markup | None:
    """Return all of a message when more is to be seen in it than what was heard."""
    if message.heard is None:
        return None
    whole = render(message.content)
    return whole if whole.striptags() != heard.striptags() else None


def last_line(message: Message) -> str:
    """Say in a line who said what."""
    line = unmarked(in_words(message.said)[:LOOKED_AT])[:LINE]
    name = message.name or UNNAMED[message.role]
    return f"{name.split()[0]}: {line}"


def _until(message: Message) -> str:
    """Where somebody was interrupted, if so: the last words that were heard."""
    if not message.interrupted:
        return ""
    return " ".join(unmarked(in_words(message.said)[-LOOKED_AT:]).split()[-UNTIL:])


def _state(message: Message) -> str:
    if message.interrupted:
        return "interrupted"
    return "spoken" if message.character_id else ""


def _tools(stored: object) -> Sequence[Mapping[str, Any]]:
    """Return the tools of a message's extensions, which anybody may have written."""
    used = stored if isinstance(stored, list | tuple) else ()
    return [one for one in used if isinstance(one, Mapping) and {"name", "result"} <= one.keys()]


def _draft(line: Line) -> MessageView:
    state = "thinking" if line.place == 0 else "queued"
    now = datetime.now(UTC).isoformat()
    conversation, empty = line.turn.conversation, Markup("")
    return MessageView(
        line.message_id,
        conversation,
        "assistant",
        line.name,
        line.character,
        empty,
        state,
        now,
        line.place,
    )


def growing(line: LineProgress, before: LineProgress | None) -> MessageView:
    """Prepare a line that goes on, as it is; *before* is the one that speaks before it, if any."""
    html = render(line.text) if line.is_written else escape(line.text)
    state = "written" if line.is_written else "streaming" if line.text else "thinking"
    waits = before is not None and not (before.is_over if line.text else before.is_written)
    return evolve(
        _draft(line.line),
        html=html,
        state="queued" if waits else state,
        tools=line.tools,
        chunks=line.chunks,
    )


def bubbles(present: Iterable[tuple[str, Bubble]]) -> dict[str, MessageView | None]:
    """Prepare what was said lately and goes on, by message id; None: it is no more."""
    views: dict[str, MessageView | None] = {}
    before = None
    for id, bubble in present:
        views[id] = growing(bubble, before) if isinstance(bubble, LineProgress) else None
        if isinstance(bubble, Message):
            views[id] = view(bubble)
        before = bubble if isinstance(bubble, LineProgress) else None
    return views


def partial(target: str, swap: str, content: str) -> str:
    """Wrap *content* for htmx: where it goes and how."""
    return f'<hx-partial hx-target="{escape(target)}" hx-swap="{swap}">{content}</hx-partial>'


class Painter:
    """Turns events into fragments for htmx. *cast* are the conversation's characters."""

    def __init__(self, environment: Environment) -> None:
        self._message = environment.get_template("fragments/message.html")
        self._tool = environment.get_template("fragments/tool.html")
        self._cast = environment.get_template("fragments/cast.html")
        self._tools = environment.get_template("fragments/cast_tools.html")
        self._statuses = environment.get_template("fragments/statuses.html")

    def __call__(self, event: Event, cast: Sequence[Character]) -> str:
        """Return the fragments that show *event*; empty if none do."""
        if isinstance(event, SpeakersChosen):
            return self._begun(event, cast)
        if isinstance(event, MessageDeleted):
            return partial(f"#m-{event.message_id}", "delete", "")
        if isinstance(event, ReplyFinished) and not event.line.is_again:
            target = f"#m-{event.line.message_id} .message-text"
            return partial(target, "innerHTML", render(event.text))
        if isinstance(event, ToolUsed):
            target = f"#m-{event.line.message_id} .message-text"
            return partial(target, "beforebegin", self._tool.render(tools=[event]))
        if isinstance(event, MessageAdded):
            return self._added(event.message, cast)
        return ""

    def cast(self, view: CastView) -> str:
        """Return the fragments that show who is here, by which rules, and the title."""
        here = partial("#cast", "outerHTML", self._cast.render(cast=view))
        rules = partial("#cast-tools", "outerHTML", self._tools.render(cast=view))
        return here + rules + partial("#title", "innerHTML", escape(view.title))

    def fetchable(self, parts: Parts) -> str:
        """Return the fragment that shows what the user may fetch; empty if there never is any."""
        if not any(status.models for status in parts.statuses()):
            return ""
        html = self._statuses.render(statuses=parts.fetchable())
        return partial("#statuses", "outerHTML", html)

    def gone(self, lines: Iterable[Line]) -> str:
        """Return fragments that take away lines which left no message."""
        return "".join(partial(f"#m-{line.message_id}", "delete", "") for line in lines)

    def present(self, present: Iterable[tuple[str, Bubble]], cast: Sequence[Character]) -> str:
        """Return the fragments for a page that may lack some of this; it replaces what it has."""
        views = bubbles(present)
        gone = (partial(f"#m-{id}", "delete", "") for id, one in views.items() if one is None)
        return "".join(gone) + self._append(filter(None, views.values()), cast)

    def appended(self, message: Message, cast: Sequence[Character]) -> str:
        """Return the fragment that puts a message behind the others."""
        return self._append([view(message)], cast)

    def behind(self, target: str, messages: Iterable[Message], cast: Sequence[Character]) -> str:
        """Return the fragment that puts messages behind the one at *target*, "": to the front."""
        bubbles = "".join(self._bubble(view(one), cast) for one in messages)
        return partial(target or "#log", "afterend" if target else "afterbegin", bubbles)

    def last(self, message: Message) -> str:
        """Return the fragment that updates the last message in the list of conversations."""
        target = f"#talk-{message.conversation_id} .conversation-last"
        return partial(target, "innerHTML", escape(last_line(message)))

    def _begun(self, event: SpeakersChosen, cast: Sequence[Character]) -> str:
        """Show who is to speak; another version begins where the message is."""
        new = [_draft(line) for line in event.lines if line.says == "new"]
        anew = [_draft(line) for line in event.lines if line.says == "version"]
        replaced = (partial(f"#m-{one.id}", "outerHTML", self._bubble(one, cast)) for one in anew)
        return self._append(new, cast) + "".join(replaced)

    def _added(self, message: Message, cast: Sequence[Character]) -> str:
        bubble = self._bubble(view(message), cast)
        return partial(f"#m-{message.message_id}", "outerHTML", bubble)

    def _append(self, views: Iterable[MessageView], cast: Sequence[Character]) -> str:
        bubbles = "".join(self._bubble(one, cast) for one in views)
        return partial("#log", "beforeend", bubbles) if bubbles else ""

    def _bubble(self, message: MessageView, cast: Sequence[Character]) -> str:
        return self._message.render(message=message, characters=cast)
