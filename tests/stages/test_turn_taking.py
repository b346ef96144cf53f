"""Who answers (contract 4.1): names in the text, strategies, who is muted, who goes on."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from aichat.core import Character
from aichat.core.turn_rules import (
    AUTO_CAP,
    STRATEGIES,
    TurnContext,
    TurnRules,
    read_rules,
    talkativeness,
)
from aichat.stages.answering.common_words import is_common
from aichat.stages.answering.mentions import addressed
from aichat.stages.answering.text_folding import fold
from aichat.stages.answering.turn_taking import (
    choose_next_speakers,
    choose_requested_speakers,
    choose_speakers,
    explain_silence,
)

CAST = [
    Character("o", "Olivia Barns"),
    Character("m", "Mark Chen"),
    Character("r", "Rosa Álvarez-Ruiz"),
    Character("j", "Mary-Jane Chen"),
]


def ruled(strategy: str) -> TurnRules:
    return TurnRules(STRATEGIES[strategy])


def ids(cast: list[Character]) -> str:
    return "".join(who.id for who in cast)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("what do you think?", ""),
        ("", ""),
        ("@Mark @Olivia hi", "mo"),
        ("@olivia barns hi", "o"),
        ("@Rosa, and Mark too", "r"),
        ("@Chen hi", "mj"),
        ("(@Mark)", "m"),
        ("@everyone listen", "omrj"),
        ("@all of you", "omrj"),
        ("@Mark first, then @everyone", "morj"),
        ("@others, and you?", "mrj"),  # Olivia spoke last
        ("@Mark and @others", "morj"),
        ("@others and then @Rosa", "omjr"),
        ("MARK, what about Olivia?", "mo"),
        ("Olivia's idea was good", "o"),
        ("Olivia’s idea was good", "o"),
        ("what did Barns' dog do?", "o"),
        ("remarkable bargains", ""),
        ("the mark-up of chen2", ""),
        ("Chen, please", "mj"),
        ("Mark Chen, please", "m"),
        ("mark\n chen, please", "m"),
        ("hold on, Álvarez-Ruiz", "r"),
        ("hold on, alvarez ruiz", "r"),
        ("A\u0301lvarez?", "r"),
        ("write to mark@example.org", ""),
        ("see https://example.org/mark and www.x.org", ""),
        ("@nobody there", ""),
        ("Mary-Jane?", "j"),
        ("Jane?", "j"),
        ("remark@ble", ""),
    ],
)
def test_names_are_found_as_people_say_them(text: str, who: str) -> None:
    assert ids(addressed(text, CAST, last="o")) == who


OTHER_NAMES = [
    Character("d", "The Doctor"),
    Character("v", "Ludwig van Beethoven"),
    Character("b", "Dr. Ana O'Brien"),
    Character("k", "高橋 美咲"),
    Character("t", "สมชาย"),
    Character("h", "מיכל לוי"),
    Character("q", "Q"),
    Character("i", "İlknur"),
]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("the van is here, oh", ""),
        ("the doctor, please", "d"),
        ("van Beethoven?", "v"),
        ("Mr. Brien, or is it Ana?", "b"),  # one person, named twice
        ("美咲さんはどう思う？", "k"),
        ("ねえ@美咲、聞いて", "k"),
        ("คุณสมชายคิดว่าไง", "t"),
        ("מה דעתך, מיכל?", "h"),
        ("q?", ""),
        ("@q?", "q"),
        ("ilknur", "i"),
    ],
)
def test_names_of_many_kinds_are_found(text: str, who: str) -> None:
    assert ids(addressed(text, OTHER_NAMES)) == who


NAMES = st.text(st.characters(categories=["Lu", "Ll", "Lo"], max_codepoint=0x24F), min_size=2)
CASTS = st.lists(NAMES, min_size=1, max_size=6, unique_by=str.casefold).map(
    lambda names: [Character(f"c{place}", name) for place, name in enumerate(names)]
)
RULES = st.builds(
    TurnRules,
    st.sampled_from(list(STRATEGIES.values())),
    st.frozensets(st.sampled_from([f"c{n}" for n in range(6)])),
    st.none() | st.integers(1, 6),
)
PASTS = st.builds(
    TurnContext, st.none() | st.sampled_from([f"c{n}" for n in range(6)]), st.integers(0)
)
TEXTS = st.text() | st.lists(
    st.sampled_from(["@everyone", "@others", "@c", "Ab", " ", ",", "hello"])
).map(" ".join)


@given(TEXTS, CASTS, RULES, PASTS)
def test_whatever_is_said_each_answers_once_at_most_and_the_muted_never(
    text: str, cast: list[Character], rule: TurnRules, past: TurnContext
) -> None:
    chosen = choose_speakers(text, cast, rule, past)
    assert chosen == choose_speakers(text, cast, rule, past)
    assert len({who.id for who in chosen}) == len(chosen)
    assert not {who.id for who in chosen} & rule.muted
    assert len(chosen) <= (rule.max_replies or len(cast))
    assert (
        chosen or rule.strategy.name in ("natural", "manual") or explain_silence(text, cast, rule)
    )


@given(CASTS, st.data())
def test_mentions_with_an_at_answer_exactly_in_that_order(
    cast: list[Character], data: st.DataObject
) -> None:
    assume(all(len(addressed("@" + who.name, cast)) == 1 for who in cast))
    assume(not {who.name.casefold() for who in cast} & {"all", "everyone", "everybody", "others"})
    named = data.draw(st.permutations(cast))[: data.draw(st.integers(1, len(cast)))]
    text = " hm, ".join("@" + who.name for who in named)
    assert choose_speakers(text, cast, ruled("manual")) == named


@given(CASTS, st.data(), st.sampled_from(["{}", "{}'s", "well, {}?", "({})", "{}: hi"]))
def test_a_spoken_name_is_found_in_any_case_but_not_inside_a_word(
    cast: list[Character], data: st.DataObject, around: str
) -> None:
    who = data.draw(st.sampled_from(cast))
    cased = data.draw(st.sampled_from([str, str.upper, str.lower, str.title]))(who.name)
    assume(cased.casefold() == who.name.casefold() and not is_common(fold(cased)))
    assert who in addressed(around.format(cased), [who])
    for inside in (f"x{cased}", f"{cased}x", f"7{cased}", f"re-{cased}", f"{cased}-up"):
        assert addressed(inside, [who]) == []


@given(TEXTS, CASTS, PASTS)
def test_the_strategies_keep_their_promises(
    text: str, cast: list[Character], past: TurnContext
) -> None:
    assume(not addressed(text, cast, past.last_speaker))
    assert choose_speakers(text, cast, ruled("all"), past) == cast
    assert choose_speakers(text, cast, ruled("first"), past) == cast[:1]
    assert choose_speakers(text, cast, ruled("manual"), past) == []
    assert len(choose_speakers(text, cast, ruled("round_robin"), past)) == 1


@given(CASTS)
def test_round_robin_lets_everybody_speak_before_anybody_speaks_again(
    cast: list[Character],
) -> None:
    spoke: list[Character] = []
    for _ in range(2 * len(cast)):
        last = spoke[-1].id if spoke else None
        spoke += choose_speakers("", cast, ruled("round_robin"), TurnContext(last))
    assert spoke == cast + cast


def with_talkativeness(value: Any) -> Character:
    return Character("x", "Xenia", extensions={"talkativeness": value})


@pytest.mark.parametrize(
    ("told", "meant"),
    [(0, 0), (1, 1), ("0.25", 0.25), (7, 1), (-1, 0), ("a lot", 0.5), (None, 0.5),
     ("nan", 0.5), ([], 0.5)],
)  # fmt: skip
def test_talkativeness_is_read_from_the_card(told: Any, meant: float) -> None:
    assert talkativeness(with_talkativeness(told)) == meant
    assert talkativeness(Character("x", "Xenia")) == 0.5


def test_the_talkative_speak_as_often_as_they_are_talkative_and_the_silent_never() -> None:
    cast = [
        Character(id, id, extensions={"talkativeness": value})
        for id, value in (("never", 0), ("seldom", 0.2), ("often", 0.8), ("always", 1))
    ]
    count = dict.fromkeys(("never", "seldom", "often", "always"), 0)
    for seed in range(1000):
        for who in choose_speakers("hm", cast, ruled("natural"), TurnContext(seed=seed)):
            count[who.id] += 1
    assert count["never"] == 0
    assert count["always"] == 1000
    assert 150 < count["seldom"] < 250
    assert 750 < count["often"] < 850
    assert choose_speakers("hm", cast[:2], ruled("natural"), TurnContext(seed=1)) == cast[1:2]
    assert choose_speakers("hm", cast[:1], ruled("natural")) == []
    assert choose_speakers("never?", cast, ruled("natural")) == cast[:1]


@given(CASTS, RULES, PASTS)
def test_nobody_goes_on_after_himself(
    cast: list[Character], rule: TurnRules, past: TurnContext
) -> None:
    chosen = choose_next_speakers(cast, rule, past)
    assert not chosen or chosen[0].id != past.last_speaker
    assert not {who.id for who in chosen} & rule.muted
    assert len(chosen) <= (rule.max_replies or len(cast))
    if (
        len([who for who in cast if who.id not in rule.muted]) >= 2
        and rule.strategy.name != "manual"
    ):
        assert chosen


def test_in_auto_mode_the_last_speaker_comes_last() -> None:
    assert ids(choose_next_speakers(CAST, TurnRules(), TurnContext("m"))) == "rjom"
    assert ids(choose_next_speakers(CAST, ruled("round_robin"), TurnContext("j"))) == "o"
    assert ids(choose_next_speakers(CAST, ruled("manual"), TurnContext("j"))) == ""


@given(CASTS, RULES, PASTS)
def test_who_is_asked_speaks_unless_muted(
    cast: list[Character], rule: TurnRules, past: TurnContext
) -> None:
    here = [who for who in cast if who.id not in rule.muted]
    rule = evolve(rule, max_replies=None)
    assert (
        choose_requested_speakers([who.id for who in reversed(cast)], cast, rule, past)
        == here[::-1]
    )
    assert choose_requested_speakers(["nobody"], cast, rule, past) == []
    if here and rule.strategy.name != "natural":
        assert choose_requested_speakers([], cast, rule, past)


@pytest.mark.parametrize(
    ("settings", "meant"),
    [
        ({}, TurnRules()),
        (
            {"strategy": "first", "muted": ["a"], "max_replies": 2, "auto": True, "auto_cap": 9},
            TurnRules(STRATEGIES["first"], frozenset({"a"}), 2, True, 9),
        ),
        (
            {"strategy": "chaos", "muted": "a", "max_replies": 0, "auto": 1, "auto_cap": "x"},
            TurnRules(),
        ),
        ({"strategy": ["all"], "muted": [1, "b"]}, TurnRules(muted=frozenset("b"))),
    ],
)
def test_rules_are_read_from_the_conversation(settings: dict[str, Any], meant: TurnRules) -> None:
    assert read_rules(settings) == meant
    assert TurnRules().auto_cap == AUTO_CAP


def test_silence_has_a_reason() -> None:
    muted = TurnRules(muted=frozenset("mo"))
    assert explain_silence("hi", [], TurnRules()) == "Nobody is here to answer. Add a character."
    assert explain_silence("hi", CAST, ruled("manual")).startswith("Nobody was addressed.")
    assert explain_silence("@Mark", CAST, muted) == "Mark Chen cannot answer while muted."
