"""Downloads a large file over HTTP, and resumes after an interruption.

The file is named after its SHA-256. Until it is complete and checked it is ``NAME.incomplete``.
Whatever fails on the way is attempted again, after growing pauses (:func:`persistent`).
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeVar

from attrs import define, frozen

PIECE = 1 << 20
SILENCE_SECONDS = 30.0
"""Idle timeout, after which the download is retried."""
ATTEMPTS = 8
"""Most attempts in a row without progress."""
PAUSE_SECONDS = 1.0
"""Wait after an attempt; doubled after each further one without progress."""
DAY_SECONDS = 24 * 3600


T = TypeVar("T")


class Stopped(Exception):
    """The download was stopped; the partial file is kept."""


@frozen
class Source:
    """The current address of a file, its hash, and its *size* in bytes."""

    url: str
    headers: Mapping[str, str]
    sha256: str
    size: int


@frozen
class Persistence:
    """How long to go on after failures: until *stop* is set, or an error is *hopeless*.

    *failed* is called with each error after which there is another attempt, and the seconds until
    that.
    """

    stop: threading.Event
    failed: Callable[[Exception, float], None] = lambda error, seconds: None
    hopeless: tuple[type[Exception], ...] = ()


def persistent(
    attempt: Callable[[], T], how: Persistence, progress: Callable[[], int] = lambda: 0
) -> T:
    """Return what *attempt* returns; it is made again after a pause while it fails. Blocks.

    Raises :class:`Stopped`, or its last error: that of an attempt that would fail again in the same
    way, or of the last one of several in a row without *progress*.
    """
    fruitless = 0
    while True:
        before = progress()
        try:
            return attempt()
        except Exception as error:
            fruitless = 0 if progress() > before else fruitless + 1
            if isinstance(error, how.hopeless) or _is_hopeless(error) or fruitless >= ATTEMPTS:
                raise
            pause = PAUSE_SECONDS * 2 ** max(0, fruitless - 1)
            how.failed(error, pause)
        if how.stop.wait(pause):
            raise Stopped


@define
class Download:
    """Downloads one file into *folder*, resuming where an earlier attempt ended.

    *ask* is called for each attempt, since addresses expire. *add* is called with the number of
    bytes on disk, then of each piece, and with a negative number when they are discarded.
    """

    ask: Callable[[], Source]
    folder: Path
    add: Callable[[int], None]
    how: Persistence
    counted: int = 0

    def run(self) -> Path:
        """Return the path of the complete file. Blocks.

        Raises :class:`Stopped` soon after that is wanted, :class:`ValueError` for a file with a
        wrong hash or size, and else the last error of the network.
        """
        return persistent(self._try, self.how, lambda: self.counted)

    def _try(self) -> Path:
        source = self.ask()
        path = self.folder / source.sha256
        if not path.exists():
            partial = path.with_name(f"{path.name}.incomplete")
            with _locked(partial, self.how.stop) as file:
                if not path.exists():  # else another process downloaded it while we waited
                    self._go_on(file, source)
                    self._check(file, source, partial)
            if not path.exists():
                partial.rename(path)
        self._count_up_to(source.size)
        return path

    def _go_on(self, file: BinaryIO, source: Source) -> None:
        have = file.seek(0, 2)
        if have > source.size:
            have = file.truncate(0)
        self._count_up_to(have)
        if have == source.size:
            return
        from urllib.request import Request, urlopen  # slow to import, and seldom needed

        request = Request(source.url, headers={**source.headers, "Range": f"bytes={have}-"})  # noqa: S310
        if request.type not in ("http", "https"):
            raise ValueError(f"{request.type} is no address on the web")
        with urlopen(request, timeout=SILENCE_SECONDS) as answer:  # noqa: S310  (see above)
            if answer.status != 206:  # it sends all of it
                have = file.truncate(0)
            while piece := answer.read1(PIECE):
                have += len(piece)
                if have > source.size:
                    raise ValueError(f"more came than the {source.size} bytes that were promised")
                file.write(piece)
                self._count_up_to(have)
                if self.how.stop.is_set():
                    raise Stopped
        if have < source.size:
            raise ConnectionError(f"the connection was cut after {have} of {source.size} bytes")

    def _check(self, file: BinaryIO, source: Source, partial: Path) -> None:
        file.flush()
        file.seek(0)
        digest = sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
            if self.how.stop.is_set():
                raise Stopped
        if digest.hexdigest() != source.sha256:
            partial.unlink()
            raise ValueError("what came is not what was promised; it was thrown away")

    def _count_up_to(self, have: int) -> None:
        more, self.counted = have - self.counted, have
        self.add(more)


def _is_hopeless(error: Exception) -> bool:
    """Return whether another attempt would fail in the same way."""
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        return _is_hopeless(error.__cause__)  # the client's, for a file that it could not look up
    if isinstance(error, (Stopped, ValueError)):
        return True
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return True
    answer = getattr(error, "response", error)  # the hub client's errors, or urllib's
    status = getattr(answer, "status_code", None) or getattr(answer, "code", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 416, 429)


def sweep_incomplete(folder: Path) -> None:
    """Remove partial files that are over a day old and that no download will resume.

    Call it when all wanted files are complete. A partial file that a process has locked stays, and
    so does one that cannot be removed. Blocks: reads the disk.
    """
    with suppress(OSError):
        for piece in folder.glob("*.incomplete"):
            if time.time() - piece.stat().st_mtime > DAY_SECONDS and _is_free(piece):
                piece.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Return whether no other process is writing to a partial file."""
    try:
        import fcntl
    except ImportError:
        return True  # Windows does not let a file go that is open
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _locked(path: Path, stop: threading.Event) -> Iterator[BinaryIO]:
    """Open *path* for appending, locked; wait while another thread or process has the lock."""
    with path.open("a+b") as file:
        try:
            import fcntl
        except ImportError:  # Windows: two at once fail the check, and the next try is whole
            yield file
            return
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.wait(PAUSE_SECONDS):
                    raise Stopped from None
        yield file
