"""The settings that turn detectors share: when a turn ends, and what interrupts characters.

A backend for the part ``turn`` derives its class from this one and adds what is its own::

    @define
    class Mine(TurnDetectorSettings):
        model: str = ""
"""

from __future__ import annotations

from typing import Annotated, Literal

from attrs import define

from aichat.core import Live, Pause

ShortestMs = Annotated[
    int,
    Live(
        0,
        10_000,
        at_most="longest_ms",
        label="Shortest silence that ends a turn",
        help="The turn never ends sooner, however finished it sounds.",
    ),
]
"""For a detector with a default of its own."""


@define(kw_only=True)
class TurnDetectorSettings:
    """*end_ms* of silence end the turn while nothing is known of the user and the words.

    What is known moves that between *shortest_ms* and *longest_ms*; *first_word_ms* is waited for
    somebody who has begun but said no word yet. *speculate*: answer ahead in a pause; "auto": if
    that costs no money.

    A user who speaks over characters makes them hold at once. Words interrupt them, and so do
    *barge_in_ms* of speech whatever the words; else they go on, *resume_ms* after the voice ended
    at the latest. *back_channels* ("mhm") do not count as words; *stop_phrases* ("hold on") stop
    everybody, or with a name that one, and open no turn. Not given, the lists are aichat's own.
    """

    end_ms: Annotated[
        int,
        Live(
            100,
            10_000,
            label="Silence that ends your turn",
            help="Raise it if you are cut off, lower it if answers come late. It holds until your "
            "own pauses and your words are a better guide.",
        ),
    ] = 600
    barge_in_ms: Annotated[
        int,
        Live(
            0,
            10_000,
            label="Speech that interrupts",
            help="How long you must speak over the characters to stop them, whatever you say. "
            "Words stop them at once.",
        ),
    ] = 1_000
    first_word_ms: Annotated[
        int,
        Live(
            200,
            20_000,
            label="Wait for a first word",
            help="When you have begun, with a breath or an “um”, but said no word yet.",
        ),
    ] = 1_500
    shortest_ms: ShortestMs = 300
    longest_ms: Annotated[
        int,
        Live(
            100,
            20_000,
            label="Longest silence within a turn",
            help="The turn ends then, however unfinished it sounds.",
        ),
    ] = 1_500
    speculate: Annotated[
        Literal["auto", "on", "off"],
        Live(
            label="Answering ahead of time",
            help="Begin the answer in a pause that may be the end. Answers come sooner, and some "
            "are made in vain.",
        ),
    ] = "auto"
    resume_ms: Annotated[
        int,
        Live(
            0,
            10_000,
            label="Silence until they go on",
            help="Characters that paused for a cough or an “mhm” go on this long after it ended.",
        ),
    ] = 1_000
    back_channels: Annotated[
        list[str] | None,
        Live(
            label="Words that do not interrupt",
            help="Such as “mhm”: the speaker goes on. One a line; empty: aichat's own.",
        ),
    ] = None
    stop_phrases: Annotated[
        list[str] | None,
        Live(
            label="Words that stop everybody",
            help="Such as “hold on”: they are not answered. One a line; empty: aichat's own.",
        ),
    ] = None

    def is_over(self, pause: Pause) -> bool:
        """Return whether the silence is long enough for what is known of the user and the words."""
        if not pause.has_words:
            return pause.silence_ms >= self.first_word_ms
        wait = pause.wait_ms(self.end_ms, self.shortest_ms, self.longest_ms)
        return pause.silence_ms >= wait
