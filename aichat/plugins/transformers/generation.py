"""Generation in worker threads: read the chat, write, stop when the reader has left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from attrs import frozen
from jinja2 import TemplateError

from aichat.core import BackendFailed, CannotStart, Prompt, PromptMessage, Usage, is_storable
from aichat.toolkit.local_model import device_of, first_line, precision_of
from aichat.toolkit.model_output.stop_strings import Stops
from aichat.toolkit.prompts.context_limit import encoded_within
from aichat.toolkit.prompts.message_roles import without_system, without_tools
from aichat.toolkit.thread_streams import Listener


@frozen
class Writer:
    """Writes replies. *name* is what the model is called; *most_tokens* is what it can read."""

    model: Any
    tokenizer: Any
    name: str
    most_tokens: int

    def write(self, prompt: Prompt, room: dict[str, int], listener: Listener[str | Usage]) -> None:
        """Hand over the reply in pieces, and last what it took."""
        settings = prompt.settings
        longest = int(settings.get("max_tokens") or room["max_tokens"])
        longest = max(1, min(longest, room["context"] // 2))
        begun = self._ids(prompt.prefill)
        given = self._read(prompt.messages, room["context"] - longest - begun.shape[1])
        more = {"input_ids": begun, "attention_mask": torch.ones_like(begun)}
        given = {name: torch.cat([ids, more[name]], dim=1) for name, ids in given.items()}
        stops = Stops([text for text in settings.get("stop") or () if text])
        streamer = _Streamer(self.tokenizer, listener, stops)
        with torch.inference_mode():
            self.model.generate(
                **given,
                **_sampling(prompt),
                max_new_tokens=longest,
                streamer=streamer,
                stopping_criteria=transformers.StoppingCriteriaList([_Over(listener, stops)]),
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
            )
        if not streamer.wrote and not listener.left:
            raise BackendFailed(
                "The language model wrote nothing.", "Try again, or choose another model."
            )
        read = int(given["input_ids"].shape[1])
        listener(Usage(self.name, read, streamer.count, 0.0))

    def _ids(self, text: str) -> torch.Tensor:
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor([ids], dtype=torch.long, device=self.model.device)

    def _read(self, messages: Sequence[PromptMessage], most: int) -> dict[str, Any]:
        """Write the chat in the model's own form; the oldest messages go if it is too long."""
        given = encoded_within(
            without_tools(messages), most, self._encoded, lambda given: given["input_ids"].shape[1]
        )
        if given["input_ids"].shape[1] > most:  # one message is longer than all there is room for
            given = {name: ids[:, -most:] for name, ids in given.items()}
        return {name: ids.to(self.model.device) for name, ids in given.items()}

    def _encoded(self, messages: Sequence[PromptMessage]) -> dict[str, Any]:
        try:
            return self._templated(messages)
        except TemplateError:  # some models know no system prompt
            return self._templated(without_system(messages))

    def _templated(self, messages: Sequence[PromptMessage]) -> dict[str, Any]:
        given = self.tokenizer.apply_chat_template(
            _plain(messages),
            add_generation_prompt=True,
            enable_thinking=False,  # nobody hears it, and everybody waits for it
            return_dict=True,
            return_tensors="pt",
        )
        return {name: given[name] for name in ("input_ids", "attention_mask")}


def load(folder: Path, name: str, device: str, dtype: str) -> Writer:
    """Load a model from a folder. Raises :class:`CannotStart`."""
    place = device_of(torch, device, "[llm.transformers] device")
    try:
        transformers.utils.logging.disable_progress_bar()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=precision_of(torch, dtype, place), local_files_only=True
        )
        model = model.to(place).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CannotStart(
            f"The language model cannot be loaded from {folder} ({first_line(error)}).",
            "Fetch its weights anew, or name another under [llm.transformers] model.",
        ) from error
    if not tokenizer.chat_template:
        raise CannotStart(
            f"{folder} holds a model without a chat template: it was not made to talk.",
            'Choose one whose name ends in "Instruct" or "Chat".',
        )
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Writer(model, tokenizer, name, int(most or 2048))


def _sampling(prompt: Prompt) -> dict[str, Any]:
    """Return what was chosen, the character's own first; what was not is as the model has it."""
    temperature = prompt.character.temperature
    if temperature is None:
        temperature = prompt.settings.get("temperature")
    if temperature is not None and temperature <= 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    chosen = {"temperature": temperature, "top_p": prompt.settings.get("top_p")}
    return {
        "do_sample": True,
        **{key: float(one) for key, one in chosen.items() if one is not None},
    }


def _plain(messages: Iterable[PromptMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


# transformers is not typed everywhere: there its classes are Any, which mypy lets nobody inherit
class _Over(transformers.StoppingCriteria):  # type: ignore[misc, unused-ignore]
    """Ends the reply when its reader has left, or at a stop string."""

    def __init__(self, listener: Listener[Any], stops: Stops) -> None:
        self.listener, self.stops = listener, stops

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        is_over = self.listener.left or self.stops.is_over
        return torch.full((input_ids.shape[0],), is_over, device=input_ids.device)


class _Streamer(transformers.TextStreamer):  # type: ignore[misc, unused-ignore]
    """Hands over text as soon as it is sure: in words."""

    def __init__(self, tokenizer: Any, listener: Listener[Any], stops: Stops) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.listener, self.stops = listener, stops
        self.wrote, self.count = False, -1  # the prompt comes first

    def put(self, value: Any) -> None:
        self.count += 1
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        text = self.stops.feed(text) + (self.stops.flush() if stream_end else "")
        if text:
            self.wrote = self.wrote or bool(text.strip())
            self.listener(text if is_storable(text) else text.replace("\0", "\ufffd"))
