"""The chat template of a model: its own, or that of its family where a conversion lacks one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen
from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aichat.core import CannotStart, PromptMessage
from aichat.toolkit.local_model import first_line
from aichat.toolkit.prompts.message_roles import in_turns, without_system

from .known_templates import KNOWN_TEMPLATES

FILE = "chat_template.jinja"
SETTINGS = "tokenizer_config.json"
ENDS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|end_of_role|>"),
    *("<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>"),
)
"""Tokens that end a turn, in one family of models or another."""
SAMPLE = (PromptMessage("system", "Be kind."), PromptMessage("user", "Hello."))
"""Every template has to accept this, or its first message as the user's."""


@frozen
class ChatTemplate:
    """Writes messages in the form that a model was trained on. *special* are BOS and EOS."""

    template: Template
    special: Mapping[str, str]

    def text(self, messages: Sequence[PromptMessage]) -> str:
        """Return the text that the reply follows."""
        try:
            return self._rendered(in_turns(messages))
        except TemplateError:  # some models know no system prompt
            return self._rendered(without_system(messages))

    def _rendered(self, messages: Sequence[PromptMessage]) -> str:
        plain = [{"role": message.role, "content": message.content} for message in messages]
        return self.template.render(
            messages=plain,
            add_generation_prompt=True,
            enable_thinking=False,  # nobody hears it, and everybody waits for it
            **self.special,
        )


def template_of(folder: Path, has_token: Callable[[str], bool]) -> ChatTemplate:
    """Return the template of the model in *folder*, or the one that its special tokens call for.

    Raises :class:`CannotStart` where there is neither, or where the template is wrong.
    """
    source = _own(folder) or next(
        (text for signs, text in KNOWN_TEMPLATES if all(map(has_token, signs))), None
    )
    if source is None:
        raise CannotStart(
            f"{folder} holds a model without a chat template, and its tokens are of no known kind.",
            f"Put the template of the original model there, as {FILE}, or choose a model whose "
            'name ends in "Instruct" or "Chat".',
        )
    try:
        template = ChatTemplate(_environment().from_string(source), _special(folder))
        template.text(SAMPLE)
        return template
    except TemplateError as error:
        raise CannotStart(
            f"The chat template in {folder} is wrong ({first_line(error)}).",
            f"Put the template of the original model there, as {FILE}.",
        ) from error


def end_tokens(folder: Path, has_token: Callable[[str], bool]) -> list[str]:
    """Return the tokens that end a reply."""
    named = (json_in(folder, "config.json").get("eos_token"), _special(folder)["eos_token"])
    return [one for one in dict.fromkeys((*named, *ENDS)) if one and has_token(one)]


def json_in(folder: Path, name: str) -> dict[str, Any]:
    """Return the content of a JSON file of the model; empty if there is none."""
    path = folder / name
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise CannotStart(
            f"{path} is no JSON ({first_line(error)}).", "Fetch the model's files anew."
        ) from error
    return found if isinstance(found, dict) else {}


def _own(folder: Path) -> str | None:
    path = folder / FILE
    if path.exists():
        return path.read_text(encoding="utf-8")
    for name in (SETTINGS, "chat_template.json"):
        found = json_in(folder, name).get("chat_template")
        if isinstance(found, list):  # several, each with a name
            found = {one["name"]: one["template"] for one in found}.get("default")
        if isinstance(found, str):
            return found
    return None


def _special(folder: Path) -> dict[str, str]:
    """Return BOS and EOS, as templates name them."""
    below, own = json_in(folder, "config.json"), json_in(folder, SETTINGS)
    found = {name: own.get(name) or below.get(name) for name in ("bos_token", "eos_token")}
    return {
        name: str(one.get("content", "") if isinstance(one, dict) else one or "")
        for name, one in found.items()
    }


def _environment() -> ImmutableSandboxedEnvironment:
    """Return what templates are written for; a template comes with the weights, so it is boxed."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(problem: str) -> NoReturn:
    raise TemplateError(problem)
