"""Tokens of chat templates that may appear in a model's text, and their meanings.

Tags around reasoning and tool calls, the control tokens of chat templates, and the headers in which
a template names the role of a turn. Each family of models has its own.
"""

from __future__ import annotations

import re

from attrs import frozen

THOUGHTS = frozenset(
    {"think", "thinks", "thinking", "thought", "thoughts", "thinking_process", "antthinking"}
    | {"reason", "reasons", "reasoning", "reflect", "reflecting", "reflection", "reflections"}
    | {"analysis", "analyzing", "analysing", "scratchpad", "cot", "chain_of_thought", "planning"}
    | {"inner_thoughts", "inner_monologue", "internal_monologue", "deliberation", "pondering"}
)
"""Names of tags around reasoning."""
RESULTS = frozenset(
    {"tool_response", "tool_responses", "tool_result", "tool_results", "tool_output"}
    | {"tool_outputs", "function_results", "function_response", "available_tools", "tools"}
)
"""Names of tags around results and lists of tools; hidden like reasoning."""
CALLS = frozenset(
    {"tool_call", "tool_calls", "toolcall", "toolcalls", "function_call", "function_calls"}
    | {"functioncall", "tool_code", "tool_use", "function", "invoke"}
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
HEADER_ENDS = frozenset(
    {"message", "end_header_id", "end_of_role", "header_end", "im_sep", "im_middle", "content"}
)
OWN_ROLES = frozenset({"assistant", "model", "bot", "chatbot", "ai", "gpt", "assistant_token"})
OTHER_ROLES = frozenset(
    {"user", "human", "system", "developer", "tool", "observation", "function", "ipython"}
)
DROPPED = frozenset({"bos", "pad", "unk", "mask", "sep", "cls", "answer", "final_answer"})
"""Tags that are dropped, without the text between them."""
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
}
"""Mistral's, in capitals; in lower case such a word is a stage direction, except ``[think]``."""
TAGS = THOUGHTS | RESULTS | CALLS | DROPPED | {"s"}
TAGS |= {"start_of_turn", "end_of_turn", "eos", "end_of_utterance", "eot"}
WORD_END = re.compile(r"[_.-]")

LONGEST = 240
"""Most letters of a token; longer text is not a token."""
TRIGGER = re.compile(
    r"<(?=[|｜/A-Za-z_]|<[/S]|<?\Z)|\[(?=[/A-Za-z_\s{]|\Z)|◁(?=[/A-Za-z]|\Z)"
    r"|(?<!`)`|\{(?=[\s\"]|\Z)"
)
"""Where a token, or a call in JSON, may begin, by the letter that follows."""
TOKEN = re.compile(
    r"""
      <[|｜](?P<control>[^<>|｜\s]{1,64})[|｜]?>
    | <(?P<tail>[A-Za-z_]{1,40})[|｜]>
    | <(?P<tag_closes>/?)(?P<tag>[A-Za-z_][\w.:-]{0,40})(?P<more>[\s=/][^<>]{0,160})?>
    | <<(?P<sys_closes>/?)(?P<sys>SYS)>>
    | \[(?P<bracket_closes>/?)(?P<bracket>[A-Za-z_]{3,24})\]
    | ◁(?P<kimi_closes>/?)(?P<kimi>[A-Za-z_]{2,24})▷
    """,
    re.VERBOSE,
)
BEGUN = re.compile(
    r"""
      <[|｜][^<>|｜\s]{0,64}[|｜]?
    | <(?P<closes>/?)(?:(?P<tag>[A-Za-z_][\w.:-]{0,40})(?P<more>[\s=/|｜][^<>]{0,160})?)?
    | <</?S?Y?S?>?
    | \[/?(?P<bracket>[A-Za-z_]{0,24})
    | ◁/?[A-Za-z_]{0,24}
    """,
    re.VERBOSE,
)
ATTRIBUTES = re.compile(r"(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'=]+))*\s*/?")
CALL_BEGINS = re.compile(
    r"(?:```\w{0,12}\s{0,8})?\[?\s{0,8}\{\s{0,8}"
    r"\"(?:name|function|function_name|tool|tool_name|tool_calls|arguments|parameters|type|id"
    r"|action|recipient_name)\"\s{0,4}:"
)
"""JSON that may be a call, bare or in a code block."""
CALL_BEGUN = re.compile(
    r"`{1,2}|(?:```\w{0,12}\s{0,8})?(?:\[?\s{0,8}(?:\{\s{0,8}(?:\"\w{0,16}(?:\"\s{0,4})?)?)?)?"
)
LONGEST_BEGINNING = 80


@frozen
class Mark:
    """The meaning of a token.

    *kind*: ``thoughts``, ``hidden`` or ``call`` (begins, or *closes*), ``end`` (of a turn),
    ``header`` (begins), ``header_end``, ``role`` (of a turn), ``strike`` or ``dropped``.
    """

    kind: str
    name: str = ""
    closes: bool = False


def mark_of(token: re.Match[str]) -> Mark | None:
    """Return the meaning of a token; None if it is ordinary text."""
    if token["control"] is not None:
        return _control(token["control"])
    if token["tail"] is not None:
        is_channel = token["tail"].casefold() == "channel"
        return Mark("thoughts", "channel", True) if is_channel else Mark("end")
    if token["tag"] is not None:
        return _tag(token["tag"], bool(token["tag_closes"]), token["more"] or "")
    if token["sys"] is not None:
        return Mark("hidden", "sys", bool(token["sys_closes"]))
    if token["kimi"] is not None:
        is_thought = token["kimi"].casefold() in THOUGHTS
        return Mark("thoughts", "kimi", bool(token["kimi_closes"])) if is_thought else None
    name = token["bracket"]
    kind = BRACKETS.get("THINK" if name.casefold() == "think" else name)
    return Mark(kind, name, bool(token["bracket_closes"])) if kind else None


def may_begin(text: str, at: int) -> bool:
    """Return whether an unfinished token may begin at *at*."""
    if len(text) - at > LONGEST:
        return False
    begun = BEGUN.fullmatch(text, at)
    if begun is None:
        return False
    if (name := begun["bracket"]) is not None:
        return any(known.startswith(name) for known in BRACKETS) or "think".startswith(name.lower())
    if (tag := begun["tag"]) is None:
        return True
    if not begun["more"]:
        return True  # its name ends with the next letter that belongs to none
    name = tag.casefold().rpartition(":")[2]
    return name in TAGS or _is_thought(name) or begun["more"] in ("|", "｜")


def _tag(tag: str, closes: bool, more: str) -> Mark | None:
    name = tag.casefold().rpartition(":")[2]
    if name in ("function", "invoke") and not closes:
        return Mark("call", name) if more.strip() else None
    if name in CALLS:
        return Mark("call", name, closes)
    is_thought = _is_thought(name)
    if not (name in TAGS or is_thought) or not ATTRIBUTES.fullmatch(more):
        return None
    if name == "s":
        return Mark("strike", name, closes)
    if name in DROPPED or more.endswith("/"):
        return Mark("dropped", name)
    if is_thought:
        return Mark("thoughts", name, closes)
    if name in RESULTS:
        return Mark("hidden", name, closes) if name != "tools" else None
    return Mark("header", name) if name in HEADERS else Mark("end", name)


def _is_thought(name: str) -> bool:
    return name in THOUGHTS or not THOUGHTS.isdisjoint(WORD_END.split(name))


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
