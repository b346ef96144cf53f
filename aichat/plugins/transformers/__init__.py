"""A language model on this machine, through transformers: on CUDA, MPS or a CPU.

It writes in a worker thread, token by token; a reply that is closed ends within one token. torch
and transformers are imported only when the weights are there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from aichat.core import AichatError, Backend, BackendFailed, Llm, Prompt, Usage, closing, hookimpl
from aichat.toolkit.local_model import LocalModel, weights_at
from aichat.toolkit.thread_streams import Listener
from aichat.toolkit.weights import Weights

MODEL = "Qwen/Qwen3-1.7B"
FILES = ("*.json", "*.safetensors", "*.jinja", "merges.txt", "*.model")
AHEAD = 64
"""Pieces of text that may wait for the reader before the model pauses."""


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``use = "transformers"``."""
    return Backend("transformers", Transformers)


class Transformers(LocalModel):
    """Writes with *model*: a folder, or a repository of the hub that is in its cache.

    *context_tokens* bound prompt and reply, *max_tokens* one round of a reply, *max_reply_letters*
    and *reply_seconds* all of it; *max_concurrent* replies are written at once. With *download*,
    weights are brought.
    """

    part, name, what = "llm", "transformers", "The language model"
    packages = ("torch", "transformers", "huggingface_hub")
    by_hand = "set [llm.transformers] model to a folder."
    prefills = True

    def __init__(
        self,
        model: str = MODEL,
        device: str = "auto",
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        context_tokens: int = 8192,
        max_tokens: int = 400,
        max_reply_letters: int = 100_000,
        reply_seconds: float = 600,
        max_concurrent: int = 2,
        download: bool = False,
    ) -> None:
        super().__init__(max_concurrent, download)
        self.model, self.device, self.dtype = model, device, dtype
        self.context_tokens, self.max_tokens = context_tokens, max_tokens
        self.max_reply_letters, self.reply_seconds = max_reply_letters, reply_seconds

    @property
    def weights(self) -> Sequence[Weights]:
        name = self.model.rpartition("/")[2].lower()
        return (weights_at(name, self.model, FILES, "config.json"),)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.context_tokens = min(self.context_tokens, self._engine.most_tokens)
        return self

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        writer = self._running()
        room = {"context": self.context_tokens, "max_tokens": self.max_tokens}

        def write(listener: Listener[str | Usage]) -> None:
            writer.write(prompt, room, listener)

        async with closing(self._streamed(write, AHEAD)) as pieces:
            async for piece in pieces:
                yield piece

    def _load(self, folders: Sequence[Path]) -> Any:
        from .generation import load  # which imports torch

        return load(folders[0], self.weights[0].name, self.device, self.dtype)

    async def _explained(self, error: Exception) -> AichatError:
        if type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error):
            return BackendFailed(
                "The language model had too little memory.",
                "Lower context_tokens or max_concurrent under [llm.transformers].",
            )
        return await super()._explained(error)
