"""Turn detection by silence: the user has finished when nothing was heard for a while.

How long a while depends on the user's own rhythm and on how finished the words look.
"""

from __future__ import annotations

from typing import Annotated, Literal

from attrs import define

from aichat.core import Backend, Live, Pause, TurnDetector, hookimpl


@define
class Silence:
    """*end_ms* of silence end the turn while nothing is known of the user and the words.

    What is known moves that between *shortest_ms* and *longest_ms*; *first_word_ms* is waited for
    somebody who has begun but said no word yet. *speculate*: answer ahead in a pause; "auto": if
    that costs no money.

    A user who speaks over characters makes them hold at once. Words interrupt them, and so do
    *barge_in_ms* of speech whatever the words; else they go on, *resume_ms* after the voice ended
    at the latest. *back_channels* ("mhm") do not count as words; *stop_phrases* ("hold on") stop
    everybody, or with a name that one, and open no turn. Not given, the lists are aichat's own.
    """

    end_ms: Annotated[int, Live(100, 10_000)] = 600
    barge_in_ms: Annotated[int, Live(0, 10_000)] = 1_000
    first_word_ms: Annotated[int, Live(200, 20_000)] = 1_500
    shortest_ms: Annotated[int, Live(0, 10_000, at_most="longest_ms")] = 300
    longest_ms: Annotated[int, Live(100, 20_000)] = 1_500
    speculate: Annotated[Literal["auto", "on", "off"], Live()] = "auto"
    resume_ms: Annotated[int, Live(0, 10_000)] = 1_000
    back_channels: Annotated[list[str] | None, Live()] = None
    stop_phrases: Annotated[list[str] | None, Live()] = None

    def is_over(self, pause: Pause) -> bool:
        if not pause.has_words:
            return pause.silence_ms >= self.first_word_ms
        wait = pause.wait_ms(self.end_ms, self.shortest_ms, self.longest_ms)
        return pause.silence_ms >= wait


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "silence"``."""
    return Backend("silence", Silence)
