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
    | {"scratch_pad", "thought_process"}
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
DROPPED = frozenset({"bos", "pad", "unk", "mask", "sep", "cls"})
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
}
"""Mistral's, in capitals; in small letters such a word is a stage direction, but ``[think]``."""
TAGS = THOUGHTS | RESULTS | CALLS | DROPPED | WRAPPERS | {"s", "details"}
TAGS |= {"start_function_call", "end_function_call"}
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
TRIGGER = re.compile(
    rf"(?:(?<=[{re.escape(GLUED)}])|\A)(?:{LEFT})"
    r"|<(?=[|｜/0A-Za-z_]|<[/S]|<?\Z)|\[(?=[/A-Za-z_\s{]|\Z)|◁(?=[/A-Za-z]|\Z)"
    r"|(?<!`)`|\{(?=[\s\"]|\Z)"
)
"""Where a token, or a call in JSON, may begin, by the letter that follows."""
TOKEN = re.compile(
    r"""
      <[|｜](?P<control>[^<>|｜\s]{1,64})[|｜]?>
    | <(?P<tail>[A-Za-z_]{1,40})[|｜]>
    | <(?P<tag_closes>/?)(?:[|｜]DSML[|｜])?
        (?P<tag>[A-Za-z_0][\w.:-]{0,40})(?P<more>[\s=/][^<>]{0,160})?>
    | <<(?P<sys_closes>/?)(?P<sys>SYS)>>
    | \[(?P<bracket_closes>/?)(?P<bracket>[A-Za-z_]{3,24})\]
    | ◁(?P<kimi_closes>/?)(?P<kimi>[A-Za-z_]{2,24})▷
    """,
    re.VERBOSE,
)
BEGUN = re.compile(
    r"""
      <[|｜][^<>|｜\s]{0,64}[|｜]?
    | <(?P<closes>/?)(?:[|｜](?:D(?:S(?:M(?:L)?)?)?)?|(?:[|｜]DSML[|｜])?
        (?:(?P<tag>[A-Za-z_0][\w.:-]{0,40})(?P<more>[\s=/|｜][^<>]{0,160})?)?)
    | <</?S?Y?S?>?
    | \[/?(?P<bracket>[A-Za-z_]{0,24})
    | ◁/?[A-Za-z_]{0,24}
    """,
    re.VERBOSE,
)
NAMED = re.compile(
    r"\s?[,.;:!?)\]\"'”’»…]|[ \t](?:tags?|tokens?|elements?|blocks?|sections?|markers?|and|or|is"
    r"|are|in|means|to|around|with|at)\b"
)
"""What follows a tag that is spoken of: "the <think> tag"."""
MAYBE_NAMED = re.compile(r"\s?|[ \t][a-z]{0,8}")
BARE_THOUGHTS, BARE_ANSWER = "analysis", "assistantfinal"
"""What is left around thoughts of gpt-oss when a server takes the tokens out."""
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
PYTHON = re.compile(r"\[(\w{1,64})(?=\(|\Z)")
FENCED = re.compile(r"```(?:tool_code|tool_calls?)[ \t]*\n")
LONGEST_BEGINNING = 80


@frozen
class Mark:
    """The meaning of a token.

    *kind*: ``thoughts``, ``hidden`` or ``call`` (begins, or *closes*), ``end`` (of a turn),
    ``header`` (begins), ``header_end``, ``role`` (whose turn it is), ``strike``, ``wrapper`` (of a
    whole reply) or ``dropped``.
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
    if token["bracket_closes"] and name.casefold() in THOUGHTS:
        return Mark("thoughts", name.upper(), True)  # one that opens may be a stage direction
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
        low = name.casefold()
        closes = text.startswith("[/", at) and any(known.startswith(low) for known in THOUGHTS)
        return closes or "think".startswith(low) or any(one.startswith(name) for one in BRACKETS)
    if (tag := begun["tag"]) is None:
        return True
    if not begun["more"]:
        return True  # its name ends with the next letter that belongs to none
    name = tag.casefold().rpartition(":")[2]
    return name in TAGS or _is_thought(name) or begun["more"] in ("|", "｜")


def _tag(tag: str, closes: bool, more: str) -> Mark | None:
    name = tag.casefold().rpartition(":")[2]
    if numbered := NUMBERED.fullmatch(name):
        return None if closes or more else _numbered(name, numbered)
    if name == "details":
        is_thought = "reasoning" in more  # as Open WebUI shows thoughts, and models copy it
        return Mark("thoughts", name, closes) if is_thought or closes else None
    if name in ("function", "invoke") and not closes:
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
        return Mark("thoughts", name, closes)
    if name in RESULTS:
        return Mark("hidden", name, closes) if name != "tools" else None
    return Mark("header", name) if name in HEADERS else Mark("end", name)


def _numbered(name: str, found: re.Match[str]) -> Mark:
    if found[1] == "unused" and found[2] in ("94", "95"):
        return Mark("thoughts", "unused", found[2] == "95")
    return Mark("header", name) if name == "extra_id_1" else Mark("dropped", name)


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
