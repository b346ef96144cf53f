"""The REST API, noun by noun: what other programs use. Its document is at ``/schema``."""

from __future__ import annotations

from litestar import Router

from aichat.web.schemas.decoding import Strict

from .characters import Characters
from .conversations import Conversations
from .images import Images
from .message_actions import MessageActions
from .messages import Messages
from .models import Models
from .plugins import Plugins
from .settings import Settings
from .tools import Tools
from .turn_inspection import SentPrompts, Turns
from .voices import Voices


def routes() -> Router:
    """Return everything under ``/api``."""
    return Router(
        "/api",
        route_handlers=[
            Characters,
            Images,
            Voices,
            Conversations,
            Messages,
            MessageActions,
            Settings,
            Models,
            Plugins,
            Tools,
            Turns,
            SentPrompts,
        ],
        dto=Strict,
        return_dto=None,
    )
