"""Tokens of chat templates that may appear in a model's text, and their meanings.

Tags around reasoning and tool calls, the control tokens of chat templates, and the headers in which
a template names the role of a turn. Each family of models has its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from attrs import frozen

THOUGHTS = frozenset(
    {"think", "thinks", "thinking", "thought", "thoughts", "thinking_process", "antthinking"}
    | {"reason", "reasons", "reasoning", "reflect", "reflecting", "reflection", "reflections"}
    | {"analysis", "analyzing", "analysing", "scratchpad", "cot", "chain_of_thought", "planning"}
    | {"scratch_pad", "thought_process"}
    | {"inner_thoughts", "inner_monologue", "internal_monologue", "deliberation", "pondering"}
)
"""Names of tags around reasoning."""
WORDS_TOO = frozenset(
    {"thinks", "reason", "reasons", "reflect", "reflecting", "reflections", "analysis"}
    | {"analyzing", "analysing", "planning", "deliberation", "pondering"}
)
"""Those that may be no tag but a word of the reply between angle brackets."""
RESULTS = frozenset(
    {"tool_response", "tool_responses", "tool_result", "tool_results", "tool_output"}
    | {"tool_outputs", "function_results", "function_response", "available_tools"}
)
"""Names of tags around results and lists of tools; hidden like reasoning."""
CALLS = frozenset(
    {"tool_call", "tool_calls", "toolcall", "toolcalls", "function_call", "function_calls"}
    | {"functioncall", "tool_code", "tool_use", "function", "invoke", "tool"}
)
TURN_ENDS = frozenset(
    {"im_end", "eot_id", "eot", "eom_id", "eom", "end", "return", "call", "endoftext", "eos"}
    | {"end_of_text", "end_of_turn", "end_of_sentence", "end_of_utterance", "eos_token", "turn_end"}
    | {"end_turn", "end_of_message", "im_endoftext", "e_o_s", "endofturn", "endofprompt"}
)
HEADERS = frozenset(
    {"im_start", "start", "start_header_id", "start_of_role", "header_start", "start_of_turn"}
    | {"turn", "channel", "turn_start"}
)
TAGS_OF_TURNS = frozenset(
    {"im_start", "im_end", "im_sep", "eot_id", "eom_id", "endoftext", "end_of_text"}
    | {"start_header_id", "end_header_id", "end_of_sentence", "end_of_message"}
)
"""Control tokens that models also write as tags, without bars."""
HEADER_ENDS = frozenset(
    {"message", "end_header_id", "end_of_role", "header_end", "im_sep", "im_middle", "content"}
)
OWN_ROLES = frozenset({"assistant", "model", "bot", "chatbot", "ai", "gpt", "assistant_token"})
OTHER_ROLES = frozenset(
    {"user", "human", "system", "developer", "tool", "observation", "function", "ipython"}
)
DROPPED = frozenset({"bos", "pad", "unk", "mask", "sep", "cls", "sop", "eop", "tools"})
DROPPED |= {"begin_of_text", "begin_of_sentence", "assistant", "no_think", "no_thinking"}
"""Tags that are left out, and nothing with them."""
WRAPPERS = frozenset({"answer", "final_answer", "response", "final_response", "output", "final"})
"""Tags around a whole reply, left out where it begins and ends; elsewhere they are text."""
BRACKETS = {
    "INST": "turn",
    "THINK": "thoughts",
    "THINKING": "thoughts",
    "REASONING": "thoughts",
    "SYSTEM_PROMPT": "hidden",
    "AVAILABLE_TOOLS": "hidden",
    "TOOL_RESULTS": "hidden",
    "TOOL_CONTENT": "hidden",
    "TOOL_CALLS": "call",
    "ARGS": "dropped",
    "CALL_ID": "dropped",
    "PREFIX": "dropped",
    "SUFFIX": "dropped",
    "MIDDLE": "dropped",
    "TOOL_REQUEST": "call",
    "END_TOOL_REQUEST": "call",
    "BOS": "dropped",
    "EOS": "end",
    "PAD": "dropped",
    "gMASK": "dropped",
    "sMASK": "dropped",
}
"""Mistral's and ChatGLM's; in small letters such a word may be a stage direction."""
TAGS = THOUGHTS | RESULTS | CALLS | DROPPED | WRAPPERS | {"s", "details"}
TAGS |= {"start_function_call", "end_function_call"}
TAGS |= TAGS_OF_TURNS
TAGS |= {"start_of_turn", "end_of_turn", "eos", "eos_token", "end_of_utterance", "eot"}
NUMBERED = re.compile(r"(unused|reserved|extra_id|special)_?(\d{1,4})|0x[0-9a-f]{2}")
"""Tokens without a meaning of their own, and bytes that no server has put together; Gemma's 94 and
95 stand around thoughts, and Nemotron's 1 before whose turn it is."""
WORD_END = re.compile(r"[_.-]")

