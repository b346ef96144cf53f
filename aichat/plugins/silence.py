"""Turn detection by silence: the user has finished when nothing was heard for a while.

How long a while depends on the user's own rhythm and on how finished the words look.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from aichat.core import Backend, Pause, TurnDetector, hookimpl


@frozen
class Silence:
    """*end_ms* of silence end the turn while nothing is known of the user and the words.

    What is known moves that between *shortest_ms* and *longest_ms*; *first_word_ms* is waited for
    somebody who has begun but said no word yet. *speculate*: think ahead in a pause; "auto": if
    that costs no money.

    Whoever speaks over characters makes them hold at once. Words interrupt them, and so do
    *barge_in_ms* of speech whatever the words; else they go on, *resume_ms* after the voice ended
    at the latest. *back_channels* ("mhm") do not count as words; *stop_phrases* ("hold on") stop
    everybody, or with a name that one, and open no turn. Not given, the lists are aichat's own.
    """

    end_ms: int = 600
    barge_in_ms: int = 1_000
    first_word_ms: int = 1_500
    shortest_ms: int = 300
    longest_ms: int = 1_500
    speculate: Literal["auto", "on", "off"] = "auto"
    resume_ms: int = 1_000
    back_channels: list[str] | None = None
    stop_phrases: list[str] | None = None

    def is_over(self, pause: Pause) -> bool:
        if not pause.has_words:
            return pause.silence_ms >= self.first_word_ms
        wait = pause.wait_ms(self.end_ms, self.shortest_ms, self.longest_ms)
        return pause.silence_ms >= wait


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
