"""A bounded dict holds the newest keys, whatever is done to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.toolkit.bounded_dict import BoundedDict

STEPS = st.lists(st.tuples(st.sampled_from(["set", "use", "pop", "default"]), st.integers(0, 6)))


@given(st.integers(1, 5), STEPS)
def test_it_holds_what_was_set_or_used_last(limit: int, steps: list[tuple[str, int]]) -> None:
    held = BoundedDict[int, int](limit)
    newest: list[int] = []  # the keys, oldest first
    for number, (what, key) in enumerate(steps):
        was_there = key in newest
        if what == "set":
            held[key] = number
        elif what == "default":
            held.setdefault(key, number)
        elif what == "pop":
            held.pop(key, None)
        elif was_there:
            held.use(key)
        else:
            with pytest.raises(KeyError):
                held.use(key)
        if was_there and what != "default":
            newest.remove(key)
        if what == "set" or (what == "use" and was_there) or (what == "default" and not was_there):
            newest.append(key)
        newest = newest[-limit:]
        assert list(held) == newest


def test_it_takes_the_last_of_many_at_once() -> None:
    held = BoundedDict[str, int](2)
    held.update(a=1, b=2, c=3)
    held |= {"d": 4}
    assert held == {"c": 3, "d": 4}
