"""A language model's stand-in: characters answer from a script, offline, and say so when asked.

It picks up the user's words, reacts to the last speaker, and takes its manner from the cues in
the character's prompt, which is enough to show taking turns. The same prompt gives the same reply.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import TypeVar

import anyio
from attrs import frozen

from aichat.core import Backend, Llm, Prompt, PromptMessage, ToolCall, hookimpl, is_storable

from .lines import INTENTS, OUT_OF_LINES, STOP_WORDS, STYLES, Intent, Lines, Style
from .tool_use import tool_results, wanted

T = TypeVar("T")

RECENT = 24
"""Messages that pass before a line is said again, while there are others."""

NOTICE = (
    "Demo replies: no language model is connected, so the characters answer from a script. Set "
    "OPENROUTER_API_KEY, or a local server in plugins.toml, for real conversation."
)

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_USER_NAME = re.compile(r"\b(?:my name is|call me)\s+([^\W\d_]{2,20})", re.IGNORECASE)
_LOVES = re.compile(
    r"\b(?:loves?|fond of|passionate about|obsessed with|enjoys?)\s+([a-z][a-z' -]{2,28}[a-z])"
    r"(?=\s*(?:[.,;!?\n]|$|\band\b|\bbut\b))"
)


@frozen
class Demo:
    """Speaks at *words_per_second*; 0 is at once."""

    words_per_second: float = 20.0

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | ToolCall]:
        seconds = 1 / self.words_per_second if self.words_per_second > 0 else 0
        result = tool_results(prompt.messages)
        if not (result or prompt.must_answer) and (call := wanted(prompt, listen(prompt).user)):
            await anyio.sleep(seconds)
            yield call
            return
        for word in re.findall(r"\S+\s*", result or compose(prompt)):
            await anyio.sleep(seconds)
            yield word


def compose(prompt: Prompt) -> str:
    """Write one to three short sentences, none of which was in the character's last message."""
    scene = listen(prompt)
    style = _style(prompt)
    found = next((intent for intent in INTENTS if intent.pattern.search(scene.user)), None)
    sentences = list(_choose(_plan(scene, style, found), scene))
    return " ".join(sentences) or _out_of_lines(scene)


# -- listening ---------------------------------------------------------------------------------


@frozen
class Scene:
    """What the character goes by: the user's words, its own and everybody's.

    *known* fills the gaps in the lines.
    """

    user: str
    mine: Sequence[str]
    said: Sequence[str]
    known: Mapping[str, str]
    seed: str


def listen(prompt: Prompt) -> Scene:
    """Find out what was just said, by whom, and what in it can be taken up."""
    others = {who.name for who in prompt.cast if who.id != prompt.character.id}
    heard = [message for message in prompt.messages if message.role != "system"]
    spoken = [part for message in heard for part in _apart(message, others)]
    by_user = [m for m in spoken if m.role == "user" and m.name not in others]
    user = by_user[-1].content if by_user else ""
    known = {
        "me": _first(prompt.character.name),
        "who": _before(spoken, others),
        "topic": _topic(user, prompt),
        "user": next(_user_names(by_user), ""),
        "love": next(iter(_LOVES.findall(prompt.character.system_prompt)), ""),
        "number": next(iter(re.findall(r"[0-9]{1,6}", user)), ""),
    }
    mine = [message.content for message in spoken if message.role == "assistant"]
    seed = "\n".join([prompt.character.id, *(message.content for message in spoken)])
    said = [message.content for message in spoken[-RECENT:]]
    return Scene(user, mine, said, known, seed)


def _apart(message: PromptMessage, others: set[str]) -> Iterator[PromptMessage]:
    """Yield what the user and other characters said, which a prompt has in one message."""
    if message.role != "user" or message.name in others:
        yield message
        return
    by_speaker = groupby(
        message.content.split("\n\n"),
        lambda part: next((name for name in others if part.startswith(f"{name}: ")), None),
    )
    for name, parts in by_speaker:
        yield PromptMessage("user", "\n\n".join(parts), name)


def _before(spoken: Sequence[PromptMessage], others: set[str]) -> str:
    """Return the first name of the character that spoke last, if that was after the user."""
    if spoken and spoken[-1].name in others:
        return _first(spoken[-1].name or "")
    return ""


def _topic(text: str, prompt: Prompt) -> str:
    """Pick the word that the user most likely talks about: the longest that means something."""
    names = {word.lower() for who in prompt.cast for word in _WORD.findall(who.name)}
    words = [word for word in _WORD.findall(text[:2000]) if 3 < len(word) <= 24]
    telling = [w for w in words if w.lower().split("'")[0] not in names | STOP_WORDS]
    return max(telling, key=len, default="")


def _user_names(by_user: Sequence[PromptMessage]) -> Iterator[str]:
    for message in reversed(by_user):
        for name in _USER_NAME.findall(message.content):
            yield name.capitalize()


def _first(name: str) -> str:
    words = _WORD.findall(name)
    return words[0] if words else ""


# -- speaking ----------------------------------------------------------------------------------


def _style(prompt: Prompt) -> Style:
    """Choose the manner that the character's prompt has most cues for."""
    words = {word.lower() for word in _WORD.findall(prompt.character.system_prompt)}
    shuffled = _shuffled(STYLES, prompt.character.name)
    return max(shuffled, key=lambda style: len(words.intersection(style.cues)))


def _plan(scene: Scene, style: Style, found: Intent | None) -> list[Lines]:
    """Say of what kind each sentence is to be."""
    chance = _digest(scene.seed, "plan")
    if found and found.alone:
        return [found.lines, *([found.then] * (chance % 2))]
    body = found.lines if found else style.remarks
    if scene.known["who"]:
        reaction = style.disagree if chance % 2 else style.agree
        return [reaction, style.remarks if chance % 3 else body, *([style.ask] * (chance % 5 < 2))]
    return [body, *([style.remarks] * (found is not None and chance % 2)), style.ask]


def _choose(plan: Iterable[Lines], scene: Scene) -> Iterator[str]:
    """Fill each place with a line that fits and is fresh; leave out the place if there is none."""
    chosen: list[str] = []
    for place, lines in enumerate(plan):
        fitting = [filled for line in lines if (filled := _filled(line, scene.known))]
        shuffled = _shuffled(fitting, f"{scene.seed}{place}")
        fresh = [line for line in shuffled if line not in chosen and not _was_last(line, scene)]
        if fresh:
            unsaid = [line for line in fresh if not any(line in said for said in scene.said)]
            chosen.append((unsaid or fresh)[0])
            yield chosen[-1]


def _filled(line: str, known: Mapping[str, str]) -> str:
    """Fill in what the line names, or return nothing when that is not known."""
    if not all(known[gap] for gap in re.findall(r"{(\w+)}", line)):
        return ""
    filled = line.format_map(known)
    return filled[0].upper() + filled[1:] if is_storable(filled) else ""


def _was_last(line: str, scene: Scene) -> bool:
    return bool(scene.mine) and line in scene.mine[-1]


def _out_of_lines(scene: Scene) -> str:
    page = len(scene.mine) + 1
    while _was_last(line := OUT_OF_LINES.format(page=page), scene):
        page += 1
    return line


def _shuffled(options: Sequence[T], seed: str) -> list[T]:
    order = sorted(range(len(options)), key=lambda place: _digest(seed, str(place)))
    return [options[place] for place in order]


def _digest(*parts: str) -> int:
    """Throw a die that falls the same way for the same parts, on every machine."""
    text = "\n".join(parts).encode("utf-8", "replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``use = "demo"``."""
    return Backend("demo", Demo, NOTICE)
