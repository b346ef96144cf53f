"""Events that take back what was published of a reply.

Import these from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from attrs import field, frozen

from .base import LineEvent, letters


@frozen
class ReplyWithdrawn(LineEvent):
    """What was written last was no part of the reply, but a thought of the model.

    *text* is what remains of the reply so far. The clauses from *first* on are void, up to *until*,
    which is the index of the next one.
    """

    text: str = field(repr=letters)
    first: int = 0
    until: int = 0
