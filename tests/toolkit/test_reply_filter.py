"""Of a model's text only the reply is shown: whatever its template, however the text is cut."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import ToolCall
from aichat.toolkit.model_output.pending_call import LONGEST_CALL
from aichat.toolkit.model_output.reply_filter import LONGEST_DOUBT, LONGEST_JSON, ReplyFilter
from aichat.toolkit.model_output.template_tokens import LONGEST
from aichat.toolkit.model_output.visible_text import LONGEST_WITHHELD, Withdrawn

OFFERED = ("clock", "dice")
DICE = [("dice", '{"dice": "2d6"}')]
CLOCK = [("clock", "{}")]

Read = tuple[str, list[tuple[str, str]], ReplyFilter]


def read(pieces: Iterable[str], offered: Collection[str] = OFFERED, waits: bool = False) -> Read:
    """Return what remains to be seen, the calls, and the reader."""
    text, said, calls = ReplyFilter("Olivia Barns", offered, waits), "", []
    out = [one for piece in pieces for one in text.feed(piece)]
    for one in [*out, *text.flush()]:
        if isinstance(one, Withdrawn):
            said = ""
        elif isinstance(one, ToolCall):
            calls.append((one.name, one.arguments))
        else:
            said += one
    return said, calls, text


def cut(text: str, length: int) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


HIDDEN = {
    "channels without tokens": "analysisThe user greets me.assistantfinalHello!",
    "numbered tokens": "<unused94>thought\nplan<unused95>Hello!",
    "as a page shows them": '<details type="reasoning" done="true">\n<summary>Thought</summary>\n'
    "> a\n</details>\nHello!",
    "in small brackets": "[thinking]plan[/thinking]Hello!",
    "around the reply": "<think>plan</think><response>Hello!</response>",
    "an answer in tags": "<answer>Hello!</answer>",
    "a header without tokens": "Hello!assistant\n\nHow are you?",
    "the user's header without tokens": "Hello!user\n\nAnd?",
    "a numbered header": "Hello!<extra_id_1>User\nAnd?",
    "an end in words": "Hello!<EOS_TOKEN>",
    "a tag": "<think>\nplan\n</think>\n\nHello!",
    "a longer tag": "<thinking>plan</thinking>\n\nHello!",
    "another tag": "<reasoning>plan</reasoning> Hello!",
    "with attributes": '<thought duration="3">plan</thought>Hello!',
    "in capitals": "<THINK>plan</Think>Hello!",
    "in brackets": "[THINK]plan[/THINK]Hello!",
    "in triangles": "◁think▷plan◁/think▷Hello!",
    "with a name space": "<seed:think>plan</seed:think>Hello!",
    "with bars": "<|START_THINKING|>plan<|END_THINKING|><|START_RESPONSE|>Hello!<|END_RESPONSE|>",
    "of two words": "<|begin_of_thought|>plan<|end_of_thought|>Hello!",
    "one in the other": "<thinking>a<reflection>b</reflection>c</thinking>Hello!",
    "closed by another": "<think>plan</thinking>Hello!",
    "with words of its own": "<inner_thoughts>plan</inner_thoughts><my-reasoning>b</my-reasoning>"
    "Hello!",
    "with spaces": "<think >plan</think\n>Hello!",
    "twice": "<think>a</think><think>b</think>Hello!",
    "opened twice": "<think>\n<think>a</think>Hello!",
    "channels": "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final"
    "<|message|>Hello!<|return|>",
    "channels of another kind": "<|channel>thought\nplan<channel|>Hello!<turn|>",
    "an end": "Hello!<|im_end|>",
    "another end": "Hello!<|eot_id|>",
    "a third end": "Hello!</s>",
    "a fourth end": "Hello!<end_of_turn>\n",
    "a full-width end": "Hello!<｜end▁of▁sentence｜>",
    "half an end": "Hello!<|im_e",
    "a beginning": "<s>[/INST] Hello!",
    "a header": "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>",
    "a header with the own name": "<|im_start|>Olivia\nHello!<|im_end|>",
    "the user's turn": "Hello!<|im_end|>\n<|im_start|>user\nHow?<|im_end|>\n"
    "<|im_start|>assistant\nSo.",
    "the user's turn in brackets": "Hello![INST] How? [/INST] So.",
    "the user's turn with a role": "Hello!<|user|>How?<|assistant|>So.",
    "the user's turn by its end": "Hello!<end_of_turn>\n<start_of_turn>user\nHow?",
    "another's turn": "Hello!<|im_end|>\n<|im_start|>Mark\nI disagree.",
    "words after the end": "Hello!<|endoftext|>The history of France began",
    "unknown tokens": "<|fim_prefix|>Hello!<|vision_pad|>",
    "an echo of the system": "<<SYS>>You are Olivia.<</SYS>>Hello!",
    "the answer of a tool": "<tool_response>{}</tool_response>Hello!",
    "spaces within tags": "< think >plan</ think >Hello!",
    "a space before the slash": "< think>plan< /think >Hello!",
    "escaped tags": "&lt;think&gt;plan&lt;/think&gt;Hello!",
    "wide tags": "＜think＞plan＜/think＞Hello!",
    "a backslash": "<think>plan<\\think>Hello!",
    "an escaped slash": "<think>plan<\\/think>Hello!",
    "a word that may be one of the reply": "<planning>plan</planning>Hello!",
    "brackets with a capital": "[Reasoning] plan [/Reasoning] Hello!",
    "brackets with spaces": "[ thinking ]plan[ /thinking ]Hello!",
    "a heading": "**Thinking:** plan here.\n\n**Answer:** Hello!",
    "a bold heading": "**Thought process**\nplan\n\n**Final Answer**\nHello!",
    "a heading in words": "Thought: plan.\nAnd so on.\nFinal Answer: Hello!",
    "a heading with dots": "Thinking...\nplan\n...done thinking.\n\nHello!",
    "a block of thoughts": "```thinking\nplan\n```\nHello!",
    "MiniMax's end": "Hello![e~[",
    "MiniMax's header": "]~!b[]~b]ai\nHello![e~[\n]~b]user\nHow?",
    "spaces within tokens": "<| im_start |>assistant\nHello!<| im_end |>",
    "words within tokens": "Hello!<|end of turn|>",
    "wide spaces within tokens": "<｜ Assistant ｜>Hello!<｜ end▁of▁sentence ｜>",
    "a slash before the bar": "Hello!</|im_end|>",
    "escaped tokens": "Hello!&lt;|im_end|&gt;",
    "tokens without bars": "<im_start>assistant\nHello!<im_end>",
    "ChatGLM's": "[gMASK]<sop>Hello!<eop>",
    "BERT's": "[BOS]Hello![EOS]",
    "tags of the own role": "<assistant>Hello!</assistant>",
    "a tag that switches thoughts off": "<no_think>Hello!",
    "headings with marks": "### Thinking\nplan\n\n### Answer\nHello!",
    "an echo of the prompt": "<|im_start|>system\nYou.<|im_end|>\n<|im_start|>assistant\nHello!",
    "an invented result": "<|start|>functions.clock to=assistant<|channel|>commentary<|message|>"
    "noon<|end|><|start|>assistant<|channel|>final<|message|>Hello!",
}


@pytest.mark.parametrize("length", [1, 2, 5, 7, 10_000])
@pytest.mark.parametrize("name", HIDDEN)
def test_only_the_reply_is_seen(name: str, length: int) -> None:
    said, calls, _ = read(cut(HIDDEN[name], length))
    assert (said, calls) == ("Hello!", [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hm. <think>plan</think>Hello!", "Hm. Hello!"),
        ("Hm.<think>plan</think>Hello!", "Hm. Hello!"),
        ("Hm. [THINK]never ends", "Hm. "),
        ("<think>never ends", ""),
        ("He <s>ran</s> walked.", "He ran walked."),
        (
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final"
            "<|message|>Here.",
            "I look. Here.",
        ),
    ],
)
def test_what_is_left_out_in_the_middle_leaves_no_trace(text: str, said: str) -> None:
    for length in (1, 3, 100):
        assert read(cut(text, length))[0] == said


UNCLOSED = [
    "[think] I am here for you.",
    "[think]",
    "[thinking] Well, <b>let</b> me `see` [analysis] you.",
    "<planning> is what I do all day. [think] of it.",
    "Hello. <planning> is what I do.",
    "Hello.\n[Reasoning] is my strength.",
    "Thinking: it is an art. Answer me!",
    "**Thinking:** it is an art.\nAnd so on.",
    "Thoughts?\nThinking...\nof you",
    "< think > or not.",
    "&lt;think&gt; or not.",
]


@pytest.mark.parametrize("end", ["", "<|im_end|>", "<|im_end|>\n<|im_start|>user\nAnd?"])
@pytest.mark.parametrize("text", UNCLOSED)
def test_what_may_be_words_and_is_never_closed_is_shown_when_the_reply_ends(
    text: str, end: str
) -> None:
    for length in (1, 2, 5, 1_000):
        assert read(cut(text + end, length))[:2] == (text, [])


def test_what_may_be_words_hides_no_more_than_thoughts_are_long() -> None:
    reader = ReplyFilter()
    assert reader.feed("[think] " + "a" * LONGEST_DOUBT) == ["[think] " + "a" * LONGEST_DOUBT]
    assert reader.feed(" <planning> it") == [" <planning> it"]


def test_what_is_no_word_hides_the_rest() -> None:
    for text in ("<think> a tag", "[THINK] a tag", "◁think▷ a tag", "<|thinking|> a tag"):
        said, _, reader = read(cut(text, 3))
        assert (said, reader.only_thought) == ("", True)


PLAIN = [
    "I use clock() to see the time, and dice (two of them) fell.",
    "clock(s) are nice.\nclock() is a function.\ndice (two of them)\ndice }",
    "Call `clock()` for it:\n```python\ndice(dice='2d6')\n```\nThat is it.",
    "```python\ndice(dice='2d6')\n```\nThat is how.",
    "```\nclock()\n```\nThat is <b>how</b>.",
    'Write {"name": "Bob"} and {"tool": "saw", "at": 3} into it, or [{"a": 1}].',
    "Action: run\nSo I ran. Action! The action: dice fell.\nAction: clocks",
    "functools is a module.\nfunctools[1] is none. to=functions is no",
    "{'a': 1} is a dict, {it's} not, {\"name\": 'x'}",
    "Observation: it rains.\nThought is free.",
    "Tool: hammer\nInput: nail\nFunction: dice\nIt rolls.",
    "[tool_use] of it, or [function_call] is",
    "<clock> is a tag, as <dice> is, and the <clock/> too.",
    "It has <dice>two</dice> tags.\n<clock> never ends",
    '{"type": "function", "function": {"name": "clock", "description": "a", "parameters": {}}}',
    "a ]~ b and [e~ c, R&D, &lt;b&gt; and &amp;, x < y > z, <| f |>, < /b >, <\\b>.",
    "Use the <think> tag, or <thinking>, and close it with </think>, as I said.",
    "I wrote </think> in a text. The <analysis> section is the <answer> to it.",
    "<details><summary>More</summary>words</details> after it.",
    "An assistant, a user.\nuser: me. Analysis of it all: analysis is an art.",
    "analysis and assistantfinal are words? [note] [dance] and [clock] as well.",
    "I <3 you; a < b, x<y and 5 > 3. [sic] I think so, [laughs] <- and ->, ◁ and ▷.",
    "<b>Bold</b> and <reason for leaving> and <i>so</i> on. <thin",
    "A [link](https://example.org) and a list: [1, 2]. {braces} too.",
    '{"temperature": 3}',
    '{"name": "Bob", "age": 3}\nThat is Bob.',
    '```json\n{"a": [1, 2]}\n```\nThat is all.',
    "Use the `<think>` tag, or `</s>`.",
    "```\n<think>x</think> <|im_end|> [INST]\n```\nIt thinks.",
    "The planning of it all: analysis, reflection, thought.",
    "He said: function clock(), and the tools.",
    "A pipe: x <| f |> g, and <unknown>tags</unknown>, and <a_long_name_of_a_tag>.",
    "Ends with <",
    "Ends with </",
]


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_comes_through_unharmed(text: str) -> None:
    for length in (1, 2, 5, 1_000):
        assert read(cut(text, length))[:2] == (text, [])


SENTENCES = st.lists(st.sampled_from([*PLAIN[:3], "Well.", "`x`", "\n", " ", "[", "<", "{"]))


@given(SENTENCES.map("".join), st.integers(1, 30))
def test_ordinary_text_is_whole_wherever_it_is_cut(text: str, length: int) -> None:
    assert read(cut(text, length))[0] == text.lstrip()


TOKENS = [
    *("analysis", "assistantfinal", "The", "assistant", "user\n", "<response>", "</response>", "a"),
    *('<details type="reasoning">', "</details>", "<unused95>", "Use the <think> tag", " in a"),
    *("]~b]", "ai\n", "[e~[", "< think >", "&lt;think&gt;", "<\\think>", "<| im_end |>", "[think]"),
    *("<planning>", "**Thinking:** ", "\n**Answer:** ", "Action: dice\n", "Action Input: ", "'"),
    *("clock()", "dice(", 'dice="2d6")', "functools[", "{'name': 'clock', 'arguments': {}}", "]"),
    *("to=functions.dice json", '{"dice": "2d6"}', "\nObservation:", "```thinking\n", "print("),
    *("<dice>", "</dice>", "<clock/>", "<clock>"),
    *("[dice(", 'dice="2d6")]', "```tool_code\n", "clock()", "<｜DSML｜function_calls>", "<0x0A>"),
    *("<think>", "</think>", "[THINK]", "[/THINK]", "<|im_end|>", "<|im_start|>user\n", "</s>"),
    *("<|channel|>analysis<|message|>", "<tool_call>", "</tool_call>", '{"name": "clock", "arg'),
    *('uments": {}}', "```json\n", "```", "`", "Hello. ", "\n", "[TOOL_CALLS]", "<function=dice>"),
]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join), st.integers(1, 9))
def test_how_a_text_is_cut_makes_no_difference(text: str, length: int) -> None:
    assert read(cut(text, length))[:2] == read([text])[:2]


# -- thoughts without a tag in front -----------------------------------------------------------


def test_a_closing_tag_alone_takes_back_what_came_before() -> None:
    said, _, text = read(["They greet me. ", "I am brief.\n</think>", "\n\nHello!"])
    assert (said, text.shown.thought_aloud) == ("Hello!", True)


def test_thoughts_that_speak_of_the_user_are_never_seen() -> None:
    text = ReplyFilter()
    assert text.feed("Okay, the user greets me. ") == []
    assert text.feed("I should be brief.\n</think>\n\n") == []
    assert text.feed("Hello!") == ["Hello!"]


def test_a_reply_that_only_begins_like_thoughts_is_seen_at_its_end() -> None:
    said, _, text = read(["So, the user manual ", "is on the shelf."])
    assert said == "So, the user manual is on the shelf."
    assert not text.shown.thought_aloud


def test_a_model_that_thinks_aloud_is_waited_for() -> None:
    text = ReplyFilter(waits=True)
    assert text.feed("They greet me.") == []
    assert [*text.feed("</think>Hel"), *text.feed("lo!")] == ["Hel", "lo!"]
    said, _, text = read(["Hello!"], waits=True)
    assert (said, text.shown.waited_in_vain) == ("Hello!", True)
    assert read(["a" * (LONGEST_WITHHELD + 1)], waits=True)[0] == "a" * (LONGEST_WITHHELD + 1)


def test_a_closing_tag_in_front_of_all_is_nothing_to_take_back() -> None:
    said, _, text = read(["</think>\n\nHello!"])
    assert (said, text.shown.thought_aloud) == ("Hello!", False)


@pytest.mark.parametrize("first", ["Well", "Okay", "The", "So", "I", "We", "Hm", "{", "Let's see"])
def test_the_first_word_of_a_reply_is_not_held_back(first: str) -> None:
    seen = "".join(map(str, ReplyFilter().feed(f"{first}, ")))
    assert seen == f"{first}, "


@given(st.text("ab ,.<>[]{}`/|tihnk\n", max_size=300))
def test_never_more_than_a_token_is_held_back(text: str) -> None:
    reader = ReplyFilter()
    for letter in text:
        reader.feed(letter)
        assert len(reader.held) <= LONGEST


# -- calls as text -----------------------------------------------------------------------------

CALLS = {
    "Python between tokens": ("<|tool_call_start|>[clock()]<|tool_call_end|>", CLOCK),
    "Python in a block": ("```tool_code\nprint(default_api.clock())\n```", CLOCK),
    "Python behind a token": ('<|python_tag|>dice.call(dice="2d6")', DICE),
    "with names of its own": ('<|tool_call>call:dice{dice:<|"|>2d6<|"|>}<tool_call|>', DICE),
    "with marks of its own": (
        "<start_function_call>call:dice{dice:<escape>2d6<escape>}<end_function_call>",
        DICE,
    ),
    "in a dialect": (
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="dice">\n<｜DSML｜parameter name="dice" '
        'string="true">2d6</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
        DICE,
    ),
    "an action": ('{"action": "clock", "action_input": {}}', CLOCK),
    "tags": ('<tool_call>\n{"name": "clock", "arguments": {}}\n</tool_call>', CLOCK),
    "no end": ('<tool_call>\n{"name": "clock", "arguments": {}}', CLOCK),
    "a name alone": ("<tool_call>clock</tool_call>", CLOCK),
    "text as arguments": (
        '<function_call>{"name": "dice", "arguments": "{\\"dice\\": \\"2d6\\"}"}</function_call>',
        [("dice", '{"dice": "2d6"}')],
    ),
    "bare": ('{"name": "clock", "arguments": {}}', CLOCK),
    "bare, nested": ('{"type": "function", "function": {"name": "clock", "arguments": {}}}', CLOCK),
    "bare, several": (
        '[{"name": "clock", "arguments": {}}, {"name": "dice", "parameters": {"dice": "2d6"}}]',
        [*CLOCK, *DICE],
    ),
    "a block": ('```json\n{"name": "clock", "arguments": {}}\n```', CLOCK),
    "Mistral": ('[TOOL_CALLS] [{"name": "clock", "arguments": {}}]', CLOCK),
    "Mistral, newer": ('[TOOL_CALLS]dice[ARGS]{"dice": "2d6"}', DICE),
    "Llama": ('<|python_tag|>{"name": "dice", "parameters": {"dice": "2d6"}}<|eom_id|>', DICE),
    "Llama, tags": ('<function=dice>{"dice": "2d6"}</function>', DICE),
    "Qwen": (
        "<tool_call>\n<function=dice>\n<parameter=dice>\n2d6\n</parameter>\n</function>\n"
        "</tool_call>",
        DICE,
    ),
    "GLM": (
        "<tool_call>dice\n<arg_key>dice</arg_key>\n<arg_value>2d6</arg_value>\n</tool_call>",
        DICE,
    ),
    "invoke": (
        '<function_calls>\n<invoke name="dice">\n<parameter name="dice">2d6</parameter>\n'
        "</invoke>\n</function_calls>",
        DICE,
    ),
    "Kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.dice:0"
        '<|tool_call_argument_begin|>{"dice": "2d6"}<|tool_call_end|><|tool_calls_section_end|>',
        DICE,
    ),
    "DeepSeek": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>dice\n```json\n"
        '{"dice": "2d6"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>',
        DICE,
    ),
    "harmony": (
        "<|channel|>commentary to=functions.dice <|constrain|>json<|message|>"
        '{"dice": "2d6"}<|call|>',
        DICE,
    ),
}


CALLS |= {
    "functools": ('functools[{"name": "dice", "arguments": {"dice": "2d6"}}]', DICE),
    "single quotes": ("{'name': 'dice', 'arguments': {'dice': '2d6'}}", DICE),
    "several in single quotes": ("[{'name': 'clock', 'arguments': {}}]", CLOCK),
    "single quotes between tags": (
        "<tool_call>\n{'name': 'dice', 'arguments': {'dice': '2d6'}}\n</tool_call>",
        DICE,
    ),
    "a comma too many": ('{"name": "dice", "arguments": {"dice": "2d6",},}', DICE),
    "with another key for its arguments": (
        '{"tool_name": "dice", "tool_args": {"dice": "2d6"}}',
        DICE,
    ),
    "within another object": ('{"function_call": {"name": "clock", "arguments": {}}}', CLOCK),
    "without arguments": ('{"call": "clock", "arguments": null}', CLOCK),
    "curly quotes": ("{“name”: “clock”, “arguments”: {}}", CLOCK),
    "keys without quotes": ('{name: "dice", arguments: {dice: "2d6"}}', DICE),
    "with separators": (
        '{"name": "clock", "arguments": {}};{"name": "dice", "arguments": {"dice": "2d6"}}',
        CLOCK + DICE,
    ),
    "Qwen's words": ('✿FUNCTION✿: dice\n✿ARGS✿: {"dice": "2d6"}\n', DICE),
    "a tag with attributes": ('<tool_call name="dice">{"dice": "2d6"}</tool_call>', DICE),
    "a tag without an end": ('<function=dice{"dice": "2d6"}</function>', DICE),
    "LM Studio": (
        '[TOOL_REQUEST]{"name": "clock", "arguments": {}}[END_TOOL_REQUEST]',
        CLOCK,
    ),
    "brackets": ('[tool_call]{"name": "clock", "arguments": {}}[/tool_call]', CLOCK),
    "a name, a colon": ('<tool_call>\ndice: {"dice": "2d6"}\n</tool_call>', DICE),
    "a block of another name": (
        '```function_call\n{"name": "clock", "arguments": {}}\n```',
        CLOCK,
    ),
    "ReAct": ('Action: dice\nAction Input: {"dice": "2d6"}\nObservation: 7\nSo 7.', DICE),
    "ReAct with thoughts": ('Thought: I roll.\nAction: dice\nAction Input: {"dice": "2d6"}', DICE),
    "ReAct in bold": ('**Action:** dice\n**Action Input:** {"dice": "2d6"}\n', DICE),
    "ReAct without arguments": ("Action: clock\nAction Input: None\n", CLOCK),
    "ReAct with a value": ("Action: dice\nAction Input: 2d6", [("dice", '{"input": "2d6"}')]),
    "ReAct in JSON": (
        'Action:\n```json\n{"action": "dice", "action_input": {"dice": "2d6"}}\n```',
        DICE,
    ),
    "tags with names": (
        "<tool_use><name>dice</name><arguments>{'dice': '2d6'}</arguments></tool_use>",
        DICE,
    ),
    "a tag of another name": ('<tool name="dice">{"dice": "2d6"}</tool>', DICE),
    "what is left of harmony": ('to=functions.dice json\n{"dice": "2d6"}', DICE),
    "more of what is left": ('commentary to=functions.dice code{"dice": "2d6"}', DICE),
}
NAMED = {
    "alone": ("clock()", CLOCK),
    "with arguments": ('dice(dice="2d6")', DICE),
    "over lines": ('dice(\n  dice="2d6"\n)', DICE),
    "with an object": ('dice({"dice": "2d6"})', DICE),
    "printed": ('print(default_api.dice(dice="2d6"))', DICE),
    "waited for": ("await functions.clock();", CLOCK),
    "two": ("clock()\n\ndice(dice='2d6')", CLOCK + DICE),
    "in backticks": ("`clock()`", CLOCK),
    "in a block": ("```python\nclock()\ndice(dice='2d6')\n```", CLOCK + DICE),
    "in a block with an end": ("```\nclock()\n```<|im_end|>", CLOCK),
    "in JSON without arguments": ('{"name": "clock"}', CLOCK),
    "in JSON by the key": ('{"dice": {"dice": "2d6"}}', DICE),
    "before JSON": ('dice{"dice": "2d6"}', DICE),
    "above JSON": ('dice\n{"dice": "2d6"}', DICE),
    "an element": ('<dice>{"dice": "2d6"}</dice>', DICE),
    "an element with elements": (
        "<dice>\n<sides>6</sides>\n<times>a b</times>\n</dice>",
        [("dice", '{"sides": 6, "times": "a b"}')],
    ),
    "an element with text": ("<dice>2d6</dice>", [("dice", '{"input": "2d6"}')]),
    "an empty element": ("<clock/>", CLOCK),
    "an empty element in two tags": ("<clock></clock>", CLOCK),
    "with a number": ("functions.clock:0 {}", CLOCK),
    "with a full stop": ('dice(dice="2d6").', DICE),
    "as an action in brackets": ("Action: dice[2d6]", [("dice", '{"input": "2d6"}')]),
    "as an action in empty brackets": ("Action: clock[]", CLOCK),
    "with other labels": ('Tool: dice\nArguments: {"dice": "2d6"}', DICE),
    "as an action": ("Action: clock", CLOCK),
    "as an action in Python": ("Action: dice(dice='2d6')", DICE),
}


@pytest.mark.parametrize("length", [1, 4, 10_000])
@pytest.mark.parametrize("name", NAMED)
def test_what_names_a_tool_on_a_line_of_its_own_is_a_call_if_it_is_offered(
    name: str, length: int
) -> None:
    text, wanted = NAMED[name]
    said, calls, _ = read(cut(text, length))
    assert (said.strip(), calls) == ("", wanted)
    assert read(cut(text, length), offered=())[1] == []
    if "`" not in text:  # in a block of code behind words it is text
        said, calls, _ = read(cut(f"Let me see.\n{text}\nSo.", length))
        assert (said.split(), calls) == (["Let", "me", "see.", "So."], wanted)


@pytest.mark.parametrize("length", [1, 4, 10_000])
def test_a_call_in_json_may_stand_behind_words_of_its_line(length: int) -> None:
    text = """Sure! {"name": "dice", 'arguments': {"dice": "2d6"}} One moment. {"name": "clock"}"""
    assert read(cut(text, length))[:2] == ("Sure!  One moment. ", DICE + CLOCK)


def test_arguments_without_a_name_are_given_by_their_place() -> None:
    offered = {"dice": ["dice", "times"]}
    for text in ("dice('2d6')", "Action: dice\nAction Input: 2d6", 'dice(dice="2d6")'):
        assert read([text], offered)[:2] == ("", DICE)
    assert read(["dice('2d6', 3)"], offered)[1] == [("dice", '{"dice": "2d6", "times": 3}')]
    assert read(["dice('2d6', 3, 4)"], offered)[:2] == ("dice('2d6', 3, 4)", [])


@pytest.mark.parametrize("length", [1, 4, 10_000])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_written_as_text_is_a_call(name: str, length: int) -> None:
    text, wanted = CALLS[name]
    assert read(cut(text, length))[:2] == ("", wanted)
    assert read(cut(text, length), offered=())[:2] == ("", []), "what was not offered is left out"


@pytest.mark.parametrize("length", [1, 4, 10_000])
def test_a_call_in_python_on_a_line_of_its_own_is_one_if_the_tool_is_offered(length: int) -> None:
    text = 'Let me see.\n[clock(), dice(dice="2d6")]'
    assert read(cut(text, length))[:2] == ("Let me see.\n", [*CLOCK, *DICE])
    assert read(cut(text, length), offered=())[:2] == (text, [])
    for other in ("[clock(s)]", "[clock(1)] ticks", "[clock(a={1, 2}, b=b'x')", "[clock(*x)] no"):
        assert read(cut(other, length), offered=("dice",))[:2] == (other, [])
        assert [name for name, _ in read(cut(other, length))[1]] in ([], ["clock"])


def test_a_call_may_follow_words() -> None:
    said, calls, _ = read(['Let me look.\n```json\n{"name": "clock", "arguments": {}}\n```\nSo.'])
    assert (said.split(), calls) == (["Let", "me", "look.", "So."], CLOCK)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "clock", "arguments": {"a": "',
        "<tool_call>" + "x" * (LONGEST_CALL + 1) + "</tool_call>",
    ],
)
def test_what_is_no_whole_call_is_left_out(text: str) -> None:
    assert read([text])[:2] == ("", [])


def test_json_that_never_ends_is_text() -> None:
    text = '{"name": "' + "x" * LONGEST_JSON
    assert read([text])[0] == text


def test_calls_have_ids_of_their_own() -> None:
    one, two = [ReplyFilter("", OFFERED).feed(CALLS["tags"][0])[0] for _ in range(2)]
    assert isinstance(one, ToolCall)
    assert isinstance(two, ToolCall)
    assert one.id != two.id
    assert len(one.id) == 9
    assert one.id.isalnum()


# -- time --------------------------------------------------------------------------------------


def steps(work: Callable[[], object]) -> int:
    """Count the calls that *work* makes, ours and those of the interpreter."""
    count = 0

    def profile(*_: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "alphabet",
    [
        *("<", "[", " ", "`", "{", "\n{", "<a ", "</", "<|", "◁", "<think>", "</think>", "a"),
        *('{"name":', '{"name": "', "[TOOL_CALLS]", "<|im_start|>", "<|channel|>x", "<tool_call>"),
        *("```\n", "```json\n{", '\\"', "`a", "okay, ", "<think a=b", "[inst"),
        *("analysis", "analysisA", "!assistan", "!user", "[dice(", "\n[dice(", "```tool_code\n"),
        *(
            "]~b]",
            "[e~[",
            "< think >",
            "&lt;",
            "&lt;think&gt;",
            "<\\",
            "<| im",
            "[think]",
            "\n[think]",
        ),
        *("<planning>", "**Thinking:** ", "\n**Answer:** ", "\nAction: dice", "\nAction: "),
        *("\nclock()", "\ndice(", "\ndice('", "\nfunctools[", "{'name': '", "\nto=functions.dice "),
        *("Action: dice\nAction Input: {", "```thinking\n", "\n", "\n ", "\nThinking", "&"),
        *('{"a":', "{a:", "\n✿FUNCTION✿: dice", "\nTool: dice\nInput: {", "[tool_call]", "clock:0"),
        *("<dice>", "\n<dice>", "<clock/>", "\n<clock /"),
        *("<function=dice{", "\nAction: dice[", "},", "# Thinking\n"),
        *("`clock()`", "```\nclock()\n", "clock\n", "print(", "x\n"),
        *("<｜DSML｜", "<0x", "</think> ", "x <think> ", "[/think", "<details>"),
    ],
)
def test_every_letter_costs_the_same(alphabet: str) -> None:
    """Each step looks at no more than a token, so that their number tells the work."""
    for one_by_one in (True, False):
        costs = []
        for length in (1_000, 8_000):
            text = (alphabet * length)[:length]
            pieces = list(text) if one_by_one else [text]
            costs.append(steps(lambda pieces=pieces: read(pieces)) / length)
        assert all(after < 1.5 * before + 1 for before, after in pairwise(costs))
