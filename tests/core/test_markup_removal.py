from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import Message
from aichat.core.plain_text import unmarked


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tell me about **the best** book", "Tell me about the best book"),
        ("*Well*, __yes__ and ~~no~~ ***maybe***", "Well, yes and no maybe"),
        ("Show me `a * b`, ``a`b``", "Show me a * b, a`b"),
        ("# A heading\n\n> - quoted\n- listed", "A heading quoted listed"),
        ("[a page](https://example.com/a) and [ink]{.red}", "a page and ink"),
        ("in the middle {.center}", "in the middle"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        (r"\*not stressed\*, 5 \> 4", "*not stressed*, 5 > 4"),
        ("**never closed", "**never closed"),
        ("**bold with *both* in it**", "bold with both in it"),
    ],
)
def test_marks_go_and_words_stay(text: str, words: str) -> None:
    assert unmarked(text) == words


@given(st.text(st.characters(categories=["L", "N", "Zs"], include_characters=",.;?!'")))
def test_text_without_marks_stays_as_it_is(text: str) -> None:
    assert unmarked(text) == " ".join(text.split())


def test_a_conversation_is_called_by_words() -> None:
    asked = "Hello @everyone, what is **the best** book?\n\nShow me `code`."
    title = Message("m", "c", "user", asked).title
    assert title == "Hello @everyone, what is the best book? Show me code."
