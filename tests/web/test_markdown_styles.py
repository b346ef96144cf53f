"""Colour, place and pictures in Markdown: what the composer writes is shown, and nothing else."""

from __future__ import annotations

import pytest

from aichat.web.html.markdown import render


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[warm *and* near]{.red}", '<span class="ink-red">warm <em>and</em> near</span>'),
        ("**[a]{.teal}**", '<strong><span class="ink-teal">a</span></strong>'),
        ("in the middle {.center}", '<p class="align-center">in the middle</p>'),
        ("## Over there {.right}", '<h2 class="align-right">Over there</h2>'),
        ("~~gone~~", "<s>gone</s>"),
        ("![Mark's shop](/images/0a1b2c)", '<img src="/images/0a1b2c" alt="Mark\'s shop">'),
    ],
)
def test_what_the_composer_writes_is_shown(text: str, html: str) -> None:
    assert html in render(text)


@pytest.mark.parametrize(
    "text",
    [
        "[x]{.red onclick=alert(1)}",
        "[x]{.ink}",
        "x {.fixed}",
        "<span style='position:fixed'>x</span>",
        '[x]{.red" onload="alert(1)}',
    ],
)
def test_no_other_class_or_tag_gets_in(text: str) -> None:
    shown = render(text)
    assert "class=" not in shown
    assert "<span" not in shown


def test_a_picture_from_elsewhere_is_a_link() -> None:
    shown = render("![a cat](https://example.com/cat.png) and ![](https://example.com/b.png)")
    assert "<img" not in shown
    assert 'href="https://example.com/cat.png"' in shown
    assert ">a cat</a>" in shown
    assert ">https://example.com/b.png</a>" in shown


@pytest.mark.parametrize(
    "source", ["javascript:alert(1)", "data:image/svg+xml,x", "//example.com/x", "/images/../api"]
)
def test_no_picture_leads_astray(source: str) -> None:
    shown = render(f"![x]({source})")
    assert "<img" not in shown
    assert "javascript:" not in shown.partition("href=")[2]
