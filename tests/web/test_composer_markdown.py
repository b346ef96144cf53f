"""What the rich composer sends: Markdown that the server shows as it was written."""

from __future__ import annotations

from typing import Any

import pytest

from aichat.web.html.markdown import render
from support.page_scripts import Ask

Node = dict[str, Any]


def text(words: str, *marks: str | Node) -> Node:
    named = [{"type": mark} if isinstance(mark, str) else mark for mark in marks]
    return {"type": "text", "text": words, "marks": named}


def block(kind: str, *content: Node, **attrs: Any) -> Node:
    return {"type": kind, "attrs": attrs, "content": list(content)}


def doc(*blocks: Node) -> Node:
    return {"type": "doc", "content": list(blocks)}


RED: Node = {"type": "ink", "attrs": {"colour": "red"}}
LINK: Node = {"type": "link", "attrs": {"href": "https://example.com/"}}
BREAK: Node = {"type": "hardBreak"}
AT_END = text("!")


@pytest.mark.parametrize(
    ("written", "markdown", "html"),
    [
        (
            doc(block("paragraph", text("a "), text("b ", "bold"), text("c", "bold", "italic"))),
            "a **b *c***",
            "<strong>b <em>c</em></strong>",
        ),
        (
            doc(block("paragraph", text("so", "italic"), text(" it ", "bold", "italic"), AT_END)),
            "*so* ***it*** !",
            "<em>so</em> <em><strong>it</strong></em> !",
        ),
        (
            doc(block("paragraph", text("x", RED), text(" y", RED, "strike"))),
            None,
            '<span class="ink-red">x',
        ),
        (
            doc(block("heading", text("Title"), level=2, align="center")),
            "## Title {.center}",
            '<h2 class="align-center">Title</h2>',
        ),
        (
            doc(block("paragraph", text("one"), BREAK, text("two"))),
            "one\ntwo",
            "one<br>\ntwo",
        ),
        (
            doc(block("paragraph", text("see"), text(" "), text("here", LINK))),
            "see [here](https://example.com/)",
            'href="https://example.com/"',
        ),
        (
            doc(block("paragraph", text("https://example.com/", LINK))),
            "<https://example.com/>",
            'href="https://example.com/"',
        ),
        (
            doc(block("codeBlock", text("a = `b`\n```\nc"))),
            "````\na = `b`\n```\nc\n````",
            "<pre><code>a = `b`\n```\nc",
        ),
        (
            doc(block("blockquote", block("paragraph", text("q")), block("paragraph", text("r")))),
            "> q\n>\n> r",
            "<blockquote>",
        ),
        (
            doc(block("paragraph", text("a`b", "code"))),
            "``a`b``",
            "<code>a`b</code>",
        ),
    ],
)  # fmt: skip
def test_what_is_written_is_markdown_and_shown_again(
    ask: Ask, written: Node, markdown: str | None, html: str | None
) -> None:
    sent = ask({"doc": written})
    if markdown is not None:
        assert sent == markdown
    if html is not None:
        assert html in render(sent)


def test_lists_keep_their_depth(ask: Ask) -> None:
    inner = block("bulletList", block("listItem", block("paragraph", text("in"))))
    outer = block(
        "orderedList",
        block("listItem", block("paragraph", text("one")), inner),
        block("listItem", block("paragraph", text("two"))),
        start=3,
    )
    sent = ask({"doc": doc(outer)})
    assert sent == "3. one\n   - in\n4. two"
    assert render(sent).count("<li>") == 3


def test_a_name_is_written_as_the_resolver_reads_it(ask: Ask) -> None:
    mention = {"type": "mention", "attrs": {"id": "Mark Chen", "label": "Mark Chen"}}
    assert ask({"doc": doc(block("paragraph", mention, text(" hi")))}) == "@Mark Chen hi"
