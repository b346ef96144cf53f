"""The rules of a conversation's turns: who answers when the user names nobody, and how often.

A strategy stands here once, with its name, its words and its rule: the pages offer it, REST and the
WebSocket accept it, and the stage that answers follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from attrs import frozen

from .models import Character

TALKATIVE = 0.5
"""How likely a character speaks unasked (``natural``) whose card does not say."""
AUTO_CAP = 6
"""Replies that follow on their own (``auto``) when the conversation sets no number."""
MOST_REPLIES = 50
"""Highest number of replies that a conversation may set."""


@frozen
class TurnContext:
    """What a decision rests on beside the words: who spoke last (an id), and a *seed*."""

    last_speaker: str | None = None
    seed: int = 0


# -- strategies ------------------------------------------------------------------------------

Choose = Callable[[Sequence[Character], TurnContext], list[Character]]
"""Returns those of the cast who answer, in speaking order. Muted characters are not in the cast."""


@frozen
class TurnStrategy:
    """Decides who answers when the user names nobody.

    *label* is what the pages call it, *description* what the API's document says of it. It must
    not wait or remember: the same cast and context give the same answer.
    """

    name: str
    label: str
    description: str
    choose: Choose
    is_random: bool = False
    """The choice depends on the turn's seed, so that a preview may differ from it."""
    in_rounds: bool = False
    """When characters go on by themselves, the last speaker comes again at the end of the round."""


def everybody(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    """All who are here, in the conversation's order."""
    return list(cast)


def the_first(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    """The first in the conversation's order."""
    return list(cast[:1])


def next_in_line(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    """One at a time: the character after the last speaker in the conversation's order."""
    places = [place for place, who in enumerate(cast) if who.id == context.last_speaker]
    return [cast[(places[0] + 1 if places else 0) % len(cast)]] if cast else []


def by_talkativeness(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    """Each as likely as it is talkative, the keenest first; if nobody is, the nearest to it.

    A talkativeness of 0 speaks only when addressed. The dice depend on the turn and the character
    alone, so that a turn can be repeated.
    """
    keen = {who.id: talkativeness(who) - _dice(context.seed, who.id) for who in cast}
    able = [who for who in cast if talkativeness(who) > 0]
    able.sort(key=lambda who: -keen[who.id])
    return [who for who in able if keen[who.id] > 0] or able[:1]


def nobody(cast: Sequence[Character], context: TurnContext) -> list[Character]:
    """Nobody: characters speak only when they are named or asked."""
    return []


def talkativeness(who: Character) -> float:
    """Return ``extensions["talkativeness"]``, 0 to 1; character cards keep it as text as well."""
    try:
        given = float(who.extensions.get("talkativeness", TALKATIVE))
    except (TypeError, ValueError, OverflowError):
        return TALKATIVE
    return min(max(given, 0.0), 1.0) if given == given else TALKATIVE


def _dice(seed: int, id: str) -> float:
    return Random(f"{seed}/{id}").random()  # noqa: S311  (no secret hangs on it)


ALL = TurnStrategy(
    "all",
    "Everybody, in order",
    "all who are here, in the conversation's order",
    everybody,
    in_rounds=True,
)
DEFAULT = ALL
STRATEGIES: dict[str, TurnStrategy] = {
    one.name: one
    for one in (
        ALL,
        TurnStrategy("first", "The first", "the first in the conversation's order", the_first),
        TurnStrategy(
            "round_robin", "One after the other", "the one after the last speaker", next_in_line
        ),
        TurnStrategy(
            "natural",
            "Those who feel like it (dice)",
            "each as likely as it is talkative",
            by_talkativeness,
            is_random=True,
        ),
        TurnStrategy("manual", "Nobody", "nobody", nobody),
    )
}
"""By name, in the order in which the pages offer them."""


# -- the rules of a conversation -------------------------------------------------------------


@frozen
class TurnSetting:
    """One of the settings that are the rules: what the pages call it, and what they say of it."""

    label: str
    hint: str = ""


TURN_SETTINGS: Mapping[str, TurnSetting] = {
    "strategy": TurnSetting("Who answers when you name nobody"),
    "max_replies": TurnSetting("Replies to one message, at most", "Empty: no limit."),
    "auto": TurnSetting("They go on by themselves", "Until you speak or type."),
    "auto_cap": TurnSetting("Replies before they wait for you", f"Empty: {AUTO_CAP}."),
}
"""By the names of a conversation's settings. :func:`read_rules` reads them."""


@frozen
class TurnRules:
    """How a conversation decides who answers.

    *muted* are ids that never answer. *max_replies* limits the replies to one message. With *auto*
    the characters go on by themselves, for *auto_cap* replies in all.
    """

    strategy: TurnStrategy = DEFAULT
    muted: frozenset[str] = frozenset()
    max_replies: int | None = None
    auto: bool = False
    auto_cap: int = AUTO_CAP

    def unmuted(self, cast: Iterable[Character]) -> list[Character]:
        """Return those who may answer."""
        return [who for who in cast if who.id not in self.muted]


def read_rules(settings: Mapping[str, Any]) -> TurnRules:
    """Read the rules; what the store holds that makes no sense counts as not set."""
    strategy, muted = settings.get("strategy"), settings.get("muted")
    return TurnRules(
        STRATEGIES.get(strategy, DEFAULT) if isinstance(strategy, str) else DEFAULT,
        frozenset(filter(_is_text, muted) if isinstance(muted, (list, tuple)) else ()),
        _count(settings.get("max_replies")),
        settings.get("auto") is True,
        _count(settings.get("auto_cap")) or AUTO_CAP,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
