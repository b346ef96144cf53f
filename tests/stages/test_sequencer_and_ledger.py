"""The sequencer and the ledger: any order of events, the same sound and the same history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aichat.core.events import (
    AudioReady,
    Event,
    Line,
    LineFinished,
    LineInterrupted,
    ReplyClause,
    ReplyFinished,
    SpeakersChosen,
    SpeechSynthesized,
    Turn,
    TurnFinished,
)
from aichat.plugins.in_order import InOrder
from aichat.stages.remembering.ledger import LineLedger, shown_up_to

TURN = Turn("c", 1, "t")


@given(st.data(), st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=1, max_size=4))
def test_everything_is_played_in_order_whatever_comes_first(
    data: st.DataObject, turn: list[list[int]]
) -> None:
    """turn[place][index] is a number of chunks; every producer keeps its own order only."""
    lines = tuple(Line(TURN, f"n{place}", place) for place in range(len(turn)))
    producers: list[list[Event]] = []
    for line, chunks in zip(lines, turn, strict=True):
        producers.append([ReplyFinished(line, "", len(chunks))])
        speech: list[Event] = []
        for index, count in enumerate(chunks):
            speech += [
                SpeechSynthesized(line, index, f"{line.place}{index}{k}x".encode())
                for k in range(count)
            ]
            speech.append(SpeechSynthesized(line, index, b"", last=True))
        producers.append(speech)
    stopped = data.draw(st.none() | st.integers(0, len(turn) - 1))
    if stopped is not None:
        producers.append([LineInterrupted(lines[stopped])])
    sequencer, out = InOrder(), []
    out += list(sequencer.accept(SpeakersChosen(TURN, lines)))
    while any(producers):
        source = data.draw(st.sampled_from([p for p in producers if p]))
        out += list(sequencer.accept(source.pop(0)))
    played = [item.pcm.decode()[:3] for item in out if isinstance(item, AudioReady)]
    full = [f"{p}{i}{k}" for p, c in enumerate(turn) for i, n in enumerate(c) for k in range(n)]
    if stopped is None:
        assert played == full
    else:
        spared = [chunk for chunk in full if chunk[0] != str(stopped)]
        assert [chunk for chunk in played if chunk[0] != str(stopped)] == spared
        assert played == sorted(played)
    assert isinstance(out[-1], TurnFinished)
    finished = [item.line.place for item in out if isinstance(item, LineFinished)]
    assert finished == sorted(finished)
    assert set(range(len(turn))) - {stopped} <= set(finished)
    assert not sequencer.playing


def spoken(clauses: list[list[str]], word_samples: int) -> LineLedger:
    ledger, line = LineLedger(), Line(TURN, "o", 0)
    for index, words in enumerate(clauses):
        text = " ".join(words)
        ledger.note_clause(ReplyClause(line, index, text, text + " "))
        pcm = bytes(2 * word_samples * len(words))
        ledger.note_speech(SpeechSynthesized(line, index, pcm))
        ledger.note_speech(SpeechSynthesized(line, index, b"", last=True))
        ledger.note_sent(AudioReady(line, index, pcm))
    return ledger


WORDS = st.lists(st.text("abc", min_size=4, max_size=4), min_size=1, max_size=6)


@given(st.lists(WORDS, min_size=1, max_size=4), st.floats(0, 1.2))
def test_what_was_heard_is_what_was_played_within_one_word(
    clauses: list[list[str]], share: float
) -> None:
    """Words of equal length, so that the estimate without word times can be checked as well."""
    ledger = spoken(clauses, word_samples=2400)
    words = [word for clause in clauses for word in clause]
    played_ms = share * len(words) * 100
    ledger.note_played("here", 0.0, played_ms, True)
    heard = ledger.heard(5.0).split()
    assert heard == words[: len(heard)]
    assert abs(len(heard) - min(len(words), played_ms / 100)) <= 1


def test_mark_up_stays_in_what_was_heard() -> None:
    assert shown_up_to("10^6 is what I would like to say", "10 to the 6 is what") == "10^6 is what"
    assert shown_up_to("**Really** nice, *smiles* you know", "Really nice, you") == (
        "**Really** nice, *smiles* you"
    )
