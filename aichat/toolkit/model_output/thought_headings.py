"""Finds headings around reasoning: "**Thinking:** ... **Answer:** ...", "Thought: ...".

Such words may also be the reply's own: what stands under them is hidden only until the reply ends
without the heading of an answer (see :mod:`.reply_filter`).
"""

from __future__ import annotations

import re

from .call_openings import beginning

THINKING = ("thinking", "thinking process", "thought", "thoughts", "thought process", "reasoning")
ANSWERS = ("answer", "final answer", "response", "final response", "reply", "final reply")
HEADING = re.compile(
    r"[ \t]{0,8}(?P<marks>[*#_]{0,6}) ?(?P<words>[A-Za-z][A-Za-z ]{0,20})?"
    r"(?P<tail>[*_]{0,3}[:：.…]{0,3}[*_]{0,3})"
)
DONE = (r"[ \t]{0,8}", r"\.\.\.", " ?", *"done", " ", *"thinking", r"\.?")
DONE_WHOLE, DONE_BEGUN = re.compile("".join(DONE)), beginning(*DONE)
MAYBE = -1


def thinking_heading(text: str, at: int) -> int | None:
    """Return the end of a heading of reasoning at *at*; MAYBE if it takes more letters to know."""
    return _heading(text, at, THINKING)


def answer_heading(text: str, at: int) -> int | None:
    """Return the end of a heading of an answer at *at*, or of "...done thinking."."""
    if done := DONE_WHOLE.match(text, at):
        return done.end() if done.end() < len(text) or done[0].endswith(".") else MAYBE
    begun = DONE_BEGUN.match(text, at)
    return MAYBE if begun and begun.end() == len(text) else _heading(text, at, ANSWERS)


def _heading(text: str, at: int, known: tuple[str, ...]) -> int | None:
    found = HEADING.match(text, at)
    if found is None:
        return None
    words, tail = (found["words"] or "").casefold(), found["tail"]
    if found.end() == len(text) and any(one.startswith(words) for one in known):
        return MAYBE
    if words.strip() not in known:
        return None
    is_bold = "*" in found["marks"] and "*" in tail
    dots = tail.strip("*_") in ("...", "…") and text.startswith("\n", found.end())
    if "#" in found["marks"] and not tail:
        return found.end() if text.startswith("\n", found.end()) else None
    return found.end() if is_bold or dots or tail.strip("*_") in (":", "：") else None
