"""All hook specifications. A plug-in is a module (or object) that implements some of them.

Hooks are called once at start-up (``authenticate``: for each request), and are synchronous. What
happens during a conversation travels over the bus instead. (pluggy calls hooks synchronously: an
``async def`` hook would return a coroutine, which no ``firstresult`` or wrapper understands, so it
is refused.)

    from aichat.core import Backend, hookimpl

    @hookimpl
    def tts_backend():
        return Backend("whisper-quietly", WhisperQuietly)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pluggy

from .actor import Actor, Connection
from .backends import Backend, Llm, Sequencer, Stt, Tts, TurnDetector, Vad
from .bus.bus import Bus
from .registry.selection import Parts
from .storage import Storage
from .tools import Tool

hookspec = pluggy.HookspecMarker("aichat")
hookimpl = pluggy.HookimplMarker("aichat")


@hookspec
def vad_backend() -> Backend[Vad]:  # type: ignore[empty-body]
    """Offer a voice activity detector."""


@hookspec
def turn_backend() -> Backend[TurnDetector]:  # type: ignore[empty-body]
    """Offer a turn detector: endpointing and barge-in."""


@hookspec
def stt_backend() -> Backend[Stt]:  # type: ignore[empty-body]
    """Offer a speech recogniser."""


@hookspec
def llm_backend() -> Backend[Llm]:  # type: ignore[empty-body]
    """Offer a language model."""


@hookspec
def tts_backend() -> Backend[Tts]:  # type: ignore[empty-body]
    """Offer a voice synthesiser."""


@hookspec
def sequencer_backend() -> Backend[Sequencer]:  # type: ignore[empty-body]
    """Offer a sequencer: the order of playback."""


@hookspec
def storage_backend() -> Backend[Storage]:  # type: ignore[empty-body]
    """Offer a store."""


@hookspec
def connect(bus: Bus, parts: Parts) -> None:
    """Subscribe to events. Called once, when storage is open, before the first event.

    The other parts may still be starting: get one from *parts* each time you use it.
    """


@hookspec
def speakable_filter() -> Callable[[str], str]:  # type: ignore[empty-body]
    """Offer a function that turns a clause's text into what is read out.

    Filters are chained; the text on the screen stays as it is. Yours gets the text as the model
    wrote it, before aichat's own takes out mark-up, code, emoji and *actions*; write
    ``@hookimpl(trylast=True)`` to come after it. It is called for every clause, on the event loop:
    it must return within a millisecond. (For a clause of more than 2,000 letters, as narration may
    be, it is called in a worker thread.) An empty text is not spoken.
    """


@hookspec
def tools() -> list[Tool]:  # type: ignore[empty-body]
    """Offer tools that characters may use while they write: see :mod:`aichat.core.tools`.

    A character has those that its ``extensions["tools"]`` names. They are never called in a
    speculative turn, and each call and its result are shown in the chat.
    """


@hookspec
def template_folder() -> Path:  # type: ignore[empty-body]
    """Name a folder of Jinja templates that is searched before aichat's own."""


@hookspec
def web_routes() -> list[object]:  # type: ignore[empty-body]
    """Return Litestar route handlers to add to the site."""


@hookspec(firstresult=True)
def authenticate(connection: Connection) -> Actor | None:
    """Return a connection's actor; the one hook that is called all the time.

    It is called for every HTTP request and WebSocket handshake (but /health, /static and /login,
    which are public), and again every second for each open WebSocket: when a login ends, its
    sockets are closed.

    Return the actor to let the client in. Return None if you do not know it: then the next plug-in
    is called, and last aichat's own, the one that ``[web] access`` in plugins.toml names. Raise
    ``Denied`` to refuse it, whatever the others would return: so a plug-in replaces aichat's own.
    Raise ``Unreachable`` while you cannot know: the client is asked to try again in a moment.
    Any other result, and any other exception, refuses as well, and is reported in the log.
    ``@hookimpl(tryfirst=True)`` calls yours before those of other plug-ins.

    Answer from memory, within a fraction of a millisecond: all audio waits for you.
    """
