"""Text of tokens as they come: whole characters only, however the tokens cut them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

UNFINISHED = "\ufffd"
"""What a decoder writes for bytes that are no character, or not yet."""


@define
class TokenText:
    """Decodes one reply. *decode* returns the text of a sequence of tokens.

    The last tokens are decoded together with the new one: what a token is as text depends on those
    before it (a space at the beginning, a character in several tokens). Some decoders write a
    whole run of bytes as unfinished while its last character is.
    """

    decode: Callable[[Sequence[int]], str]
    tokens: list[int] = field(factory=list)
    returned: str = ""
    """The text of the tokens, as far as it was returned."""
    whole: int = 0
    """The number of the tokens that are context alone: they end with a whole character."""

    def feed(self, token: int) -> str:
        """Return the text that is certain with this token."""
        self.tokens.append(token)
        text = self.decode(self.tokens)
        certain = text.rstrip(UNFINISHED)
        new = self._new(certain)
        if certain == text:
            self._shorten()
        return new

    def flush(self) -> str:
        """Return the rest, where the reply ends within a character."""
        return self._new(self.decode(self.tokens)) if self.tokens else ""

    def _new(self, text: str) -> str:
        new = text[len(self.returned) :]
        self.returned += new
        return new

    def _shorten(self) -> None:
        """Keep only what came since the text was last whole: it is context enough."""
        self.tokens = self.tokens[self.whole :]
        self.whole = len(self.tokens)
        self.returned = self.decode(self.tokens)
