"""A character's prompt: the conversation from its own point of view, as far as it was heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from aichat.core import Character, Conversation, Llm, Message, Prompt, PromptMessage
from aichat.core.picture_links import in_words
from aichat.toolkit.prompts.character_prompt import asked_with, briefing
from aichat.toolkit.prompts.message_roles import in_turns

HISTORY_TOKENS = 6_000
"""Most tokens of history; beyond it the oldest messages are left out, never the newest."""
MESSAGE_TOKENS = 5
"""Tokens that a chat template puts around a message, about."""
REPLY_TOKENS = 512
"""Room for the reply in a model's context when the conversation sets no ``max_tokens``."""


def tokens(text: str) -> int:
    """Estimate, from above, how many tokens *text* is to a model that we do not know.

    Tokenisers work on UTF-8 bytes. English is about 4 bytes a token, so 3 is on the safe side.
    Other scripts are rarer in what the merges were learnt from: Cyrillic, Arabic or Devanagari
    letters (2 and 3 bytes) and Chinese characters (3) cost from under one to two tokens each,
    emoji (4) up to three; so 2 bytes a token there.
    """
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    others = 0 if plain == len(text) else len(text.encode()) - plain
    return plain // 3 + others // 2 + 1


@frozen
class ModelMessage:
    """One message as the models read it: as its own character does, and as all others do."""

    message: Message
    own: PromptMessage
    foreign: PromptMessage
    tokens: int
    """0: nothing of it was heard, so no prompt holds it."""


def model_message(message: Message) -> ModelMessage:
    """Prepare a message once, so that a prompt is only put together."""
    said = in_words(message.said)  # a model sees no pictures
    own = foreign = PromptMessage(message.role, said)
    if message.role == "assistant":
        who = message.name or "Somebody"  # it came from outside
        foreign = PromptMessage("user", f"{who}: {said}", who)
    size = 0 if not said or said.isspace() else tokens(foreign.content) + MESSAGE_TOKENS
    return ModelMessage(message, own, foreign, size)


def prompt(
    character: Character,
    cast: Sequence[Character],
    messages: Iterable[ModelMessage],
    conversation: Conversation,
    context_tokens: int | None = None,
) -> Prompt:
    """Build the prompt for *character*'s next line, for a model that reads *context_tokens*.

    Its messages take turns: what several say to the character in a row is one message.
    """
    settings = asked_with(character, conversation.settings)
    others = [who.name for who in cast if who.id != character.id]
    system = PromptMessage("system", briefing(character, others))
    room = HISTORY_TOKENS
    if context_tokens:
        reply = settings.get("max_tokens") or REPLY_TOKENS
        room = min(room, context_tokens - reply - tokens(system.content) - MESSAGE_TOKENS)
    history = _newest(character.id, list(messages), room)
    return Prompt(character, tuple(cast), in_turns((system, *history)), settings)


def as_oneself(sent: Prompt, llm: Llm) -> Prompt:
    """Return the prompt for a model that began its reply with another character's name.

    Its reply is begun with its own name where the backend can; else the user asks for that.
    """
    name = sent.character.name
    if getattr(llm, "prefills", False):
        return evolve(sent, prefill=f"{name}:")
    asked = PromptMessage("user", f"(Answer as {name}, for {name} alone.)")
    return evolve(sent, messages=in_turns((*sent.messages, asked)))


def _newest(character_id: str, messages: Sequence[ModelMessage], room: int) -> list[PromptMessage]:
    """Take messages from the newest back, as many as there is room for."""
    kept: list[PromptMessage] = []
    for one in reversed(messages):
        room -= one.tokens
        if room < 0 and kept:
            break
        if one.tokens:
            is_own = one.message.character_id == character_id
            kept.append(one.own if is_own else one.foreign)
    return kept[::-1]
