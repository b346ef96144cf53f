"""Beginnings of prompts that stay computed: a character's system prompt is read once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from attrs import define, field

LEAST = 32
"""Tokens of the shortest beginning that is worth its memory."""
TRIES, PAUSE_SECONDS = 100, 0.01


@define
class PromptCache:
    """Decides which beginnings CTranslate2 keeps computed: up to *most* tokens in all.

    It never forgets one by itself. When a new one does not fit, the model is loaded anew, which
    empties its memory, unless a reply is being written: the new one is then read without being
    kept. Called in worker threads.
    """

    generator: Any
    most: int
    hits: int = 0
    """Replies whose prompt began with tokens that were computed already."""
    misses: int = 0
    kept: set[tuple[str, ...]] = field(factory=set)
    _replies: int = 0
    _lock: Lock = field(factory=Lock)

    @contextmanager
    def reply(self, beginning: Sequence[str]) -> Iterator[bool]:
        """Keep the model loaded while a reply is written; yield whether *beginning* is kept."""
        with self._lock:
            keep = self._keeps(tuple(beginning))
            self._replies += 1
        try:
            yield keep
        finally:
            with self._lock:
                self._replies -= 1

    def _keeps(self, beginning: tuple[str, ...]) -> bool:
        if not self.generator.model_is_loaded:  # it could not be loaded anew the last time
            self.generator.load_model()
        if beginning in self.kept:
            self.hits += 1
            return True
        self.misses += 1
        if not LEAST <= len(beginning) <= self.most:
            return False
        if sum(map(len, self.kept)) + len(beginning) > self.most and not self._emptied():
            return False
        self.kept.add(beginning)
        return True

    def _is_idle(self) -> bool:
        """Wait until the last reply is no longer counted, which is shortly after its end."""
        for _ in range(TRIES):
            if not self.generator.num_active_batches:
                return True
            time.sleep(PAUSE_SECONDS)
        return False

    def _emptied(self) -> bool:
        if self._replies or not self._is_idle():
            return False
        self.generator.unload_model()
        if self.generator.model_is_loaded:  # it refuses while it is busy
            return False
        self.kept.clear()
        self.generator.load_model()
        return True
