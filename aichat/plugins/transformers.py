"""A language model on this machine, through transformers: on CUDA, MPS or a CPU.

It writes in a worker thread, token by token; a reply that is closed ends within one token. torch
and transformers are imported only when the weights are there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from anyio import to_thread

from aichat.core import (
    AichatError,
    Backend,
    BackendFailed,
    CannotStart,
    Listener,
    Llm,
    NotReady,
    Prompt,
    Usage,
    Weights,
    Workers,
    closing,
    fetched,
    hookimpl,
)

MODEL = "Qwen/Qwen3-1.7B"
FILES = ("*.json", "*.safetensors", "*.jinja", "merges.txt", "*.model")
BY_HAND = "set [llm.transformers] model to a folder."
AHEAD = 64
"""Pieces of text that may wait for the reader before the model pauses."""


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``use = "transformers"``."""
    return Backend("transformers", Transformers)


class Transformers:
    """Writes with *model*: a folder, or a repository of the hub that is in its cache.

    *context_tokens* bound prompt and reply, *max_tokens* a reply; *max_concurrent* replies are
    written at once. With *download*, the weights are brought.
    """

    def __init__(
        self,
        model: str = MODEL,
        device: str = "auto",
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        context_tokens: int = 8192,
        max_tokens: int = 400,
        max_concurrent: int = 2,
        download: bool = False,
    ) -> None:
        is_repository = model.count("/") == 1 and not model.startswith(("/", ".", "~"))
        if is_repository and not Path(model).is_dir():
            name = model.split("/")[1].lower()
            self.weights: tuple[Weights, ...] = (Weights(name, model, FILES, "config.json"),)
        else:
            self.weights = (Weights(model),)
        self.device, self.dtype, self.download = device, dtype, download
        self.context_tokens, self.max_tokens = context_tokens, max_tokens
        self.report: Callable[[str], None] = lambda line: None
        self._workers = Workers(max(1, max_concurrent), "The language model")
        self._writer: Any = None

    async def __aenter__(self) -> Transformers:
        await to_thread.run_sync(_require_packages)
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        (weights,) = self.weights
        folder = await fetched(weights, hub, self.report, allowed=self.download, otherwise=BY_HAND)
        self.report("loading the weights")
        self._writer = await to_thread.run_sync(self._load, folder, abandon_on_cancel=True)
        self.context_tokens = min(self.context_tokens, self._writer.most_tokens)
        await self._workers.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._workers.__aexit__(*error)
        finally:
            self._writer = None

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        if self._writer is None:
            raise NotReady("The language model is not loaded.", "Start it first.")
        writer = self._writer
        room = {"context": self.context_tokens, "max_tokens": self.max_tokens}

        def write(listener: Listener[str | Usage]) -> None:
            writer.write(prompt, room, listener)

        try:
            async with closing(self._workers.stream(write, AHEAD)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            raise _told(error) from error

    def _load(self, folder: Path) -> Any:
        from .transformers_writer import load  # which imports torch

        return load(folder, self.weights[0].name, self.device, self.dtype)


def _require_packages() -> None:
    for package in ("torch", "transformers", "huggingface_hub"):
        if find_spec(package) is None:
            raise CannotStart(
                f"The package {package} is missing.", "Run `pip install 'aichat[transformers]'`."
            )


def _told(error: Exception) -> AichatError:
    if isinstance(error, AichatError):
        return error
    if type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error):
        return BackendFailed(
            "The language model had too little memory.",
            "Lower context_tokens or max_concurrent under [llm.transformers].",
        )
    return BackendFailed(
        f"The language model failed ({type(error).__name__}).",
        "Try again, or choose another [llm] backend.",
    )
