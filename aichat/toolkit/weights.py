"""Weights: files that a backend needs and no package contains. Finds and downloads them.

They are in the cache of the Hugging Face client, which other programs share. That client discards
the part of a file that came when a download is cut. So large files are downloaded here: they are
resumed, also after a restart, checked, and put where the client finds them; names, small files and
layout are left to it. It is passed in as *hub* (``import huggingface_hub``), so that the toolkit
needs no such package.
"""

from __future__ import annotations

import errno
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from importlib import import_module
from pathlib import Path
from shutil import disk_usage
from typing import Any

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import current_token
from attrs import define, frozen

from aichat.core.errors import CannotStart
from aichat.core.redaction import redacted

from . import bounded_http
from .downloads import Download, Persistence, Source, Stopped, persistent, sweep_incomplete

MB = 1_000_000
DISK = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)
"""Error numbers of the disk, not the network."""
LARGEST_LIST = 32 * MB
"""Most bytes of the hub's answer about a repository."""
Report = Callable[[int, int], None]
"""Called with the bytes on disk and the bytes needed, in a worker thread."""


@frozen
class Weights:
    """The weights of a backend: *files* (patterns; none: all) of a *repository* on the hub.

    *name* is for display. Without a repository it is the path of a folder or file that the user has
    set: that is neither downloaded nor removed. *main* is the file without which the others
    are of no use.
    """

    name: str
    repository: str = ""
    files: tuple[str, ...] = ()
    main: str = ""
    revision: str | None = None

    def includes(self, file: str) -> bool:
        """Return whether a file of the repository is needed."""
        return not self.files or any(fnmatch(file, pattern) for pattern in self.files)


def needed_weights(backend: object) -> Sequence[Weights]:
    """Return the attribute ``weights`` of a backend, which need not be entered."""
    return tuple(getattr(backend, "weights", ()))


def find(weights: Weights, hub: Any) -> Path | None:
    """Return the path of the weights, if all are on disk. Blocks: reads the disk, no network."""
    if not weights.repository:
        path = Path(weights.name).expanduser()
        return path if path.exists() else None
    try:
        return _snapshot(weights, hub, local_files_only=True)
    except (OSError, ValueError):  # which the client raises if they are missing
        return None


def cache_folder(weights: Weights, hub: Any) -> Path:
    """Return the folder in the client's cache that holds all of a repository."""
    folder = "models--" + weights.repository.replace("/", "--")
    return Path(_module(hub, "constants").HF_HUB_CACHE) / folder


def held_bytes(weights: Weights, hub: Any) -> int:
    """Return the bytes of the weights on this disk, partial downloads included.

    Blocks: reads the disk.
    """
    path = Path(weights.name).expanduser()
    if weights.repository:
        path = cache_folder(weights, hub) / "blobs"
    files: Iterator[Path] = path.rglob("*") if path.is_dir() else iter([path])
    return sum(file.stat().st_size for file in files if file.is_file())


def fetch(
    weights: Weights,
    hub: Any,
    report: Report,
    stop: threading.Event,
    failed: Callable[[str, float], None] = lambda reason, seconds: None,
) -> Path:
    """Download what is missing. Blocks; ends soon after *stop* is set, with ``Stopped``.

    What fails is attempted again: *failed* gets the reason, and the seconds until then. Raises what
    the client and the network raise in the end; partial files stay, and the next call resumes.
    """
    _be_quiet(hub)
    _bound_lists(hub)
    offline = _module(hub, "errors").OfflineModeIsEnabled
    how = Persistence(stop, lambda error, pause: failed(_reason(error), pause), (offline,))
    info = persistent(partial(_info, weights, hub), how)
    wanted = [file for file in info.siblings if weights.includes(file.rfilename)]
    large = [file for file in wanted if file.lfs]
    progress = _Progress(sum(file.size or 0 for file in large), report)
    blobs = cache_folder(weights, hub) / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    _check_room(blobs, progress.total - held_bytes(weights, hub))
    progress.add(0)
    for file in large:
        url = hub.hf_hub_url(weights.repository, file.rfilename, revision=info.sha)
        Download(partial(_source, url, hub), blobs, progress.add, how).run()
    return persistent(partial(_snapshot, weights, hub), how)


async def fetched(
    weights: Weights,
    hub: Any,
    report: Callable[[str], None],
    *,
    allowed: bool = True,
    otherwise: str = "install them by hand.",
) -> Path:
    """Return the path of the weights, downloaded if they are missing and that is *allowed*.

    *report* gets lines on the event loop, as a backend's own ``report``. Raises
    :class:`CannotStart`, which says "Connect once, or *otherwise*", or how to ask for a download
    that is not *allowed*. When cancelled it leaves at once, and its thread ends at the next piece.
    """
    if folder := await to_thread.run_sync(_found, weights, hub, abandon_on_cancel=True):
        return folder
    why: Exception | None = None
    if allowed and weights.repository:
        try:
            return await _fetched(weights, hub, report)
        except Exception as error:  # the client and the network raise many kinds
            why = error
    tried = f"could not be downloaded ({_reason(why)})" if why else "may not be downloaded"
    first = "Connect once" if allowed else f"Run `litestar aichat models download {weights.name}`"
    if isinstance(why, OSError) and why.errno in DISK:
        first = f"Make {cache_folder(weights, hub)} writable and give it room"
    raise CannotStart(
        f"The weights of {weights.name} are not here and {tried}.",
        f"{first}, or {otherwise}" if weights.repository else f"Please {otherwise}",
    ) from why


