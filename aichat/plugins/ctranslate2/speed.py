"""Measures how fast CTranslate2 computes here, with layers like those of a model of 1.5 billion.

A language model reads all its weights for each token of a reply, so its speed follows its size. The
layers are made up and as many as do not fit a processor's cache; no model is needed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from attrs import evolve

from aichat.toolkit.model_choices import Rate
from aichat.toolkit.weights import MB

from .loading import MODEL, generator_on
from .placement import Placement

WIDTH, INNER, HEADS, KEY_HEADS, LAYERS = 1_536, 8_960, 12, 2, 2
VOCABULARY = 64
TOKENS, PROMPT = 24, 64
START = "t3"


@cache
def measured(placement: Placement) -> Rate:
    """Measure this machine, once. Blocks for a second or two."""
    with TemporaryDirectory(prefix="aichat-speed-") as folder:
        _save(folder)
        megabytes = Path(folder, MODEL).stat().st_size / MB
        # one reply at once, so that the same thread computes all of them
        generator = generator_on(Path(folder), evolve(placement, replies=1))
        before = _times(generator, [START], 2)  # the first is slower
        times = _times(generator, [START], TOKENS)
        (read,) = _times(generator, [START] * PROMPT, 1)
    token = (times[-1] - before[-1]) / TOKENS
    return Rate(write=megabytes / token, read=PROMPT * megabytes / (read - times[-1]))


def _times(generator: Any, prompt: Sequence[str], count: int) -> list[float]:
    """Return when each of *count* tokens was written, in seconds of the thread that computes.

    Its processor time is what an idle machine takes; a GPU is waited for.
    """
    clock = time.thread_time if generator.device == "cpu" else time.perf_counter
    times: list[float] = []

    def note(step: object) -> bool:
        times.append(clock())  # called in the thread that computes
        return False

    generator.generate_batch(
        [list(prompt)],
        max_length=count,
        min_length=count,
        include_prompt_in_result=False,
        callback=note,
    )
    return times


def _save(folder: str) -> None:
    """Write a model of the usual form, all of whose numbers are the same."""
    model = _form()
    decoder, norm = model.decoder, np.ones(WIDTH, np.float32)
    decoder.scale_embeddings, decoder.layer_norm.gamma = False, norm
    keys = 2 * KEY_HEADS * WIDTH // HEADS
    sizes = [(decoder.embeddings, VOCABULARY, WIDTH), (decoder.projection, VOCABULARY, WIDTH)]
    for layer in decoder.layer:
        attention, feed = layer.self_attention, layer.ffn
        attention.layer_norm.gamma = feed.layer_norm.gamma = norm
        sizes += [(attention.linear[0], WIDTH + keys, WIDTH), (attention.linear[1], WIDTH, WIDTH)]
        sizes += [(feed.linear_0, INNER, WIDTH), (feed.linear_0_noact, INNER, WIDTH)]
        sizes += [(feed.linear_1, WIDTH, INNER)]
    for one, rows, columns in sizes:
        one.weight = np.ones((rows, columns), np.int8)
        one.weight_scale = np.full(rows, 127, np.float32)
    _named(model)
    model.validate()
    model.save(folder)


def _form() -> Any:
    from ctranslate2.specs import (  # type: ignore[import-untyped, unused-ignore]
        common_spec,
        transformer_spec,
    )

    return transformer_spec.TransformerDecoderModelSpec.from_config(
        LAYERS,
        HEADS,
        pre_norm=True,
        activation=common_spec.Activation.SWISH,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        num_heads_kv=KEY_HEADS,
    )


def _named(model: Any) -> None:
    tokens = [f"t{number}" for number in range(VOCABULARY)]
    model.register_vocabulary(tokens)
    model.config.bos_token, model.config.eos_token, model.config.unk_token = tokens[:3]
