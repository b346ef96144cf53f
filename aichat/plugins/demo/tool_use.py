"""The script's use of tools, so that one sees it without a language model: the time, and dice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from aichat.core import Prompt, PromptMessage, ToolCall

TIME = re.compile(
    r"\b(?:what(?:['’]s| is)? the (?:time|date)|what time|(?:what|which) day|today['’]s date)\b",
    re.I,
)
ROLL = re.compile(r"\b(?:roll|throw)\b", re.I)
DICE = re.compile(r"\b(\d{0,3}d\d{1,4}(?:\s?[+-]\s?\d{1,4})?)\b", re.I)
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
SOME_DICE = re.compile(rf"\b(\d{{1,2}}|{'|'.join(NUMBERS)})?\s*(?:dice|die)\b", re.I)


def wanted(prompt: Prompt, user: str) -> ToolCall | None:
    """Return the call that the *user*'s words ask for, if the character has the tool."""
    names = {tool.name for tool in prompt.tools}
    if "clock" in names and TIME.search(user):
        return ToolCall("demo-clock", "clock", "{}")
    if "dice" in names and (dice := _dice(user)):
        return ToolCall("demo-dice", "dice", json.dumps({"dice": dice}))
    return None


def _dice(user: str) -> str:
    if not ROLL.search(user):
        return ""
    if match := DICE.search(user):
        return match[1]
    if match := SOME_DICE.search(user):
        count = (match[1] or "1").lower()
        return f"{NUMBERS.get(count, count)}d6"
    return ""


def tool_results(messages: Sequence[PromptMessage]) -> str:
    """Return the tools' results as a sentence, if the prompt ends with them; else ""."""
    last = messages[-1] if messages else None
    if last is None or last.role != "tool":
        return ""
    result = last.content
    if last.name == "clock" and "(" in result:
        return f"My clock says {result.partition(' (')[0]}."
    if last.name == "dice" and " = " in result:
        dice, _, total = result.partition(": ")
        return f"I rolled {dice}, and it came to {total.rpartition('= ')[2]}."
    return f"That did not work. {result}"
