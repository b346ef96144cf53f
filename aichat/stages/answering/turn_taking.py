"""Turn taking: the characters that the user addresses answer, else those that a strategy chooses.

Whom the words address is decided in :mod:`.mentions`. Nobody addressed: the strategy decides.

Nothing here waits or remembers: the same words, cast, rules and past give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from attrs import frozen

from aichat.core import Character

from .mentions import addressed

TALKATIVE = 0.5
"""How likely a character speaks unasked (``natural``) whose card does not say."""
AUTO_CAP = 6
"""Replies that follow on their own (``auto``) when the conversation sets no number."""


@frozen
class Rules:
    """How a conversation decides, from its settings.

    *muted* are ids that never answer. *most* limits the replies to one message. With *auto* the
    characters go on by themselves, for *auto_cap* replies in all.
    """

    strategy: str = "all"
    muted: frozenset[str] = frozenset()
    most: int | None = None
    auto: bool = False
    auto_cap: int = AUTO_CAP


def rules(settings: Mapping[str, Any]) -> Rules:
    """Read the rules; what the store holds that makes no sense counts as not set."""
    strategy, muted = settings.get("strategy"), settings.get("muted")
    return Rules(
        strategy if isinstance(strategy, str) and strategy in STRATEGIES else "all",
        frozenset(filter(_is_text, muted) if isinstance(muted, (list, tuple)) else ()),
        _count(settings.get("max_replies")),
        settings.get("auto") is True,
        _count(settings.get("auto_cap")) or AUTO_CAP,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


@frozen
class Past:
    """What a decision rests on beside the words: who spoke *last* (an id), and a *seed*."""

    last: str | None = None
    seed: int = 0


NOBODY = Past()


def answering(
    text: str, cast: Sequence[Character], rules: Rules, past: Past = NOBODY
) -> list[Character]:
    """Return who of the *cast* answers *text*, in speaking order."""
    chosen = addressed(text, cast, past.last)
    if not chosen:
        chosen = STRATEGIES[rules.strategy](_unmuted(cast, rules), past)
    return _unmuted(chosen, rules)[: rules.most]


def going_on(cast: Sequence[Character], rules: Rules, past: Past) -> list[Character]:
    """Return who speaks when nobody was addressed: not the last speaker, who would go on alone."""
    here = _unmuted(cast, rules)
    place = next((place for place, who in enumerate(here) if who.id == past.last), len(here))
    others = here[place + 1 :] + here[:place]
    chosen = STRATEGIES[rules.strategy](others, past)
    if others and rules.strategy == "all":
        chosen += here[place : place + 1]  # whose turn comes again at the end
    return chosen[: rules.most]


def asked(
    ids: Iterable[str], cast: Sequence[Character], rules: Rules, past: Past
) -> list[Character]:
    """Return who speaks when a client asks for these, else those that the strategy chooses."""
    by_id = {who.id: who for who in _unmuted(cast, rules)}
    if wanted := list(dict.fromkeys(ids)):
        return [by_id[id] for id in wanted if id in by_id][: rules.most]
    if rules.strategy == "manual":
        return next_in_line(list(by_id.values()), past)
    return going_on(cast, rules, past) or list(by_id.values())[:1]


def silence(text: str, cast: Sequence[Character], rules: Rules) -> str:
    """Return why no character answers *text*."""
    if not cast:
        return "Nobody is here to answer. Add a character."
    meant = addressed(text, cast) or cast
    if _unmuted(meant, rules):
        return "Nobody was addressed. Name who is to answer."
    return f"{' and '.join(who.name for who in meant)} cannot answer while muted."


def _unmuted(cast: Iterable[Character], rules: Rules) -> list[Character]:
    return [who for who in cast if who.id not in rules.muted]


# -- strategies ------------------------------------------------------------------------------

Strategy = Callable[[Sequence[Character], Past], list[Character]]


def everybody(cast: Sequence[Character], past: Past) -> list[Character]:
    """All who are here, in the conversation's order."""
    return list(cast)


def the_first(cast: Sequence[Character], past: Past) -> list[Character]:
    """The first in the conversation's order."""
    return list(cast[:1])


def next_in_line(cast: Sequence[Character], past: Past) -> list[Character]:
    """One at a time: the character after the last speaker in the conversation's order."""
    places = [place for place, who in enumerate(cast) if who.id == past.last]
    return [cast[(places[0] + 1 if places else 0) % len(cast)]] if cast else []


def by_temper(cast: Sequence[Character], past: Past) -> list[Character]:
    """Each as likely as it is talkative, the keenest first; if nobody is, the nearest to it.

    A talkativeness of 0 speaks only when addressed. The dice depend on the turn and the character
    alone, so that a turn can be repeated.
    """
    keen = {who.id: talkativeness(who) - _dice(past.seed, who.id) for who in cast}
    able = [who for who in cast if talkativeness(who) > 0]
    able.sort(key=lambda who: -keen[who.id])
    return [who for who in able if keen[who.id] > 0] or able[:1]


def only_who_is_asked(cast: Sequence[Character], past: Past) -> list[Character]:
    """Nobody."""
    return []


STRATEGIES: dict[str, Strategy] = {
    "all": everybody,
    "first": the_first,
    "round_robin": next_in_line,
    "natural": by_temper,
    "manual": only_who_is_asked,
}


def talkativeness(who: Character) -> float:
    """Return ``extensions["talkativeness"]``, 0 to 1; character cards keep it as text as well."""
    try:
        given = float(who.extensions.get("talkativeness", TALKATIVE))
    except (TypeError, ValueError, OverflowError):
        return TALKATIVE
    return min(max(given, 0.0), 1.0) if given == given else TALKATIVE


def _dice(seed: int, id: str) -> float:
    return Random(f"{seed}/{id}").random()  # noqa: S311  (no secret hangs on it)
