"""Every error aichat raises on purpose. The message states the problem, then a hint.

* AichatError
    * BusError
        - BusClosed
        - BadHandler
    * PluginError
        - UnknownBackend
        - BadSettings
        - PluginFailed
    * BackendError
        - CannotStart
        - NotReady
        - BackendFailed
            - BadAudio
            - CannotRead
        - TimedOut
    * StoreError
        - NotFound
        - Conflict
        - Unreachable
    * BadValue
    * Denied
"""

from __future__ import annotations

from typing import ClassVar

from .redaction import redacted


class AichatError(Exception):
    """Base of all our errors. *hint* is one imperative sentence; *code* is stable, for programs.

    Credentials in addresses are redacted in both sentences.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, problem: str, hint: str) -> None:
        self.problem = redacted(problem)
        self.hint = redacted(hint)
        super().__init__(f"{self.problem}\n  Hint: {self.hint}")

    @property
    def line(self) -> str:
        """Problem and hint on one line, for people."""
        return f"{self.problem} {self.hint}"


class BusError(AichatError):
    """Wrong use of the event bus."""

    code = "bus"


class BusClosed(BusError):
    """An event was published from outside while the bus was draining."""


class BadHandler(BusError):
    """A handler's annotation names no events, or its options contradict each other."""


class PluginError(AichatError):
    """A plug-in or plugins.toml is wrong."""

    code = "plugin"


class UnknownBackend(PluginError):
    """plugins.toml names a backend that no plug-in offers."""


class BadSettings(PluginError):
    """A setting in plugins.toml is wrong."""


class PluginFailed(PluginError):
    """A plug-in could not be imported or registered."""


class BackendError(AichatError):
    """A backend cannot do its work."""

    code = "backend"
    retryable = True


class CannotStart(BackendError):
    """A backend lacks a key, weights, a GPU or a package. The next candidate serves."""

    code = "cannot_start"


class NotReady(BackendError):
    """No backend of a part is ready, or none any more."""

    code = "not_ready"


class BackendFailed(BackendError):
    """A backend broke while it worked."""

    code = "backend_failed"


class BadAudio(BackendFailed):
    """A voice's output is not speech: not PCM, silent, or endless."""


class CannotRead(BackendFailed):
    """A voice does not support the script or the language of a text; others it reads."""

    retryable = False


class TimedOut(BackendError):
    """A backend did not answer in time."""

    code = "timed_out"


class StoreError(AichatError):
    """The storage refused an operation."""

    code = "storage"


class NotFound(StoreError):
    """There is no such record."""

    code = "not_found"


class Conflict(StoreError):
    """The record is in use, or exists already."""

    code = "conflict"


class Unreachable(StoreError):
    """The store does not answer, or cannot write."""

    code = "store_unreachable"
    retryable = True


class BadValue(AichatError):
    """A value from outside breaks a rule; *field* names it."""

    code = "bad_value"

    def __init__(self, problem: str, hint: str, field: str = "") -> None:
        super().__init__(problem, hint)
        self.field = field


class Denied(AichatError):
    """The client is not authorised."""

    code = "denied"