LONGEST = 240
"""Letters of the longest token; what has not ended by then is none."""


def _beginning_of(word: str) -> str:
    """Return a pattern for *word* in front of a line's end, or what may become it."""
    return (
        word[0]
        + "".join(f"(?:{letter}" for letter in word[1:])
        + r"(?=\n|\Z)"
        + r"|\Z)" * (len(word) - 1)
    )


LEFT = "|".join(map(_beginning_of, ("assistant", "user")))
BARE = re.compile(LEFT)
"""What is left of a header whose tokens a server has taken out: "Bye!assistant"."""
GLUED = ".!?…\"”'’*)]}。！？"
"""Behind one of these no word follows without a space."""


def _glued(word: str) -> str:
    """Return a pattern for *word* at the beginning of a text, or behind the end of a sentence."""
    return rf"{word[0]}(?<![^{re.escape(GLUED)}]{word[0]})(?={_beginning_of(word)[1:]})"


ANGLE = r"(?=\ ?(?:[|｜/\\0A-Za-z_]|\Z)|<[/S]|<?\Z)"
TRIGGER = re.compile(
    rf"<{ANGLE}|＜{ANGLE}|&(?=l(?:t(?:;|\Z)|\Z)|\Z)|\[(?=[/A-Za-z_\s{{]|\Z)|\](?=~|\Z)"
    r"|◁(?=[/A-Za-z]|\Z)|`(?<!``)|\{(?=[\s\"'“A-Za-z_]|\Z)|\n(?=[ \t]{0,8}[A-Za-z_*#.✿])"
    rf"|{_glued('assistant')}|{_glued('user')}"
)
"""Where a token, a call or a line may begin. Each alternative begins with one letter, so that the
others are skipped fast."""
TOKEN = re.compile(
    r"""
      (?:<|＜|&lt;)/?[|｜](?P<control>\ ?[^<>＞&|｜\s]{1,64}(?:\ [^<>＞&|｜\s]{1,64}){0,3}\ ?)
        [|｜]?(?:>|＞|&gt;)
    | <(?P<tail>[A-Za-z_]{1,40})[|｜]>
    | (?P<glued><function=[\w.-]{1,64})(?=\ ?\{)
    | (?P<left>(?:<|＜|&lt;)\ ?)(?P<tag_closes>[/\\]{0,2})(?P<space>\ ?)(?:[|｜]DSML[|｜])?
        (?P<tag>[A-Za-z_0][\w.:-]{0,40})(?P<more>[\s=/][^<>＞]{0,160}?)?(?:>|＞|&gt;)
    | <<(?P<sys_closes>/?)(?P<sys>SYS)>>
    | \[\ ?(?P<bracket_closes>/?)\ ?(?P<bracket>[A-Za-z_]{3,24})\ ?\]
    | ◁(?P<kimi_closes>/?)(?P<kimi>[A-Za-z_]{2,24})▷
    | (?P<minimax>\]~!b\[|\]~b\]|\[e~\[)
    """,
    re.VERBOSE,
)
BEGUN = re.compile(
    r"""
      (?:<|＜|&lt;)/?[|｜]\ ?[^<>＞&|｜\s]{0,64}(?:\ [^<>＞&|｜\s]{0,64}){0,3}[|｜]?(?:&g?t?)?
    | (?P<left>(?:<|＜|&lt;)\ ?)[/\\]{0,2}(?P<space>\ ?)(?:[|｜](?:D(?:S(?:M(?:L)?)?)?)?|
        (?:[|｜]DSML[|｜])?
        (?:(?P<tag>[A-Za-z_0][\w.:-]{0,40})(?P<more>[\s=/|｜][^<>＞]{0,160})?(?:&g?t?)?)?)
    | &(?:l(?:t)?)?
    | <</?S?Y?S?>?
    | \[\ ?/?\ ?(?P<bracket>[A-Za-z_]{0,24})\ ?
    | ◁/?[A-Za-z_]{0,24}
    """,
    re.VERBOSE,
)
MINIMAX = {"]~!b[": "dropped", "]~b]": "header", "[e~[": "end"}
"""MiniMax's tokens, which have brackets of their own."""
NAMED = re.compile(
    r"\s?[,.;:!?)\]\"'”’»…]|[ \t](?:tags?|tokens?|elements?|blocks?|sections?|markers?|and|or|is"
    r"|are|in|means|to|around|with|at)\b"
)
"""What follows a tag that is spoken of: "the <think> tag"."""
MAYBE_NAMED = re.compile(r"\s?|[ \t][a-z]{0,8}")
BARE_THOUGHTS, BARE_ANSWER = "analysis", "assistantfinal"
"""What is left around thoughts of gpt-oss when a server takes the tokens out."""
ATTRIBUTES = re.compile(r"(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=]+))*\s*/?")


