"""Turn taking: the characters that the user addresses answer, else those that a strategy chooses.

Whom the words address is decided in :mod:`.mentions`. Nobody addressed: the strategy decides
(:mod:`aichat.core.turn_rules`).

Nothing here waits or remembers: the same words, cast, rules and context give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aichat.core import Character
from aichat.core.turn_rules import TurnContext, TurnRules, next_in_line

from .mentions import addressed

NO_CONTEXT = TurnContext()


def choose_speakers(
    text: str, cast: Sequence[Character], rules: TurnRules, context: TurnContext = NO_CONTEXT
) -> list[Character]:
    """Return who of the *cast* answers *text*, in speaking order."""
    chosen = addressed(text, cast, context.last_speaker)
    if not chosen:
        chosen = rules.strategy.choose(rules.unmuted(cast), context)
    return rules.unmuted(chosen)[: rules.max_replies]


def choose_next_speakers(
    cast: Sequence[Character], rules: TurnRules, context: TurnContext
) -> list[Character]:
    """Return who speaks when nobody was addressed: not the last speaker, who would go on alone."""
    here, last = rules.unmuted(cast), context.last_speaker
    place = next((place for place, who in enumerate(here) if who.id == last), len(here))
    others = here[place + 1 :] + here[:place]
    chosen = rules.strategy.choose(others, context)
    if others and rules.strategy.in_rounds:
        chosen = [*chosen, *here[place : place + 1]]  # whose turn comes again at the end
    return chosen[: rules.max_replies]


def choose_requested_speakers(
    ids: Iterable[str], cast: Sequence[Character], rules: TurnRules, context: TurnContext
) -> list[Character]:
    """Return who speaks when a client asks for these, else those that the strategy chooses.

    Somebody was asked for: where the strategy chooses nobody, the next in line speaks.
    """
    here = rules.unmuted(cast)
    by_id = {who.id: who for who in here}
    if wanted := list(dict.fromkeys(ids)):
        return [by_id[id] for id in wanted if id in by_id][: rules.max_replies]
    return choose_next_speakers(cast, rules, context) or next_in_line(here, context)


def explain_silence(text: str, cast: Sequence[Character], rules: TurnRules) -> str:
    """Return why no character answers *text*."""
    if not cast:
        return "Nobody is here to answer. Add a character."
    meant = addressed(text, cast) or cast
    if rules.unmuted(meant):
        return "Nobody was addressed. Name who is to answer."
    return f"{' and '.join(who.name for who in meant)} cannot answer while muted."
