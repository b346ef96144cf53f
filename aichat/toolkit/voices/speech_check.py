"""Checks a voice's output before it is played: it is PCM, it is audible, it ends.

The checks count audio, not chunks or bytes: a byte a second and endless zeros are silence.
"""

from __future__ import annotations

from attrs import Factory, define, field

from aichat.core.errors import BackendFailed, BadAudio, TimedOut

LETTER_SECONDS = 1 / 15
"""Estimated speech for a letter, while nothing better is known."""
SLOWEST_LETTER_SECONDS = 9 * LETTER_SECONDS
"""Most speech for a letter, a digit or a Chinese character."""
SHORTEST_LIMIT_SECONDS = 10.0
"""Limit of speech for an empty text; each letter adds to it."""
QUIET_SECONDS = 10.0
"""Longest silence within a clause."""
FRESH_SECONDS = 0.5
"""Audible sound that counts as progress."""
MOST_EMPTY = 20_000
"""Most chunks without a sample."""

HINT = "Choose another voice, or another [tts] backend."


def longest_seconds(text: str) -> float:
    """Return the limit of speech for *text* in seconds: several times what a slow voice needs."""
    return SHORTEST_LIMIT_SECONDS + SLOWEST_LETTER_SECONDS * len(text)


@define
class Sound:
    """Checks the audio of one text, chunk by chunk.

    *rate* is in samples per second, *limit* is the most audio in seconds.
    """

    text: str
    rate: int
    limit: float = Factory(lambda self: longest_seconds(self.text), takes_self=True)
    samples: int = field(init=False, default=0)
    quiet: int = field(init=False, default=0)
    """Samples of silence since the last audible one."""
    fresh: int = field(init=False, default=0)
    """Samples of audible chunks since progress was last reported."""
    marks: int = field(init=False, default=0)
    empty: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.rate, int) or self.rate <= 0:
            raise BadAudio(f"The voice says that its sample rate is {self.rate!r}.", HINT)

    def take(self, chunk: object) -> bytes:
        """Return a chunk as PCM16.

        Raises :class:`BadAudio` for other data or endless audio, and :class:`TimedOut` for silence.
        """
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            kind = type(chunk).__name__
            raise BadAudio(f"The voice sent {kind}, not bytes of 16-bit PCM.", HINT)
        pcm = bytes(chunk)
        if len(pcm) % 2:
            raise BadAudio(f"The voice sent half a sample: {len(pcm)} bytes of 16-bit PCM.", HINT)
        if pcm:
            self._count(pcm)
        else:
            self.empty += 1
            if self.empty > MOST_EMPTY:
                raise BadAudio(f"The voice sent {MOST_EMPTY:,} chunks without a sample.", HINT)
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
            raise BadAudio(f"{problem} on a text of {len(self.text)} letters.", HINT)
        if self.quiet > QUIET_SECONDS * self.rate:
            raise TimedOut(f"The voice sent silence for over {QUIET_SECONDS:g} seconds.", HINT)

    def mark(self) -> None:
        """Count a word mark; there must not be more of them than letters."""
        self.marks += 1
        if self.marks > len(self.text):
            raise BadAudio("The voice marked more words than the text has letters.", HINT)

    def lives(self) -> bool:
        """Return whether there was enough audible sound since this last returned True."""
        if self.fresh < FRESH_SECONDS * self.rate:
            return False
        self.fresh = 0
        return True

    def end(self) -> None:
        """Raise :class:`BackendFailed` when there was no audio at all."""
        if not self.samples:
            raise BackendFailed("The voice made no sound.", HINT)
