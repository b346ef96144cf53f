"""What waits to be sent to one client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
from attrs import define, field, frozen

GATHER_SECONDS = 0.003
OUTBOX = 2_000
"""Frames that may wait for a slow client; then it is let go, and may come back."""


@frozen
class Goodbye:
    """The connection ends behind what was put before; *code* is the WebSocket's close code."""

    code: int
    reason: str


Frame = str | bytes | Goodbye


@define(eq=False)
class Connection:
    """One client's outbox.

    *on_overflow* is called when it is too slow, *on_frames* when somebody is to empty it.
    """

    is_binary: bool
    wants_html: bool
    on_overflow: Callable[[], None]
    on_frames: Callable[[], None] = lambda: None
    said_farewell: bool = False
    """The page was left, or we have ended it: it is not waited for."""
    closed_well: bool = False
    """It ended with a handshake: what was sent has arrived."""
    frames: deque[tuple[int, Frame]] = field(factory=deque)
    """What waits to be sent, each with the generation whose audio it is, or 0."""
    is_hurried: bool = False
    """Something among it should go at once."""
    is_served: bool = False
    """Somebody sends what there is."""
    hurry: anyio.Event | None = None
    """Whoever sends it waits for company of the text there is, or for something in a hurry."""

    def put(self, frame: Frame, generation: int = 0, *, patient: bool = False) -> None:
        """Add a frame; whoever falls behind is let go. Text that is *patient* waits for company."""
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
        """Give up audio that waits, up to a generation."""
        self.frames = deque(f for f in self.frames if not 0 < f[0] <= generation)

    async def gather(self) -> None:
        """Wait a moment for company, unless something should go at once.

        Each system call delays the work that leads to the first audio, so text that streams waits
        up to ``GATHER_SECONDS`` for more of it, or for audio, which goes at once.
        """
        if not self.is_hurried:
            self.hurry = hurry = anyio.Event()
            with anyio.move_on_after(GATHER_SECONDS):
                await hurry.wait()
            self.hurry = None

    def rest(self) -> None:
        """Nobody sends any more; what comes next is something new."""
        self.is_hurried = self.is_served = False
        self.hurry = None

    def take(self) -> Frame:
        """Take the next frame."""
        return self.frames.popleft()[1]
