"""Base class of backends that run a model on this machine: packages, weights, worker threads.

A backend inherits :class:`LocalModel`, declares its weights, and loads them in ``_load``; its calls
run work with ``_streamed`` and ``_done``. ``plugins/transformers/`` is a short example. Libraries
such as torch are passed in, so that the toolkit needs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from anyio import to_thread

from aichat.core.bus.streams import closing
from aichat.core.errors import AichatError, BackendFailed, CannotStart, NotReady

from .packages import installed_version, installs, version
from .thread_streams import Listener, Workers
from .weights import Weights, fetched

T = TypeVar("T")
R = TypeVar("R")

SLOWING = ("device", "dtype", "threads")
"""Attributes on which the speed of a model depends."""


class LocalModel:
    """Inherit, and override ``_load``. *download*: whether weights may be downloaded."""

    part: ClassVar[str]
    name: ClassVar[str]
    """The backend's name in ``plugins.toml``."""
    what: ClassVar[str]
    """Its name in messages."""
    extra: ClassVar[str] = ""
    """The extra of aichat that installs the *packages*; empty: the backend's name."""
    packages: ClassVar[Sequence[str]]
    by_hand: ClassVar[str]
    """How to get the weights without a network: the end of a sentence."""

    def __init__(self, max_concurrent: int, download: bool) -> None:
        self.download = download
        self.report: Callable[[str], None] = lambda line: None
        self.speed_key = ""
        """What its speed depends on besides the machine; known once it was entered."""
        self._workers = Workers(max(1, max_concurrent), self.what)
        self._engine: Any = None

    @property
    def weights(self) -> Sequence[Weights]:
        """The weights it needs. Raises :class:`CannotStart` if they cannot be determined."""
        raise NotImplementedError

    @property
    def max_concurrent(self) -> int:
        """Most calls that it works on at once."""
        return self._workers.count

    async def __aenter__(self) -> Self:
        await to_thread.run_sync(require, self.extra or self.name, self.packages)
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        folders = [
            await fetched(one, hub, self.report, allowed=self.download, otherwise=self.by_hand)
            for one in self.weights
        ]
        self.report("loading the weights")
        self._engine = await to_thread.run_sync(self._load, folders, abandon_on_cancel=True)
        self.speed_key = await to_thread.run_sync(self._speed_key)
        await self._workers.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._workers.__aexit__(kind, error, traceback)
        finally:
            self._engine = None

    def _load(self, folders: Sequence[Path]) -> Any:
        """Load the model from the paths of its weights, and return it. Called in a thread."""
        raise NotImplementedError

    def _speed_key(self) -> str:
        weights = [one.repository or one.name for one in self.weights]
        made_by = [f"{name} {installed_version(name)}" for name in self.packages]
        settings = [f"{name} {getattr(self, name)}" for name in SLOWING if hasattr(self, name)]
        return ", ".join([*weights, *made_by, f"aichat {version()}", *settings])

    def _running(self) -> Any:
        """Return the loaded model. Raises :class:`NotReady`."""
        if self._engine is None:
            raise NotReady(f"{self.what} is not loaded.", "Start it first.")
        return self._engine

    async def _streamed(
        self, work: Callable[[Listener[T]], None], ahead: int = 8
    ) -> AsyncIterator[T]:
        """Yield the items of *work*, run in a thread; errors are raised as an AichatError."""
        try:
            async with closing(self._workers.stream(work, ahead)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise await self._explained(error) from error

    async def _done(self, work: Callable[[Callable[[], bool]], R]) -> R:
        """Return the result of *work*, run in a thread; errors are raised as an AichatError."""
        try:
            return await self._workers.run(work)
        except Exception as error:
            raise await self._explained(error) from error

    async def _explained(self, error: Exception) -> AichatError:
        if isinstance(error, AichatError):
            return error
        return BackendFailed(
            f"{self.what} failed ({type(error).__name__}).",
            f"Try again, or choose another [{self.part}] backend.",
        )


def require(extra: str, packages: Sequence[str]) -> None:
    """Raise :class:`CannotStart` for a package that is missing. Blocks: reads the disk."""
    for package in packages:
        if find_spec(package) is None:
            raise CannotStart(
                f"The package {package.replace('_', '-')} is missing.",
                installs(extra),
            )


def weights_at(name: str, path: str, files: tuple[str, ...], main: str) -> Weights:
    """Return the weights at a path: a folder, or a repository of the hub, as OWNER/NAME."""
    is_repository = path.count("/") == 1 and not path.startswith(("/", ".", "~"))
    if is_repository and not Path(path).is_dir():
        return Weights(name, path, files, main)
    return Weights(path)


def device_of(torch: Any, device: str, setting: str) -> Any:
    """Return the device that torch computes on; "auto" is the best available.

    Raises :class:`CannotStart`, which names the *setting*, when that device is missing.
    """
    if device == "auto":
        has_mps = torch.backends.mps.is_available()
        device = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise CannotStart(
            f"Torch has no device {device!r} here ({first_line(error)}).",
            f'Set {setting} to "auto", "cuda", "mps" or "cpu".',
        ) from error


def precision_of(torch: Any, dtype: str, place: Any) -> Any:
    """Return the torch dtype of that name; "auto" is the one that suits the device."""
    return getattr(torch, dtype if dtype != "auto" else USUAL.get(place.type, "bfloat16"))


USUAL = {"cpu": "float32"}
"""The fast dtype of a device, where that is not bfloat16."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; libraries add pages."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
