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
    somebody who has begun but said no word yet. *barge_in_ms* of speech interrupt the characters.
    *speculate*: think ahead in a pause; "auto": if that costs no money.
    """

    end_ms: int = 600
    barge_in_ms: int = 250
    first_word_ms: int = 1500
    shortest_ms: int = 300
    longest_ms: int = 1500
    speculate: Literal["auto", "on", "off"] = "auto"

    def is_over(self, pause: Pause) -> bool:
        if not pause.has_words:
            return pause.silence_ms >= self.first_word_ms
        wait = pause.wait_ms(self.end_ms, self.shortest_ms, self.longest_ms)
        return pause.silence_ms >= wait


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
