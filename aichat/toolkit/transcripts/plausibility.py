"""Checks a recogniser's output before it is used: it is text of a plausible length."""

from __future__ import annotations

from aichat.core.backends import Utterance
from aichat.core.errors import BackendFailed
from aichat.core.events import MIC_RATE
from aichat.core.validators import is_storable

SHORTEST_LIMIT = 1_000
"""Most letters for silence; each second of speech adds to it."""
LETTERS_PER_SECOND = 60
"""Letters that each second may add: three times the fastest speech."""

HINT = "Say it again, or choose another recogniser under [stt] in plugins.toml."


def transcript(text: object, utterance: Utterance) -> str:
    """Return a checked transcript, stripped. Raises :class:`BackendFailed`.

    Characters that a store cannot keep are replaced.
    """
    if not isinstance(text, str):
        kind = type(text).__name__
        raise BackendFailed(f"The speech recogniser gave {kind}, not a text.", HINT)
    seconds = len(utterance.pcm) / 2 / MIC_RATE
    if len(text) > SHORTEST_LIMIT + LETTERS_PER_SECOND * seconds:
        problem = (
            f"The speech recogniser wrote {len(text):,} letters for {seconds:.1f} s of speech."
        )
        raise BackendFailed(problem, HINT)
    if not is_storable(text):
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = whole.replace("\0", "\ufffd")
    return text.strip()
