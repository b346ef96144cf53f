"""Markdown as the page shows it, and where its words are."""

from __future__ import annotations

import re

import pytest

from aichat.web.markdown import render, start_of_word


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
