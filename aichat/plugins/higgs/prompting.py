"""The model's prompt: scene, speaker, what was said before, the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from attrs import frozen

from aichat.core import Voice

from .layout import Frame, Layout
from .text_normalisation import plain

INSTRUCTION = "Generate audio following instruction."
SCENE = "Audio is recorded from a quiet room."


@frozen
class Said:
    """Something said in the voice: its frames, and its words, if they are known."""

    frames: Sequence[Frame]
    text: str = ""


@frozen
class Prompter:
    """Makes the model's input, as transformers' processor does, but of codes that are there."""

    tokenizer: Any
    layout: Layout
    device: torch.device
    audio: str
    """The token that stands for a row of codes;"""
    delay: str
    """and the one for the last rows, in which the books end."""

    @classmethod
    def of(cls, tokenizer: Any, config: Any, device: torch.device) -> Prompter:
        """Read the tokens from the model's configuration."""
        audio, delay = tokenizer.convert_ids_to_tokens(
            [config.audio_token_id, config.audio_delay_token_id]
        )
        return cls(tokenizer, Layout.of(config), device, audio, delay)

    def prompt(self, voice: Voice, before: Sequence[Said], text: str) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` (1, n) and, if something was said *before*, its rows."""
        written: str = self.tokenizer.apply_chat_template(
            conversation(voice, before, text), add_generation_prompt=True, tokenize=False
        )
        # those without words are in the scene, which comes first
        heard = sorted(before, key=lambda said: bool(said.text))
        rows = [self.layout.rows(said.frames) for said in heard]
        lengths = iter([len(one) for one in rows])
        written = re.sub(re.escape(self.audio), lambda _: self._places(next(lengths)), written)
        ids = self.tokenizer(written, return_tensors="pt", add_special_tokens=False)
        return {"input_ids": ids["input_ids"].to(self.device), **self._audio(rows)}

    def _places(self, rows: int) -> str:
        late = self.layout.books - 1
        return self.audio * (rows - late) + self.delay * late

    def _audio(self, rows: list[list[list[int]]]) -> dict[str, torch.Tensor]:
        if not rows:
            return {}
        joined = torch.tensor([[row for one in rows for row in one]], device=self.device)
        mask = torch.ones(joined.shape[:2], dtype=torch.bool, device=self.device)
        return {"audio_input_ids": joined, "audio_input_ids_mask": mask}


def conversation(voice: Voice, before: Sequence[Said], text: str) -> list[dict[str, Any]]:
    """Write it as a chat.

    What was said with known words is an exchange before this one. A sound whose words are not known
    stands for the speaker, in the scene.
    """
    unwritten = any(not said.text for said in before)
    messages = [
        _message("system", _text(INSTRUCTION)),
        _message("scene", *_scene(voice, unwritten)),
    ]
    for said in before:
        if said.text:
            messages += [_message("user", _text(said.text)), _message("assistant", _AUDIO)]
    messages.append(_message("user", _text(f"[SPEAKER0] {text}" if unwritten else text)))
    return messages


_AUDIO = {"type": "audio"}


def _scene(voice: Voice, unwritten: bool) -> list[dict[str, str]]:
    about = plain(voice.speaker_desc)
    scene = [_text(plain(voice.scene_prompt) or SCENE)]
    if unwritten:
        return [*scene, _text("SPEAKER0:"), _AUDIO]
    return [*scene, _text(f"SPEAKER0: {about}")] if about else scene


def _message(role: str, *content: dict[str, str]) -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