@frozen
class Mark:
    """The meaning of a token.

    *kind*: ``thoughts``, ``hidden`` or ``call`` (begins, or *closes*), ``end`` (of a turn),
    ``header`` (begins), ``header_end``, ``role`` (whose turn it is), ``strike``, ``wrapper`` (of a
    whole reply) or ``dropped``. *is_doubtful*: it may be no token but words of the reply.
    """

    kind: str
    name: str = ""
    closes: bool = False
    is_doubtful: bool = False


def mark_of(token: re.Match[str]) -> Mark | None:
    """Return the meaning of a token; None if it is ordinary text."""
    if (control := token["control"]) is not None:
        meaning = _control(control.strip())
        return None if " " in control and meaning.kind == "dropped" else meaning
    if token["tail"] is not None:
        is_channel = token["tail"].casefold() == "channel"
        return Mark("thoughts", "channel", True) if is_channel else Mark("end")
    if token["tag"] is not None:
        mark = _tag(token["tag"], bool(token["tag_closes"]), token["more"] or "")
        return mark if mark is None or _is_plain(token) else _odd(mark)
    if token["glued"] is not None:
        return Mark("call", "function")
    if token["sys"] is not None:
        return Mark("hidden", "sys", bool(token["sys_closes"]))
    if token["kimi"] is not None:
        is_thought = token["kimi"].casefold() in THOUGHTS
        return Mark("thoughts", "kimi", bool(token["kimi_closes"])) if is_thought else None
    if token["minimax"] is not None:
        return Mark(MINIMAX[token["minimax"]], "minimax")
    return _bracketed(token["bracket"], bool(token["bracket_closes"]), " " in token[0])


def _is_plain(found: re.Match[str]) -> bool:
    """Return whether a tag is written as usual, without spaces, escapes and wide brackets."""
    closes = "tag_closes" in found.re.groupindex and "\\" in found["tag_closes"]
    return found["left"] == "<" and not (found["space"] or closes)


def _odd(mark: Mark) -> Mark | None:
    """Return the meaning of a tag that is written in an unusual way: only reasoning is."""
    is_thought = mark.kind == "thoughts"
    return Mark("thoughts", mark.name, mark.closes, not mark.closes) if is_thought else None


def _bracketed(name: str, closes: bool, is_spaced: bool) -> Mark | None:
    if kind := None if is_spaced else BRACKETS.get(name):
        ends = name.startswith("END_")
        return Mark(kind, name.removeprefix("END_"), closes or ends)
    if name.casefold() in CALLS and "_" in name:
        return Mark("call", f"[{name.casefold()}]", closes)
    is_thought = name.casefold() in THOUGHTS
    return Mark("thoughts", name.upper(), closes, not closes) if is_thought else None