def _found(weights: Weights, hub: Any) -> Path | None:
    """Return the path of the weights; if they are complete, remove old partial downloads."""
    folder = find(weights, hub)
    if folder and weights.repository:
        sweep_incomplete(cache_folder(weights, hub) / "blobs")
    return folder


async def _fetched(weights: Weights, hub: Any, report: Callable[[str], None]) -> Path:
    """Download in a daemon thread: a silent server does not delay the end of the program."""
    stop, done, loop = threading.Event(), anyio.Event(), current_token()
    come: list[Path | Exception] = []

    def report_progress(done: int, total: int) -> None:
        line = f"weights: {done // MB} of {-(-total // MB)} MB"
        from_thread.run_sync(report, line, token=loop)

    def report_failure(reason: str, pause: float) -> None:
        line = f"weights: {reason.rstrip('.')}; next attempt in {pause:.0f} s"
        from_thread.run_sync(report, line, token=loop)

    def work() -> None:
        try:
            come.append(fetch(weights, hub, report_progress, stop, report_failure))
        except Exception as error:
            come.append(error)  # raised where it is waited for
        with suppress(RuntimeError):  # the loop has ended meanwhile
            from_thread.run_sync(done.set, token=loop)

    threading.Thread(target=work, name="weights", daemon=True).start()
    try:
        await done.wait()
    finally:
        stop.set()
    if isinstance(come[0], Exception):
        raise come[0]
    return come[0]


@define
class _Progress:
    total: int
    report: Report
    done: int = 0
    reported: int = -1

    def add(self, count: int) -> None:
        """Count bytes; report every megabyte, for large files every hundredth."""
        self.done += count
        step = self.done // max(MB, self.total // 100)
        if step != self.reported or self.done == self.total:
            self.reported = step
            self.report(self.done, self.total)


def _info(weights: Weights, hub: Any) -> Any:
    """Return the hub's list of a repository's files."""
    api = hub.HfApi()
    return api.model_info(weights.repository, revision=weights.revision, files_metadata=True)


def _snapshot(weights: Weights, hub: Any, **options: Any) -> Path:
    _be_quiet(hub)
    folder = hub.snapshot_download(
        weights.repository,
        revision=weights.revision,
        allow_patterns=list(weights.files) or None,
        **options,
    )
    if not (Path(folder) / weights.main).exists():
        raise FileNotFoundError(f"{weights.repository} holds no {weights.main}")
    return Path(folder)


def _source(url: str, hub: Any) -> Source:
    """Return the current address of a file."""
    meta = hub.get_hf_file_metadata(url)
    headers = _module(hub, "utils").build_hf_headers()
    if not meta.location.startswith(f"{_module(hub, 'constants').ENDPOINT}/"):
        headers.pop("authorization", None)  # another host: the address itself is the permission
    return Source(meta.location, headers, meta.etag, meta.size)


def _check_room(folder: Path, missing: int) -> None:
    free = disk_usage(folder).free
    if missing > free:
        room = f"{missing // MB} MB are needed and {free // MB} MB free in {folder}"
        raise OSError(errno.ENOSPC, room)


def _be_quiet(hub: Any) -> None:
    """Turn off the client's progress bars and log lines: aichat reports progress itself."""
    utils = _module(hub, "utils")
    utils.logging.set_verbosity_error()
    utils.disable_progress_bars()


def _bound_lists(hub: Any) -> None:
    """Limit the size of the hub's lists in memory; files are counted where they are written."""
    client = _module(hub, "utils").get_session()
    hooks = getattr(client, "event_hooks", None)
    if hooks is None or any(hook.__module__ == bounded_http.__name__ for hook in hooks["response"]):
        return  # an older client, of another make; or it is done
    http = import_module(type(client).__module__.partition(".")[0])
    hook = bounded_http.bounds_in_threads(http, _most, "the hub", "Check HF_ENDPOINT.")
    client.headers.update(bounded_http.ASK)
    client.event_hooks = {**hooks, "response": [*hooks["response"], hook]}


def _most(request: Any) -> float:
    return LARGEST_LIST if request.url.path.startswith("/api/") else math.inf


def _module(hub: Any, name: str) -> Any:
    return import_module(f"{hub.__name__}.{name}")  # it loads them when they are asked for


def _reason(error: BaseException) -> str:
    if isinstance(error, Stopped):
        return "it was stopped"
    if isinstance(error, OSError) and error.errno in DISK and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    cause = error.__cause__ or error
    return redacted(str(cause).strip() or type(cause).__name__).split("\n")[0]
