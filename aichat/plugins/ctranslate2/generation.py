"""Generation in worker threads: read the chat, write, stop when the reader has left."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import takewhile
from typing import Any

from attrs import frozen

from aichat.core import BackendFailed, Prompt, PromptMessage, Usage, is_storable
from aichat.toolkit.model_output.stop_strings import Stops
from aichat.toolkit.prompts.context_limit import encoded_within
from aichat.toolkit.prompts.message_roles import without_tools
from aichat.toolkit.thread_streams import Listener

from .chat_template import ChatTemplate
from .prompt_cache import PromptCache
from .sampling import Sampling
from .token_text import TokenText

SOMETHING = PromptMessage("user", "\u2400")
"""Words that no user says: only what comes before them is the same in another prompt."""


@frozen
class Writer:
    """Writes replies. *name* is what the model is called; *ends* are the ids of its end tokens."""

    generator: Any
    cache: PromptCache
    tokenizer: Any
    template: ChatTemplate
    sampling: Sampling
    ends: Sequence[int]
    name: str
    context_tokens: int

    def write(self, prompt: Prompt, max_tokens: int, listener: Listener[str | Usage]) -> None:
        """Send the reply in pieces to the *listener*, and last what it took."""
        begun = self._split(prompt.prefill)
        room = self.context_tokens - max_tokens - len(begun)
        tokens = [*self.read(prompt.messages, room), *begun]
        beginning = self.beginning(prompt.messages, tokens)
        stops = Stops([text for text in prompt.settings.get("stop") or () if text])
        text = TokenText(self._decode)
        wrote, count = False, 0
        with closing(self._tokens(tokens, beginning, max_tokens, prompt, listener)) as coming:
            for token in coming:
                count += 1
                wrote |= _send(stops.feed(text.feed(token)), listener)
                if stops.is_over:
                    break
        wrote |= _send(stops.feed(text.flush()) + stops.flush(), listener)
        if not wrote and not listener.left:
            raise BackendFailed(
                "The language model wrote nothing.", "Try again, or choose another model."
            )
        listener(Usage(self.name, len(tokens), count, 0.0))

    def read(self, messages: Sequence[PromptMessage], most: int) -> list[str]:
        """Return the chat as tokens; the oldest messages are left out if it is too long.

        Of one message that is longer than all there is room for, the end is kept.
        """
        tokens = encoded_within(without_tools(messages), most, self._encoded, len)
        return tokens[-most:]

    def beginning(self, messages: Sequence[PromptMessage], tokens: Sequence[str]) -> int:
        """Return how many tokens of a prompt are its system prompt, the same in the next one."""
        if not messages or messages[0].role != "system":
            return 0
        other = self._encoded([messages[0], SOMETHING])
        same = takewhile(lambda pair: pair[0] == pair[1], zip(tokens, other, strict=False))
        return min(sum(1 for _ in same), len(tokens) - 1)

    def _encoded(self, messages: Sequence[PromptMessage]) -> list[str]:
        return self._split(self.template.text(messages))

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = self.tokenizer.encode(text, add_special_tokens=False).tokens
        return tokens

    def _decode(self, tokens: Sequence[int]) -> str:
        # the filter of all replies hides special tokens, and ends the reply where one has to
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=False)
        return text

    def _tokens(
        self,
        tokens: Sequence[str],
        beginning: int,
        most: int,
        prompt: Prompt,
        listener: Listener[str | Usage],
    ) -> Generator[int, None, None]:
        """Yield the tokens of the reply. It ends within a token once the listener has left."""
        with self.cache.reply(tokens[:beginning]) as keeps:
            start = beginning if keeps else 0
            steps = self.generator.generate_tokens(
                list(tokens[start:]),
                static_prompt=list(tokens[:start]) or None,
                max_length=most,
                end_token=list(self.ends),
                callback=lambda step: listener.left,
                **self.sampling.options(prompt.settings),
            )
            with closing(steps):
                for step in steps:
                    if step.token_id in self.ends or listener.left:
                        return
                    yield step.token_id


def _send(text: str, listener: Listener[str | Usage]) -> bool:
    """Send *text*, if there is any; return whether it shows anything."""
    if text:
        listener(text if is_storable(text) else text.replace("\0", "\ufffd"))
    return bool(text.strip())