def may_begin(text: str, at: int, offered: Collection[str] = ()) -> bool:
    """Return whether an unfinished token, or a tag with the name of a tool, may begin at *at*."""
    if len(text) - at > LONGEST:
        return False
    if any(token.startswith(text[at:]) for token in MINIMAX):
        return True
    begun = BEGUN.fullmatch(text, at)
    if begun is None:
        return False
    if (name := begun["bracket"]) is not None:
        low = name.casefold()
        return any(one.startswith(low) for one in THOUGHTS | CALLS) or any(
            one.startswith(name) for one in BRACKETS
        )
    if (tag := begun["tag"]) is None:
        return True
    name = tag.casefold().rpartition(":")[2]
    if not _is_plain(begun):
        return _is_thought(name) or any(one.startswith(name) for one in THOUGHTS)
    if not begun["more"]:
        return True  # its name ends with the next letter that belongs to none
    is_known = name in TAGS or tag in offered or _is_thought(name)
    return is_known or begun["more"] in ("|", "｜")


def _tag(tag: str, closes: bool, more: str) -> Mark | None:
    name = tag.casefold().rpartition(":")[2]
    if numbered := NUMBERED.fullmatch(name):
        return None if closes or more else _numbered(name, numbered)
    if name == "details":
        is_thought = "reasoning" in more  # as Open WebUI shows thoughts, and models copy it
        return Mark("thoughts", name, closes) if is_thought or closes else None
    if name in ("function", "invoke", "tool") and not closes:
        return Mark("call", name) if more.strip() else None
    if name in ("start_function_call", "end_function_call"):
        return Mark("call", "function_call", name.startswith("end"))
    if name in CALLS:
        return Mark("call", name, closes)
    is_thought = _is_thought(name)
    if not (name in TAGS or is_thought) or not ATTRIBUTES.fullmatch(more):
        return None
    if name == "s":
        return Mark("strike", name, closes)
    if name in WRAPPERS:
        return None if more else Mark("wrapper", name, closes)
    if name in DROPPED or more.endswith("/"):
        return Mark("dropped", name)
    if is_thought:
        return Mark("thoughts", name, closes, not closes and _is_word(name))
    if name in RESULTS:
        return Mark("hidden", name, closes)
    if name in HEADER_ENDS:
        return Mark("header_end", name)
    return Mark("header", name) if name in HEADERS else Mark("end", name)


def _numbered(name: str, found: re.Match[str]) -> Mark:
    if found[1] == "unused" and found[2] in ("94", "95"):
        return Mark("thoughts", "unused", found[2] == "95")
    return Mark("header", name) if name == "extra_id_1" else Mark("dropped", name)


def _is_thought(name: str) -> bool:
    if name.startswith(("no_", "no-")):  # it switches thoughts off
        return False
    return name in THOUGHTS or not THOUGHTS.isdisjoint(WORD_END.split(name))


def _is_word(name: str) -> bool:
    """Return whether a tag of reasoning has a name that is also an ordinary word."""
    return (THOUGHTS - WORDS_TOO).isdisjoint({name, *WORD_END.split(name)})


def _control(text: str) -> Mark:
    """Return the meaning of ``<|text|>``; an unknown one is dropped."""
    name = re.sub(r"[\W_▁]+", "_", text.casefold()).strip("_")
    words = set(name.split("_"))
    closes = text.startswith("/") or bool(words & {"end", "close", "stop"})
    role = name.removeprefix("im_").removesuffix("_token")
    if name in HEADERS:
        return Mark("header", name)
    if name in HEADER_ENDS:
        return Mark("header_end", name)
    if name in TURN_ENDS:
        return Mark("end", name)
    if name.startswith("im_") and role in OWN_ROLES | OTHER_ROLES:
        return Mark("header", name)
    if role in OWN_ROLES | OTHER_ROLES:
        return Mark("role", role)
    if words & THOUGHTS or name in THOUGHTS:
        return Mark("thoughts", "control", closes)
    if name == "python_tag" or (words & {"tool", "toolcall"} and words & {"call", "calls"}):
        is_inner = bool(words & {"sep", "argument", "arguments", "name"})
        return Mark("dropped" if is_inner else "call", "control", closes)
    if words & {"tool", "tools"}:
        return Mark("hidden", "control", closes)
    return Mark("dropped", name)
