"""Streams of a chat completion, cut anywhere: thoughts are left out, calls are whole."""

from itertools import pairwise
from types import SimpleNamespace as Chunk

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BackendFailed, ToolCall
from aichat.plugins.openai_stream import LONGEST_CALL, MOST_CALLS, Calls, Thoughts

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def cut(text, places):
    """Cut a text at these places."""
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


def fed(pieces):
    thoughts = Thoughts()
    return "".join([*map(thoughts.feed, pieces), thoughts.flush()])


@given(TEXT.filter(lambda text: "</think>" not in text), TEXT, st.lists(st.integers(0, 80)))
def test_thoughts_at_the_beginning_are_left_out(thought, answer, places):
    answer = "Well: " + answer
    assert fed(cut(f"\n<think>{thought}</think>{answer}", places)) == answer


@given(TEXT, st.lists(st.integers(0, 40)))
def test_all_else_is_kept_as_it_is(text, places):
    if not text.lstrip().startswith("<think>"):
        assert fed(cut(text, places)) == text
    assert fed(cut(f"So {text}<think>x</think>", places)) == f"So {text}<think>x</think>"


@pytest.mark.parametrize("text", ["<think>", "<think>never ends", " <think>a</think><think>b"])
def test_thoughts_that_never_end_are_no_answer(text):
    assert fed([text]) == ""


def fragment(index=None, id=None, name=None, arguments=None):
    return Chunk(index=index, id=id, function=Chunk(name=name, arguments=arguments))


CALLS = st.lists(st.tuples(TEXT.filter(bool), TEXT, st.lists(st.integers(0, 30))), max_size=5)


@given(CALLS, st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_calls_are_whole_however_they_come(wanted, random, repeats_id, repeats_name):
    """Fragments of several calls come mixed, each call's in order."""
    waiting = [
        [
            fragment(
                index,
                f"id-{index}" if not place or repeats_id else None,
                name if not place or repeats_name else None,
                piece,
            )
            for place, piece in enumerate(cut(arguments, places) or [""])
        ]
        for index, (name, arguments, places) in enumerate(wanted)
    ]
    calls, order = Calls(), []
    while any(waiting):
        one = random.choice([left for left in waiting if left])
        order.append(one[0].index)
        calls.add(one.pop(0))
    assert list(calls.whole()) == [
        ToolCall(f"id-{index}", wanted[index][0], wanted[index][1])
        for index in dict.fromkeys(order)
    ]


@pytest.mark.parametrize("index", [0, None, "0"])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(index):
    calls = Calls()
    for id in ("a", "b"):
        calls.add(fragment(index, id, "look", '{"x":'))
        calls.add(fragment(index, None, None, "1}"))
    assert list(calls.whole()) == [ToolCall(id, "look", '{"x":1}') for id in ("a", "b")]


def test_a_call_without_an_id_gets_one_and_odd_fragments_do_no_harm():
    calls = Calls()
    calls.add(Chunk(index=0, function=None))
    calls.add(fragment(0, None, "look", None))
    calls.add(fragment(1, None, "a\0b", "\ud800"))
    assert list(calls.whole()) == [
        ToolCall("call-0", "look"),
        ToolCall("call-1", "a\ufffdb", "\ufffd"),
    ]


def test_too_much_is_refused():
    with pytest.raises(BackendFailed, match="too much"):
        Calls().add(fragment(0, None, "x", "y" * LONGEST_CALL + "z"))
    calls = Calls()
    for number in range(MOST_CALLS):
        calls.add(fragment(number, None, "x", ""))
    with pytest.raises(BackendFailed, match="too much"):
        calls.add(fragment(MOST_CALLS, None, "x", ""))
