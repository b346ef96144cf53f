"""Reorders the messages of a prompt so that every chat template accepts them.

Many templates refuse a conversation in which one role speaks twice in a row, in which the character
begins, or whose system prompt is not at the beginning; some know no system prompt at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from aichat.core.models import PromptMessage

GO_ON = PromptMessage("user", "Please go on.")
"""Inserted when a character speaks twice in a row: most models only answer a user."""
BEGINNING = PromptMessage("user", "(The conversation begins.)")
"""Inserted when a character speaks first."""
NO_RESULT = "There is no result."


def in_turns(messages: Iterable[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Return *messages* so that user and assistant take turns, the user first and last.

    Adjacent messages of one role are joined; blank messages are left out. One system prompt may
    come first, later system messages become the user's. Each tool call is followed by one result. A
    prompt that is in order already is returned unchanged.
    """
    given = [
        one
        for one in messages
        if (one.content and not one.content.isspace()) or one.calls or one.role == "tool"
    ]
    roles = ["call" if one.calls else one.role for one in given]
    if _takes_turns(roles):
        return tuple(given)
    first = next((at for at, role in enumerate(roles) if role != "system"), len(given))
    is_talk = {*roles[first:]} <= {"user", "assistant"}
    ordered = _runs(given[first:] if is_talk else _paired(given[first:]))
    if not ordered or ordered[0].role != "user":
        ordered.insert(0, BEGINNING)
    if ordered[-1].role == "assistant":
        ordered.append(GO_ON)
    system = "\n\n".join(message.content for message in given[:first])
    return (*([PromptMessage("system", system)] if system else []), *ordered)


def without_system(messages: Iterable[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Return *messages* in turns, the system prompt as the first words of the user."""
    system, *others = in_turns(messages)
    if system.role != "system":
        return (system, *others)
    return (evolve(others[0], content=f"{system.content}\n\n{others[0].content}"), *others[1:])


def without_tools(messages: Iterable[PromptMessage]) -> tuple[PromptMessage, ...]:
    """Return *messages* in turns for a model that takes no tools: their results as plain words."""
    return in_turns(
        _result(message) if message.role == "tool" else evolve(message, calls=())
        for message in messages
    )


def _takes_turns(roles: Sequence[str]) -> bool:
    """Return whether nothing needs to be done, as for most prompts: user and assistant in turn."""
    body = roles[1:] if roles[:1] == ["system"] else roles
    is_odd = len(body) % 2 == 1  # the user is first and last
    return is_odd and {*body[::2]} == {"user"} and {*body[1::2]} <= {"assistant"}


def _runs(messages: Iterable[PromptMessage]) -> list[PromptMessage]:
    """Return *messages*, neighbours of one role as one; a call ends its run."""
    runs: list[list[PromptMessage]] = []
    last: PromptMessage | None = None
    for message in messages:
        if last is None or message.role != last.role or last.calls or message.role == "tool":
            runs.append([message])
        else:
            runs[-1].append(message)
        last = message
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _joined(run: Sequence[PromptMessage]) -> PromptMessage:
    first, last = run[0], run[-1]
    name = first.name if len({one.name for one in run}) == 1 else None
    content = "\n\n".join([one.content for one in run if one.content])
    return PromptMessage(first.role, content, name, last.calls)


def _paired(messages: Sequence[PromptMessage]) -> Iterator[PromptMessage]:
    """Yield every call with its results behind it; results without a call become the user's."""
    for head, results in _with_results(messages):
        if head is not None:
            yield evolve(head, role="user") if head.role == "system" else head
        for call in head.calls if head is not None else ():
            found = next((one for one in results if one.call_id == call.id), None)
            if found is not None:
                results.remove(found)
            yield found or PromptMessage("tool", NO_RESULT, call.name, call_id=call.id)
        yield from map(_result, results)


def _with_results(
    messages: Sequence[PromptMessage],
) -> Iterator[tuple[PromptMessage | None, list[PromptMessage]]]:
    """Yield every message with the results of tools that follow it; None where they come first."""
    head: PromptMessage | None = None
    results: list[PromptMessage] = []
    for message in messages:
        if message.role == "tool":
            results.append(message)
            continue
        if head is not None or results:
            yield head, results
        head, results = message, []
    if head is not None or results:
        yield head, results


def _result(message: PromptMessage) -> PromptMessage:
    return PromptMessage("user", f"({message.name or 'A tool'} gave: {message.content})")
