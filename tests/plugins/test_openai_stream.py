"""Streams of a chat completion, cut anywhere: thoughts are left out, calls are whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import BackendFailed, ToolCall
from aichat.plugins.openai.chunks import Fragment
from aichat.plugins.openai.tool_calls import LONGEST_CALL, MOST_CALLS, Calls

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def cut(text, places):
    """Cut a text at these places."""
    ends = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


def fragment(index=None, id=None, name=None, arguments=None):
    return Fragment(index, id or "", name or "", arguments or "")


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


@pytest.mark.parametrize("index", [0, None])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(index):
    calls = Calls()
    for id in ("a", "b"):
        calls.add(fragment(index, id, "look", '{"x":'))
        calls.add(fragment(index, None, None, "1}"))
    assert list(calls.whole()) == [ToolCall(id, "look", '{"x":1}') for id in ("a", "b")]


def test_a_call_without_an_id_gets_one_and_odd_fragments_do_no_harm():
    calls = Calls()
    calls.add(fragment(0))
    calls.add(fragment(0, None, "look", None))
    calls.add(fragment(1, None, "a\0b", "\ud800"))
    assert list(calls.whole()) == [
        ToolCall("call-0", "look"),
        ToolCall("call-1", "a\0b", "\ud800"),
    ]


def test_too_much_is_refused():
    with pytest.raises(BackendFailed, match="too much"):
        Calls().add(fragment(0, None, "x", "y" * LONGEST_CALL + "z"))
    calls = Calls()
    for number in range(MOST_CALLS):
        calls.add(fragment(number, None, "x", ""))
    with pytest.raises(BackendFailed, match="too much"):
        calls.add(fragment(MOST_CALLS, None, "x", ""))
