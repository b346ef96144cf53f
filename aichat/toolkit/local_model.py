"""What models on this machine have in common: packages, weights, loading, threads, the end.

A backend inherits :class:`LocalModel`, says which weights it needs, and loads them in ``_load``;
its calls hand work to ``_streamed`` and ``_done``. ``plugins/transformers/`` is a short one.
Libraries such as torch are handed in, so that the core needs none.
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

from .packages import installs
from .thread_streams import Listener, Workers
from .weights import Weights, fetched

T = TypeVar("T")
R = TypeVar("R")


class LocalModel:
    """Inherit; ``_load`` is what differs. *download* says whether weights may be brought."""

    part: ClassVar[str]
    name: ClassVar[str]
    """As in ``plugins.toml``."""
    what: ClassVar[str]
    """As messages call it."""
    extra: ClassVar[str] = ""
    """Of aichat, that brings the *packages*; its name if it is not told."""
    packages: ClassVar[Sequence[str]]
    by_hand: ClassVar[str]
    """How the weights can be had without a network: the end of a sentence."""

    def __init__(self, max_concurrent: int, download: bool) -> None:
        self.download = download
        self.report: Callable[[str], None] = lambda line: None
        self._workers = Workers(max(1, max_concurrent), self.what)
        self._engine: Any = None

    @property
    def weights(self) -> Sequence[Weights]:
        """What it needs. Raises :class:`CannotStart` where that cannot be told."""
        raise NotImplementedError

    @property
    def max_concurrent(self) -> int:
        """How much work it does at once."""
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
        """Return what was loaded from where each of the weights is. Called in a thread."""
        raise NotImplementedError

    def _running(self) -> Any:
        """Return what was loaded. Raises :class:`NotReady`."""
        if self._engine is None:
            raise NotReady(f"{self.what} is not loaded.", "Start it first.")
        return self._engine

    async def _streamed(
        self, work: Callable[[Listener[T]], None], ahead: int = 8
    ) -> AsyncIterator[T]:
        """Yield what *work* hands over; what goes wrong is raised as a sentence."""
        try:
            async with closing(self._workers.stream(work, ahead)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise await self._told(error) from error

    async def _done(self, work: Callable[[Callable[[], bool]], R]) -> R:
        """Return what *work* returns; what goes wrong is raised as a sentence."""
        try:
            return await self._workers.run(work)
        except Exception as error:
            raise await self._told(error) from error

    async def _told(self, error: Exception) -> AichatError:
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
    """Say what is needed: a folder, or a repository of the hub, which is written OWNER/NAME."""
    is_repository = path.count("/") == 1 and not path.startswith(("/", ".", "~"))
    if is_repository and not Path(path).is_dir():
        return Weights(name, path, files, main)
    return Weights(path)


def device_of(torch: Any, device: str, setting: str) -> Any:
    """Choose where torch computes; "auto" is the best there is.

    Raises :class:`CannotStart`, which names the *setting*, when that device is not there.
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
    """Return torch's type of that name; "auto" is what suits the device."""
    return getattr(torch, dtype if dtype != "auto" else USUAL.get(place.type, "bfloat16"))


USUAL = {"cpu": "float32"}
"""What a device computes with at the usual speed, where that is not bfloat16."""


def first_line(error: BaseException) -> str:
    """Return what an error tells, without the pages that libraries add."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
