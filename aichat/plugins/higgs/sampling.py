"""From what the model thinks of each code to the next row.

The same as transformers does it (top-k, top-p, repetition-aware sampling), with one look at the
device in each step. Without a temperature, the likeliest code is taken.
"""

from __future__ import annotations

import torch
from attrs import define, field, frozen

from .layout import Layout, Row

NEVER = float("-inf")


@frozen
class Sampling:
    """How codes are chosen.

    Repetition-aware: a code that was there *ras_repeats* times in the last *ras_window* rows is
    drawn anew, without temperature and top-k. A window of 0 is none.
    """

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 50
    ras_window: int = 7
    ras_repeats: int = 2
    seed: int = 0


@define
class Sampler:
    """Chooses the rows of one speech, in order. It does not end before the row *shortest*."""

    layout: Layout
    sampling: Sampling
    device: torch.device
    shortest: int = 0
    rows: list[Row] = field(factory=list)
    _ended: int | None = None
    """The step in which the first book ended."""
    _generator: torch.Generator = field(init=False)
    _not_bos: torch.Tensor = field(init=False)
    _not_eos: torch.Tensor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._generator = torch.Generator(self.device).manual_seed(self.sampling.seed)
        codes = torch.arange(self.layout.size, device=self.device)
        self._not_bos = codes != self.layout.bos
        self._not_eos = codes != self.layout.eos

    @property
    def is_over(self) -> bool:
        """Every book has ended."""
        return bool(self.rows) and all(code == self.layout.eos for code in self.rows[-1])

    def next(self, logits: torch.Tensor) -> torch.Tensor:
        """Choose a row, note it, and return it as a tensor; *logits* are (books * size)."""
        scores = self._allowed(logits.float().view(self.layout.books, self.layout.size).clone())
        chosen = self._drawn(scores) if self.sampling.temperature > 0 else scores.argmax(-1)
        row: Row = chosen.tolist()
        if self._ended is None and self.layout.eos in row:
            self._ended = len(self.rows)
        self.rows.append(row)
        return chosen

    def _allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """Leave the books that have not begun, or have ended, only that."""
        step = len(self.rows)
        if step < self.layout.books:
            scores[step:].masked_fill_(self._not_bos, NEVER)
        if step < self.shortest:
            scores[:, self.layout.eos] = NEVER
        elif self._ended is not None:
            scores[: step - self._ended].masked_fill_(self._not_eos, NEVER)
        return scores

    def _drawn(self, scores: torch.Tensor) -> torch.Tensor:
        chosen = self._draw(self._likely(scores / self.sampling.temperature))
        if again := self._repeated(chosen):
            books = torch.tensor(again, device=self.device)
            chosen[books] = self._draw(scores[books])
        return chosen

    def _draw(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.multinomial(scores.softmax(-1), 1, generator=self._generator)[:, 0]

    def _likely(self, scores: torch.Tensor) -> torch.Tensor:
        """Keep the *top_k* best codes, and of these the best that make up *top_p*; (books, k)."""
        count = min(self.sampling.top_k or self.layout.size, self.layout.size)
        least = scores.topk(count).values[:, -1:]
        scores = scores.masked_fill(scores < least, NEVER)
        if self.sampling.top_p >= 1:
            return scores
        ordered, places = scores.sort(descending=False)
        rest = ordered.softmax(-1).cumsum(-1) <= 1 - self.sampling.top_p
        rest[:, -1] = False  # the best stays
        return scores.masked_fill(rest.scatter(1, places, rest), NEVER)

    def _repeated(self, chosen: torch.Tensor) -> list[int]:
        """Return the books whose code was there too often."""
        if not (window := self.sampling.ras_window):
            return []
        recent = self.rows[-window:]
        row, idle = chosen.tolist(), (self.layout.bos, self.layout.eos)
        return [
            book
            for book, code in enumerate(row)
            if code not in idle
            and sum(before[book] == code for before in recent) >= self.sampling.ras_repeats
        ]
