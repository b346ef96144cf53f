"""One large file over HTTP, in pieces that are kept: a cut costs only what had not come yet.

The file is named for its SHA-256. Until it is whole and checked it is called ``NAME.incomplete``.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from attrs import define, frozen

PIECE = 1 << 20
SILENCE_SECONDS = 30.0
"""A server that sends nothing for so long is asked again."""
ATTEMPTS = 5
"""After so many tries in a row that brought nothing it is given up."""
PAUSE_SECONDS = 1.0
DAY_SECONDS = 24 * 3600


class Stopped(Exception):
    """The download was stopped; what came is kept."""


@frozen
class Source:
    """Where a file is now, and what it is. *size* in bytes."""

    url: str
    headers: Mapping[str, str]
    sha256: str
    size: int


@define
class Download:
    """Fetches one file into *folder*, going on where an earlier try ended.

    *ask* is called for each try, since addresses expire. *add* gets the number of bytes that are
    here already, then of each piece, and a negative one when they have to be thrown away.
    """

    ask: Callable[[], Source]
    folder: Path
    add: Callable[[int], None]
    stop: threading.Event
    counted: int = 0

    def run(self) -> Path:
        """Return the whole file. Blocks.

        Raises :class:`Stopped` soon after *stop* is set, :class:`ValueError` for a file that is
        not what it should be, and else what the network raised last.
        """
        fruitless = 0
        while True:
            before = self.counted
            try:
                return self._try()
            except Exception as error:
                fruitless = 0 if self.counted > before else fruitless + 1
                if _is_hopeless(error) or fruitless >= ATTEMPTS:
                    raise
            if self.stop.wait(PAUSE_SECONDS):
                raise Stopped

    def _try(self) -> Path:
        source = self.ask()
        path = self.folder / source.sha256
        if not path.exists():
            partial = path.with_name(f"{path.name}.incomplete")
            with _alone(partial, self.stop) as file:
                if not path.exists():  # else somebody has brought it while we waited
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
                if self.stop.is_set():
                    raise Stopped
        if have < source.size:
            raise ConnectionError(f"the connection was cut after {have} of {source.size} bytes")

    def _check(self, file: BinaryIO, source: Source, partial: Path) -> None:
        file.flush()
        file.seek(0)
        digest = sha256()
        while piece := file.read(PIECE):
            digest.update(piece)
            if self.stop.is_set():
                raise Stopped
        if digest.hexdigest() != source.sha256:
            partial.unlink()
            raise ValueError("what came is not what was promised; it was thrown away")

    def _count_up_to(self, have: int) -> None:
        more, self.counted = have - self.counted, have
        self.add(more)


def _is_hopeless(error: Exception) -> bool:
    """Tell whether another try would end in the same way."""
    if isinstance(error, (Stopped, ValueError)):
        return True
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
        return True
    answer = getattr(error, "response", error)  # the hub client's errors, or urllib's
    status = getattr(answer, "status_code", None) or getattr(answer, "code", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 416, 429)


def sweep_incomplete(folder: Path) -> None:
    """Remove pieces that no try will go on with: of files that nobody wants now, for a day.

    Those that are here whole have none, so call it when all that is wanted is. A piece that some
    process has open and locked stays. Blocks: reads the disk; what cannot be removed stays.
    """
    with suppress(OSError):
        for piece in folder.glob("*.incomplete"):
            if time.time() - piece.stat().st_mtime > DAY_SECONDS and _is_free(piece):
                piece.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Tell that no other process is writing to a piece."""
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
def _alone(path: Path, stop: threading.Event) -> Iterator[BinaryIO]:
    """Open *path* to go on writing; wait while another thread or process does."""
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
