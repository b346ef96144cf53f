"""Text into clauses, clauses into what is read out."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aichat.stages.answering.clauses import LONGEST, Clauses
from aichat.stages.answering.speakable import speakable

PIECES = st.sampled_from(
    [
        *"abc XYZ,.!?;:\n…",
        "Mr. ",
        "3.5",
        "。",
        "」",
        "*",
        "**",
        "`",
        "http://x.io/a.b ",
        "👍🏽",
        "שלום",
        "word ",
        "word word word ",
        "*waves* ",
        "*waves. Twice*",
        "[a. b](http://x.y) ",
        "[",
        "](",
        "_",
        "<b>",
        "<",
        "```\nx = 1. y\n```\n",
        "```",
        "No. ",
        "z. B. ",
        "am 3. Mai ",
        "Sr. ",
        "d. ",
        "$x^2$",
        "~~~",
        "***",
        "\\(a",
        "\\)",
        "$",
        "Dear Jr. He ",
        "!",
        "<!--",
        "-->",
        "&amp; ",
        "\n\n",
        "U.S. ",
        "p.m. ",
        "1. ",
        "、",
        "؟ ",
        "।",
        "🎉",
        "\u200d",
    ]
)
TEXTS = st.lists(PIECES, max_size=80).map("".join) | st.text(max_size=300)


def chunked(text: str, cuts: list[int]) -> list[str]:
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(text[at : at + cut])
        at += cut
    return [*pieces, text[at:]]


def clauses_of(pieces: list[str]) -> list[str]:
    clauses = Clauses()
    return [clause for piece in pieces for clause in clauses.feed(piece)] + clauses.flush()


@given(TEXTS, st.lists(st.integers(1, 9), max_size=60))
@example("x" * (LONGEST + 1) + ". Then more.", [1] * 60)
@example("$z. B. a$a", [1] * 60)
def test_any_chunking_gives_the_same_clauses_which_joined_are_the_text(
    text: str, cuts: list[int]
) -> None:
    whole = clauses_of([text])
    assert "".join(whole) == text
    assert clauses_of(chunked(text, cuts)) == whole
    assert clauses_of(list(text)) == whole
    assert all(whole)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Hello there! How are you?", ["Hello there! ", "How are you?"]),
        (
            "Well, to be honest, I like tea, coffee and milk.",
            ["Well, to be honest, ", "I like tea, coffee and milk."],
        ),
        (
            "Mr. Chen met Dr. Barns at 3.30 p.m. today.",
            ["Mr. Chen met Dr. Barns at 3.30 p.m. today."],
        ),
        ('He said "No." and left. Fine.', ['He said "No." and left. ', "Fine."]),
        ('She said "No." Then she left.', ['She said "No." ', "Then she left."]),
        ("Wait... what? Yes!", ["Wait... ", "what? ", "Yes!"]),
        ("See https://example.org/a.b?c=d. Good.", ["See https://example.org/a.b?c=d. ", "Good."]),
        ("你好。你怎么样？", ["你好。", "你怎么样？"]),
        ("one\ntwo\n\nthree", ["one\n", "two\n\n", "three"]),
        ("No. I won't. See No. 5 here.", ["No. ", "I won't. ", "See No. 5 here."]),
        ("So do I. J. R. Tolkien too.", ["So do I. ", "J. R. Tolkien too."]),
        (
            "The U.S. economy grew. It is 5 p.m. We go.",
            ["The U.S. economy grew. ", "It is 5 p.m. ", "We go."],
        ),
        ("It costs 1,000.50 euros, e.g. here.", ["It costs 1,000.50 euros, ", "e.g. here."]),
        ("1. Wash it.\n2. Dry it.", ["1. Wash it.\n", "2. Dry it."]),
        ("- one, two\n- three", ["- one, two\n", "- three"]),
        (
            "*She looks up. Sighs.* Hello! *waves* Bye.",
            ["*She looks up. Sighs.* ", "Hello! ", "*waves* Bye."],
        ),
        ("**Yes. I do.** Really.", ["**Yes. I do.** ", "Really."]),
        ("5 * 3 is 15. And 2 *x is 4 *y. Good.", ["5 * 3 is 15. ", "And 2 *x is 4 *y. ", "Good."]),
        ("See [a. b. c](http://x.org). Good.", ["See [a. b. c](http://x.org). ", "Good."]),
        ("Run `a. b` now. Go.", ["Run `a. b` now. ", "Go."]),
        (
            "So:\n```py\nx = 1. \n\ny = 2\n```\nDone.",
            ["So:\n", "```py\nx = 1. \n\ny = 2\n```\n", "Done."],
        ),
        ("Great!🎉 Next one.", ["Great!", "🎉 Next one."]),
        ("「行こう。」と彼は言った。さあ。", ["「行こう。」", "と彼は言った。", "さあ。"]),
        (
            "今天天气很好，我们去公园吧，好吗？好。",
            ["今天天气很好，", "我们去公园吧，好吗？", "好。"],
        ),
        ("كيف حالك؟ أنا بخير، شكرا لك.", ["كيف حالك؟ ", "أنا بخير، شكرا لك."]),
        ("आप कैसे हैं? ठीक। चलो।", ["आप कैसे हैं? ", "ठीक। ", "चलो।"]),
        ("« Oui. » Puis « non ».", ["« Oui. ", "» Puis « non »."]),
        ("“I see.” He left.", ["“I see.” ", "He left."]),
        ("an *open star. And more. Ends", ["an *open star. ", "And more. ", "Ends"]),
        ("", []),
    ],
)
def test_clauses_end_where_a_speaker_would_pause(text: str, clauses: list[str]) -> None:
    assert clauses_of([text]) == clauses


def test_a_text_without_punctuation_is_cut_between_words() -> None:
    parts = clauses_of(["word " * 100])
    assert all(len(part) <= LONGEST and part.endswith(" ") for part in parts)


def test_what_belongs_together_is_not_cut_however_long_the_clause() -> None:
    action = "*" + "she walks to the window and back, again and again " * 5 + "slowly*"
    assert clauses_of([f"Hm. {action} Yes."]) == ["Hm. ", f"{action} ", "Yes."]
    family = "👩🏽‍👩🏽‍👧🏽‍👦🏽" * 40
    parts = clauses_of([family])
    assert len(parts) > 1
    assert all(part.startswith("👩🏽‍👩🏽") for part in parts)


@given(st.integers(0, 300), st.sampled_from(["*", "_", "`", "[", "<b", "**"]))
def test_a_stray_mark_holds_up_nothing_for_long(words: int, mark: str) -> None:
    clauses, text = Clauses(), f"Hm, {mark}and so on " + "word " * words
    made = [clause for piece in text for clause in clauses.feed(piece)]
    assert len(text) - sum(map(len, made)) <= 2 * LONGEST + 10


ONE = [
    *("Ich komme am 3. Mai.", "Er wurde am 24. Dezember geboren.", "Der 2. Weltkrieg war schlimm."),
    *("Das ist z. B. gut.", "Sie kommt, d. h. Anna kommt.", "Es regnet u. a. in Wien."),
    *("We met on Jan. 5 there.", "It is due Sept. 12 at noon.", "Come on Tue. 7 July."),
    *("Elle est née le 7 nov. 1867 ici.", "ул. Ленина д. 5 кв. 3 у парка."),
    *("Это т. е. так.", "Он купил хлеб и т. п. вчера.", "Es geht um die 3. Klasse."),
    *("She has a Ph.D. in physics.", "My M.Sc. was hard.", "A 2 p.m. start is fine."),
    *("El Sr. García llegó.", "Estimado Sr. Pérez.", "Dr. Martin Luther King Jr. spoke."),
    *("I. Newton was great.", "Он жил в г. Москве.", "EE. UU. es grande."),
    *("St. Petersburg is cold.", "J. K. Rowling wrote it.", "See p. 5 and vol. 3 of it."),
    *("Version 2.1. beta is out.", "the end. of it all.", "Mio. Euro fehlen ca. Zwei."),
    *("Tom &amp; Jerry &lt;3 this", "the 3. 5. 2024 was one"),
]
TWO = [
    ("It is 2023. Then came more.", ["It is 2023. ", "Then came more."]),
    ("I have 3. You have 4.", ["I have 3. ", "You have 4."]),
    ("Er ist Herr Meier. Anna kommt.", ["Er ist Herr Meier. ", "Anna kommt."]),
    ("She met John Smith Sr. He left.", ["She met John Smith Sr. ", "He left."]),
    ("He got his Ph.D. He left.", ["He got his Ph.D. ", "He left."]),
    ("Хлеб, соль и т. д. Потом чай.", ["Хлеб, соль и т. д. ", "Потом чай."]),
    ("It was in May. 5 came.", ["It was in May. ", "5 came."]),
    ("Это было в 2020 г. Потом нет.", ["Это было в 2020 г. ", "Потом нет."]),
    ("So am I. You too.", ["So am I. ", "You too."]),
]


@pytest.mark.parametrize("text", ONE)
def test_an_abbreviation_an_ordinal_or_a_date_ends_no_clause(text: str) -> None:
    clauses = Clauses(made=9)  # behind the first ones, which may end at a comma
    made = [clause for letter in text for clause in clauses.feed(letter)]
    assert made + clauses.flush() == [text]


@pytest.mark.parametrize(("text", "clauses"), TWO)
def test_a_sentence_may_end_with_one(text: str, clauses: list[str]) -> None:
    cutting = Clauses(made=9)
    made = [clause for letter in text for clause in cutting.feed(letter)]
    assert made + cutting.flush() == clauses


def test_the_first_clause_waits_for_no_more_than_the_next_letter() -> None:
    clauses = Clauses()
    assert clauses.feed("Hello there! ") == []
    assert clauses.feed("H") == ["Hello there! "]
    assert clauses.feed("ow are things today, ") == []
    assert clauses.feed("Ann?") == []
    clauses = Clauses()
    assert clauses.feed("Well, to be honest, ") == []
    assert clauses.feed("I") == []  # it could be an initial
    assert clauses.feed(" like") == ["Well, to be honest, "]


def test_an_action_of_any_length_over_paragraphs_is_one_clause() -> None:
    action = "*She turns to the window.\n\n" + "Nobody says a word. " * 500 + "Then she sits.*"
    assert clauses_of([f"Hm. {action} Yes."]) == ["Hm. ", f"{action} ", "Yes."]
    assert [speakable(one) for one in clauses_of(list(f"{action} Yes."))] == ["", "Yes."]


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("**Really** _nice_, isn't it?", "Really nice, isn't it?"),
        ("*waves* Hello! *sits down*", "Hello!"),
        ("*waves*", ""),
        ("Look at [the site](https://x.org) now", "Look at the site now"),
        ("Try `make run` first", "Try make run first"),
        ("```\ncode = 1\n``` Done.", "Done."),
        ("# Title\n- one\n- two", "Title one two"),
        ("Nice 👍🏽 work 🎉!", "Nice work !"),
        ("<b>bold</b> https://www.example.org/page", "bold example.org"),
        ("5 * 3 is 15, 2 < 3", "5 times 3 is 15, 2 less than 3"),
        ("snake_case_name stays", "snake_case_name stays"),
        ("…", ""),
        ("I do *not* like it, *really*.", "I do not like it, really."),
        ("Well *sighs* that is so.", "Well that is so."),
        ("It is 20 °C &amp; dry.", "It is 20 °C & dry."),
        ("Ahoj 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇨🇿 1️⃣!", "Ahoj 1!"),
        ("| a | b |", "a, b."),
        ("~~no~~ yes", "no yes"),
        ("<https://x.org/y>", "x.org"),
        ("שלום עולם", "שלום עולם"),
    ],
)
def test_mark_up_emoji_and_stage_directions_are_not_read_out(shown: str, read: str) -> None:
    assert speakable(shown) == read


@given(TEXTS)
def test_what_is_read_out_is_clean_or_nothing(text: str) -> None:
    said = speakable(text)
    assert said == said.strip()
    assert not said or any(c.isalnum() for c in said)
    assert "*" not in said
    assert "`" not in said
