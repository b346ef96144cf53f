"""What a voice sends is checked before anybody hears it: it is audio, it can be heard, it ends.

The checks count audio, not chunks or bytes: a byte a second and zeros for ever are silence.
"""

from __future__ import annotations

from attrs import Factory, define, field

from aichat.core.errors import BackendFailed, BadAudio, TimedOut

LETTER_SECONDS = 1 / 15
"""About how long a letter takes to say, while nothing better is known."""
SLOWEST_LETTER_SECONDS = 9 * LETTER_SECONDS
"""No voice needs longer for a letter, a figure or a Chinese character."""
SHORTEST_LIMIT_SECONDS = 10.0
"""Speech may be this long whatever the text, and longer by the slowest pace of its letters."""
QUIET_SECONDS = 10.0
"""No voice pauses for longer within a clause."""
FRESH_SECONDS = 0.5
"""Less audible sound than this is no sign of life."""
MOST_EMPTY = 20_000
"""No voice sends so many chunks without a sample."""

MEND = "Choose another voice, or another [tts] backend."


def longest_seconds(text: str) -> float:
    """Return how long speech of *text* may be: several times what a slow voice needs."""
    return SHORTEST_LIMIT_SECONDS + SLOWEST_LETTER_SECONDS * len(text)


@define
class Sound:
    """Checks the audio of one text, chunk by chunk.

    *rate* is its samples per second, *limit* how many seconds of it there may be.
    """

    text: str
    rate: int
    limit: float = Factory(lambda self: longest_seconds(self.text), takes_self=True)
    samples: int = field(init=False, default=0)
    quiet: int = field(init=False, default=0)
    """Samples of silence since the last audible one."""
    fresh: int = field(init=False, default=0)
    """Samples of audible chunks since the last sign of life."""
    marks: int = field(init=False, default=0)
    empty: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.rate, int) or self.rate <= 0:
            raise BadAudio(f"The voice says that its sample rate is {self.rate!r}.", MEND)

    def take(self, chunk: object) -> bytes:
        """Return a chunk as PCM16.

        Raises :class:`BadAudio` for what is none, or has no end, and :class:`TimedOut` for silence.
        """
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            kind = type(chunk).__name__
            raise BadAudio(f"The voice sent {kind}, not bytes of 16-bit PCM.", MEND)
        pcm = bytes(chunk)
        if len(pcm) % 2:
            raise BadAudio(f"The voice sent half a sample: {len(pcm)} bytes of 16-bit PCM.", MEND)
        if pcm:
            self._count(pcm)
        else:
            self.empty += 1
            if self.empty > MOST_EMPTY:
                raise BadAudio(f"The voice sent {MOST_EMPTY:,} chunks without a sample.", MEND)
        return pcm

    def _count(self, pcm: bytes) -> None:
        count = len(pcm) // 2
        self.samples += count
        if pcm.strip(b"\0"):
            self.quiet = 0
            self.fresh += count
        else:
            self.quiet += count
        if self.samples > self.limit * self.rate:
            problem = f"The voice went on for over {self.limit:.0f} seconds"
            raise BadAudio(f"{problem} on a text of {len(self.text)} letters.", MEND)
        if self.quiet > QUIET_SECONDS * self.rate:
            raise TimedOut(f"The voice sent silence for over {QUIET_SECONDS:g} seconds.", MEND)

    def mark(self) -> None:
        """Count a word mark: there are no more of them than letters."""
        self.marks += 1
        if self.marks > len(self.text):
            raise BadAudio("The voice marked more words than the text has letters.", MEND)

    def lives(self) -> bool:
        """Tell whether enough was heard for a sign of life since this was last true."""
        if self.fresh < FRESH_SECONDS * self.rate:
            return False
        self.fresh = 0
        return True

    def end(self) -> None:
        """Raise :class:`BackendFailed` when there was no audio at all."""
        if not self.samples:
            raise BackendFailed("The voice made no sound.", MEND)
