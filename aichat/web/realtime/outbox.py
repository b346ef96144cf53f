"""The queue of frames to be sent to one client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
from attrs import define, field, frozen

GATHER_SECONDS = 0.003
"""How long streamed text waits for more, to be written in one system call."""
OUTBOX = 2_000
"""Most frames that wait for a slow client; then it is disconnected, and may reconnect."""


@frozen
class Goodbye:
    """Closes the connection after the frames before it; *code* is the WebSocket's close code."""

    code: int
    reason: str


Frame = str | bytes | Goodbye


@define(eq=False)
class Connection:
    """One client's outbox.

    *on_overflow* is called when it is full, *on_frames* when a writer is needed to empty it.
    """

    is_binary: bool
    wants_html: bool
    on_overflow: Callable[[], None]
    on_frames: Callable[[], None] = lambda: None
    said_farewell: bool = False
    """The page was left, or we closed the connection: the client will not reconnect."""
    closed_well: bool = False
    """It ended with a close handshake: what was sent has arrived."""
    frames: deque[tuple[int, Frame]] = field(factory=deque)
    """Frames to be sent, each with the generation (turn number) whose audio it is, or 0."""
    is_hurried: bool = False
    """Some of the frames should be sent at once."""
    is_served: bool = False
    """A writer is emptying the queue."""
    hurry: anyio.Event | None = None
    """Set to wake a writer that waits for more text, when a frame should be sent at once."""

    def put(self, frame: Frame, generation: int = 0, *, patient: bool = False) -> None:
        """Add a frame, or report an overflow. A *patient* frame may wait to be sent with others."""
        if len(self.frames) >= OUTBOX:
            self.frames.clear()
            self.on_overflow()
            return
        self.frames.append((generation, frame))
        if not patient:
            self.is_hurried = True
            if self.hurry:
                self.hurry.set()
        if not self.is_served:
            self.is_served = True
            self.on_frames()

    def drop_audio(self, generation: int) -> None:
        """Drop queued audio of generations up to *generation*."""
        self.frames = deque(f for f in self.frames if not 0 < f[0] <= generation)

    async def gather(self) -> None:
        """Wait briefly for more frames, unless some should be sent at once.

        Each system call delays the work that leads to the first audio, so streamed text waits up
        to ``GATHER_SECONDS`` for more of it, or for audio, which is sent at once.
        """
        if not self.is_hurried:
            self.hurry = hurry = anyio.Event()
            with anyio.move_on_after(GATHER_SECONDS):
                await hurry.wait()
            self.hurry = None

    def rest(self) -> None:
        """Note that the writer has finished; the next frame starts it again."""
        self.is_hurried = self.is_served = False
        self.hurry = None

    def take(self) -> Frame:
        """Remove and return the next frame."""
        return self.frames.popleft()[1]
