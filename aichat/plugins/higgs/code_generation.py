"""The decode loop: prompt in, one row of codes for each step out.

``generate`` of transformers hands out no codes before it has all of them. This loop gives the same
ones (greedily: token for token), as they come, and can be left in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .layout import Row
from .sampling import Sampler


def decoded(
    model: Any,
    prompt: dict[str, torch.Tensor],
    sampler: Sampler,
    longest: int,
    left: Callable[[], bool] = lambda: False,
) -> Iterator[Row]:
    """Yield rows until the model ends, there are *longest*, or the listener has *left*.

    *prompt* is what the model takes, with a batch of one.
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    given: dict[str, Any] = {**prompt, "logits_to_keep": 1}
    for _ in range(longest):
        if left():
            return
        with torch.inference_mode():
            out = model(**given, cache=cache, use_cache=True)
            row = sampler.next(out.logits[0, -1])
            given = {"audio_input_ids": row.view(1, 1, -1)}
        yield sampler.rows[-1]
        if sampler.is_over:
            return
