"""An application's life, from before its start on, as the lifespan and ``litestar run`` see it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from attrs import define
from jinja2 import Environment
from pluggy import PluginManager

from aichat.core import AichatError, Config, NotReady
from aichat.web.access.authentication import Authenticator
from aichat.web.access.keyring import Keyring
from aichat.web.application_state import ApplicationState


def _nothing() -> None:
    """Do nothing."""


@define(eq=False)
class Lifecycle:
    """What exists before the start, and how far an application has got."""

    config: Config
    manager: PluginManager | None
    """None if the plug-ins could not be loaded; then *failure* says why."""
    templates: Environment
    keyring: Keyring | None
    """The logins; None if access needs none."""
    failure: AichatError | None
    """Why the application cannot start."""
    authenticator: Authenticator | None = None
    """None without plug-ins."""
    hurry: anyio.Event | None = None
    """Made as the start begins; set, it ends the wait for backends."""
    state: ApplicationState | None = None
    """What handlers use; None before the start."""
    when_stored: Callable[[], None] = _nothing
    """Called at the end, once everything is stored."""

    def running(self) -> ApplicationState:
        """Return what handlers use. Raises NotReady before the start."""
        if self.state is None:
            raise NotReady("aichat has not started yet.", "Try again in a moment.")
        return self.state
