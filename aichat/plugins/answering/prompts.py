"""What a character is told: the conversation from its own point of view."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aichat.core import Character, Conversation, Message, Prompt, PromptMessage

HISTORY_LETTERS = 24_000
"""The oldest messages are left out beyond this, about 6,000 tokens; the system prompt never is."""

SETTINGS = ("model", "temperature", "max_tokens", "top_p")


def prompt(
    character: Character,
    cast: Sequence[Character],
    messages: Iterable[Message],
    conversation: Conversation,
) -> Prompt:
    """Build the prompt for *character*'s next line."""
    told = _newest(character, list(messages))
    system = PromptMessage("system", _system(character, cast))
    settings = {key: conversation.settings[key] for key in SETTINGS if key in conversation.settings}
    return Prompt(character, tuple(cast), (system, *told), settings)


def _system(character: Character, cast: Sequence[Character]) -> str:
    others = [who.name for who in cast if who.id != character.id]
    company = f", {' and '.join(others)}" if others else ""
    return (
        f"{character.system_prompt}\n\n"
        f"You are {character.name}, in a spoken conversation with the user{company}. "
        "Everything you write is read out: answer in a few short spoken sentences, without lists "
        "or headings. Write only your own words, without your name in front, and never write "
        "what somebody else says."
    ).strip()


def _seen_by(character: Character, message: Message, said: str) -> PromptMessage:
    if message.character_id == character.id:
        return PromptMessage("assistant", said)
    if message.role == "assistant":
        who = message.name or "Somebody"  # it came from outside
        return PromptMessage("user", f"{who}: {said}", who)
    return PromptMessage(message.role, said)


def _newest(character: Character, messages: Sequence[Message]) -> list[PromptMessage]:
    """Take messages from the newest back, as many as there is room for."""
    kept: list[PromptMessage] = []
    room = HISTORY_LETTERS
    for message in reversed(messages):
        said = message.said
        room -= len(said)
        if room < 0 and kept:
            break
        if said and not said.isspace():
            kept.append(_seen_by(character, message, said))
    return kept[::-1]
