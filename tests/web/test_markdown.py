"""Markdown as the page shows it, and where its words are."""

from __future__ import annotations

import re

import pytest

from aichat.web.html.markdown import LONGEST, MOST_MARKS, render, start_of_word


def test_code_gets_the_classes_of_its_parts() -> None:
    shown = str(render("```python\ndef f(): return 1\n```"))
    assert '<span class="k">def</span>' in shown
    assert "style=" not in shown


@pytest.mark.parametrize("language", ["", "nonsense", "<script>", "python onload=alert(1)"])
def test_code_of_an_unknown_language_is_shown_as_it_is(language: str) -> None:
    shown = str(render(f"```{language}\n<b>x</b>\n```"))
    assert "<b>" not in shown
    assert "x" in shown
    assert "<script" not in shown
    assert "onload=" not in shown.replace("&quot;", "")


TEXT = "Well, **this** is [a link](https://example.org/x), a `code` &amp; done."


@pytest.mark.parametrize(
    ("number", "rest"),
    [
        (0, "Well"),
        (1, "this**"),
        (2, "is ["),
        (3, "a link"),
        (4, "link]"),
        (5, "a `"),
        (6, "code`"),
    ],
)  # fmt: skip
def test_a_word_is_found_behind_its_mark_up(number: int, rest: str) -> None:
    assert TEXT[start_of_word(TEXT, number) :].startswith(rest)


def test_a_word_that_is_not_there_is_behind_the_last() -> None:
    assert start_of_word("One two.", 9) == 7
    assert start_of_word("", 1) == 0


@pytest.mark.parametrize("mark", ["[", "![", "**a", "<a ", "`a", "\n\nb"])
def test_a_text_of_too_many_marks_is_shown_as_it_stands(mark: str) -> None:
    text = f"**bold** <b> {mark * (MOST_MARKS + 1)}"
    html = render(text)
    assert html.startswith("<p>**bold** &lt;b&gt; ")
    assert "<strong>" not in html


def test_so_is_one_that_is_too_long() -> None:
    assert render("word " * (LONGEST // 5) + "**bold**").endswith("**bold**</p>\n")
    assert render("word " * 10_000 + "**bold**").endswith("<strong>bold</strong></p>\n")


def test_marks_in_code_do_not_count() -> None:
    code = "a[b] = *c * d_e_f\n" * 500
    assert "<strong>bold</strong>" in render(f"**bold**\n\n```\n{code}```\n\n~~~\n{code}~~~\n")


def test_a_word_is_found_behind_an_address_and_not_within_another() -> None:
    text = f"one [twofold](https://example.org/{'x' * 500}) two three"
    assert start_of_word(text, 2) == text.index(" two") + 1
    assert start_of_word(text, 3) == text.index("three")


@pytest.mark.parametrize(
    "text",
    [
        "[a page](https://example.org/a?b=c)",
        "<https://example.org>",
        "[here](/voices)",
        "[below](#log)",
        "[to us](mailto:a@example.org)",
        "![a picture](https://example.org/a.png)",
        '[titled](https://example.org "a title")',
    ],
)
def test_a_link_opens_outside_of_the_call(text: str) -> None:
    [link] = re.findall("<a [^>]*>", render(text))
    assert 'target="_blank"' in link
    rel = re.search('rel="([^"]*)"', link)
    assert rel
    assert {"noopener", "noreferrer"} <= set(rel[1].split())


def test_nobody_else_says_where_a_link_opens() -> None:
    assert "<a" not in render('<a href="https://x.org" target="_top">x</a>')
