import re

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Character, Prompt, PromptMessage, closing, is_storable
from aichat.core.testing.llm_contract import LlmContract, ask
from aichat.plugins.demo import Demo, compose, llm_backend
from aichat.plugins.demo.lines import INTENTS, STYLES

pytestmark = pytest.mark.anyio

OLIVIA = Character("o", "Olivia Barns", "You are warm, witty and quick, with dry humour.")
MARK = Character("m", "Mark Chen", "You are calm, thoughtful and patient. You love long rivers.")
ROSA = Character("r", "Rosa Alvarez", "You are energetic, bold and cheerful.")
CAST = (OLIVIA, MARK, ROSA)

ANY_TEXT = st.text(max_size=200) | st.lists(
    st.sampled_from(["are you real", "my name is", "3", "{topic}", "{who}", "Mark", "?", "sad"])
).map(" ".join)


class TestContract(LlmContract):
    @pytest.fixture
    def llm(self):
        return Demo(words_per_second=500)


def message(who, text, me):
    if who is None:
        return PromptMessage("user", text)
    if who is me:
        return PromptMessage("assistant", text)
    return PromptMessage("user", f"{who.name}: {text}", who.name)


def answer(me, *said):
    """What *me* answers to (speaker, text) pairs; a speaker of None is the user."""
    system = PromptMessage("system", me.system_prompt)
    return compose(Prompt(me, CAST, [system, *(message(who, text, me) for who, text in said)]))


def talk(*turns):
    """Let all three answer each turn; return what was said, by speaker."""
    said = []
    for text in turns:
        said.append((None, text))
        for who in CAST:
            said.append((who, answer(who, *said)))
    return [(who, text) for who, text in said if who]


def test_its_notice_says_that_it_is_no_model():
    offer = llm_backend()
    assert offer.name == "demo"
    assert offer.notice.startswith("Demo replies: no language model is connected")
    assert "OPENROUTER_API_KEY" in offer.notice


@settings(max_examples=100, deadline=None)
@given(
    ANY_TEXT, st.sampled_from(CAST), st.lists(st.tuples(st.sampled_from((None, *CAST)), ANY_TEXT))
)
def test_any_text_gets_a_short_clean_reply(text, me, before):
    reply = answer(me, *before, (None, text))
    assert reply.strip() == reply != ""
    assert is_storable(reply)
    assert not re.search(r"[{}*#\n]", reply)
    assert len(re.findall(r"[.!?](?= |$)", reply)) <= 3
    assert len(reply) < 400


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_the_same_prompt_gets_the_same_reply(text):
    assert answer(MARK, (None, text)) == answer(MARK, (None, text))


@settings(max_examples=30, deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_nobody_says_the_same_twice_in_a_row(texts):
    last = {}
    for who, text in talk(*(text for text in texts for _ in range(4))):
        for sentence in re.findall(r".+?[.!?](?= |$)", text):
            assert sentence not in re.findall(r".+?[.!?](?= |$)", last.get(who.id, ""))
        last[who.id] = text


def test_it_finds_words_when_all_its_lines_were_said():
    everything = " ".join(line for intent in INTENTS for line in intent.lines)
    everything += " ".join(
        line for s in STYLES for line in s.remarks + s.ask + s.agree + s.disagree
    )
    for page in range(1, 5):
        reply = answer(OLIVIA, (None, "Mm"), *[(OLIVIA, everything + f" page {page}.")] * page)
        assert reply
        assert reply not in everything


def test_three_characters_sound_different():
    said = {who.id: set() for who in CAST}
    for who, text in talk("I bought a boat.", "It is small.", "Let us paint it.", "Blue, perhaps."):
        said[who.id] |= set(re.findall(r".+?[.!?](?= |$)", text))
    assert len(said["o"] | said["m"] | said["r"]) == sum(len(lines) for lines in said.values())


def test_it_takes_up_the_users_words():
    replies = [text for _, text in talk("I am learning woodwork.", "Woodwork is slow.")]
    assert any("woodwork" in text.lower() for text in replies)


def test_it_reacts_to_whoever_spoke_before_by_name():
    for _ in range(3):
        said = [(None, "Let us go to the sea."), (OLIVIA, "I would rather stay at home.")]
        assert "Olivia" in answer(MARK, *said)
        assert "Mark" in answer(ROSA, *said, (MARK, "Home is fine."))
        assert "Olivia" not in answer(MARK, (OLIVIA, "Hello."), (None, "Let us go to the sea."))


def test_it_asks_back():
    replies = [answer(who, (None, text)) for who in CAST for text in ("I like tea.", "And bread.")]
    assert any("?" in reply for reply in replies)


@pytest.mark.parametrize(
    "question",
    [
        "Are you real?", "are you an AI", "Which model are you?", "Are you all just a bot?",
        "Mark, are you human?", "what language model is this?", "Is this ChatGPT?",
    ],
)  # fmt: skip
def test_it_admits_what_it_is(question):
    for who in CAST:
        reply = answer(who, (None, question)).lower()
        assert "demo" in reply
        assert "script" in reply


def test_it_remembers_the_users_name():
    said = [(None, "Hi, my name is anna."), (MARK, "Well."), (None, "Call me ben")]
    assert "Ben" in answer(MARK, *said)


def test_it_is_kind_to_the_sad():
    for who, text in talk("I feel so sad and tired today."):
        assert "fun" not in text, who


async def test_words_come_at_the_pace_that_was_set():
    began = anyio.current_time()
    async with closing(Demo(words_per_second=50).reply(ask("Hello!"))) as stream:
        pieces = [piece async for piece in stream]
    took = anyio.current_time() - began
    assert took >= len(pieces) / 50 * 0.9
    async with closing(Demo(words_per_second=0).reply(ask("Hello!"))) as stream:
        assert [piece async for piece in stream] == pieces
    assert all(len(piece.split()) == 1 for piece in pieces)
