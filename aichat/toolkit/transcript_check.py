"""What a recogniser gives is checked before anybody acts on it: text, and no more than was said."""

from __future__ import annotations

from aichat.core.backends import Utterance
from aichat.core.errors import BackendFailed
from aichat.core.events import MIC_RATE
from aichat.core.validators import is_clean

SHORTEST_LIMIT = 1_000
LETTERS_PER_SECOND = 60
"""Nobody speaks a third as fast; a transcript may have so many letters, and the limit above."""

MEND = "Say it again, or choose another recogniser under [stt] in plugins.toml."


def transcript(text: object, utterance: Utterance) -> str:
    """Return a transcript without blanks around it. Raises :class:`BackendFailed` for what is none.

    What no store can keep is replaced.
    """
    if not isinstance(text, str):
        kind = type(text).__name__
        raise BackendFailed(f"The speech recogniser gave {kind}, not a text.", MEND)
    seconds = len(utterance.pcm) / 2 / MIC_RATE
    if len(text) > SHORTEST_LIMIT + LETTERS_PER_SECOND * seconds:
        problem = (
            f"The speech recogniser wrote {len(text):,} letters for {seconds:.1f} s of speech."
        )
        raise BackendFailed(problem, MEND)
    if not is_clean(text):
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = whole.replace("\0", "\ufffd")
    return text.strip()
