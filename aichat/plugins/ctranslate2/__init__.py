"""A language model on this machine, through CTranslate2, which Whisper needs as well.

It needs no account and no server: int8 on a CPU, or CUDA. It writes in a worker thread, token by
token; a reply that is closed ends within one token, unless its prompt is still being read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from anyio import to_thread

from aichat.core import AichatError, Backend, BackendFailed, Llm, Prompt, Usage, closing, hookimpl
from aichat.toolkit.local_model import LocalModel, weights_at
from aichat.toolkit.model_choices import Rate, Recommended
from aichat.toolkit.thread_streams import Listener
from aichat.toolkit.weights import Weights, find

from .placement import Placement
from .recommended import FILES, MAIN, RECOMMENDED, USUAL, known_as


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``use = "ctranslate2"``."""
    return Backend("ctranslate2", Ctranslate2)


class Ctranslate2(LocalModel):
    """Writes with *model*: a folder, a recommended model, or a repository in the hub's cache.

    Without one, the recommended model that was downloaded last.
    *context_tokens* bound prompt and reply, *max_tokens* one round of a reply, *max_reply_letters*
    and *reply_seconds* all of it. *max_concurrent* replies are written at once, each on *threads*
    CPU threads (0: half of the cores, up to 8); they share the weights. With *download*, weights
    are brought.
    """

    part, name, what = "llm", "ctranslate2", "The language model"
    extra, packages = "whisper", ("ctranslate2", "tokenizers", "huggingface_hub")
    by_hand = "set [llm.ctranslate2] model to a folder."
    prefills = True

    def __init__(
        self,
        model: str = "",
        device: str = "auto",
        compute_type: str = "default",
        context_tokens: int = 4096,
        max_tokens: int = 400,
        max_reply_letters: int = 100_000,
        reply_seconds: float = 600,
        max_concurrent: int = 2,
        threads: int = 0,
        download: bool = False,
    ) -> None:
        super().__init__(max_concurrent, download)
        self.model, self.device, self.compute_type = model, device, compute_type
        self.context_tokens, self.max_tokens = context_tokens, max_tokens
        self.max_reply_letters, self.reply_seconds = max_reply_letters, reply_seconds
        self.threads = threads

    @property
    def weights(self) -> Sequence[Weights]:
        model = self.model or USUAL
        name = model.rpartition("/")[2].lower()
        return (known_as(model) or weights_at(name, model, FILES, MAIN),)

    @property
    def recommended(self) -> Recommended:
        """The models that it recommends, and how fast they would be here."""

        def measure() -> Rate:
            from .speed import measured  # which imports CTranslate2

            return measured(self._placement)

        return Recommended(RECOMMENDED, measure)

    async def __aenter__(self) -> Self:
        if not self.model:
            self.model = await to_thread.run_sync(_downloaded_last)
        await super().__aenter__()
        self.context_tokens = self._engine.context_tokens
        return self

    async def reply(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        writer = self._running()
        most = int(prompt.settings.get("max_tokens") or self.max_tokens)
        most = max(1, min(most, self.context_tokens // 2))

        def write(listener: Listener[str | Usage]) -> None:
            writer.write(prompt, most, listener)

        # a whole reply fits the buffer: one that waits for the loudspeaker keeps no model waiting
        async with closing(self._streamed(write, ahead=most + 2)) as pieces:
            async for piece in pieces:
                yield piece

    def _load(self, folders: Sequence[Path]) -> Any:
        from .loading import load

        return load(folders[0], self.weights[0].name, self._placement, self.context_tokens)

    @property
    def _placement(self) -> Placement:
        return Placement(self.device, self.compute_type, self.threads, self.max_concurrent)

    async def _explained(self, error: Exception) -> AichatError:
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            return BackendFailed(
                "The language model had too little memory.",
                "Lower context_tokens or max_concurrent under [llm.ctranslate2].",
            )
        return await super()._explained(error)


def _downloaded_last() -> str:
    """Return the recommended model that came last; empty if none is here. Blocks."""
    if find_spec("huggingface_hub") is None:
        return ""
    hub = import_module("huggingface_hub")
    here = {one.name: find(one.weights, hub) for one in RECOMMENDED}
    times = {name: path.stat().st_mtime for name, path in here.items() if path}
    return max(times, key=times.__getitem__, default="")
