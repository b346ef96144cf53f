"""A tiny Whisper model that says one given sentence whatever it hears: real code, known text.

The residual branches of its decoder are zero and the embedding of position n is that of the nth
token to say, so that the output layer (the same embeddings) names that token.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WIDTH, HEADS, MELS = 64, 2, 80
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def build(folder: Path, say: str) -> Path:
    """Write a model that says *say* into *folder*."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    tokenizer = _tokenizer()
    size = tokenizer.get_vocab_size()
    words = [*tokenizer.encode(f" {say}").ids, tokenizer.token_to_id("<|endoftext|>")]
    spec = WhisperSpec(1, HEADS, 1, HEADS)
    _fill(spec, size, words)
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    spec.register_vocabulary([names[number] for number in range(size)])
    spec.config.lang_ids = sorted(tokenizer.token_to_id(f"<|{name}|>") for name in _languages())
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


def _languages():
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return list(_LANGUAGE_CODES)[:99]


def _tokenizer():
    """Byte-level, with one token for " a", as Whisper's; the empty token marks it multilingual."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    known = [*alphabet, *(f"\u0120{letter}" for letter in LETTERS), ""]
    merges = [("\u0120", letter) for letter in LETTERS]
    tokenizer = Tokenizer(models.BPE({name: n for n, name in enumerate(known)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"{step * 0.02:.2f}" for step in range(1501)]
    special = ["endoftext", "startoftranscript", *_languages(), *tasks, *times]
    tokenizer.add_special_tokens([f"<|{name}|>" for name in special])
    return tokenizer


def _fill(spec, size: int, words: list[int]) -> None:
    chance = np.random.default_rng(0)

    def ones(*shape: int):
        return np.ones(shape, np.float32)

    def zeros(*shape: int):
        return np.zeros(shape, np.float32)

    def norm(layer) -> None:
        layer.gamma, layer.beta = ones(WIDTH), zeros(WIDTH)

    def linear(layer, rows: int, columns: int = WIDTH) -> None:
        layer.weight, layer.bias = zeros(rows, columns), zeros(rows)

    def attention(layer, widths: tuple[int, ...]) -> None:
        norm(layer.layer_norm)
        for part, width in zip(layer.linear, widths, strict=True):
            linear(part, width)

    for block in (*spec.encoder.layer, *spec.decoder.layer):
        attention(block.self_attention, (3 * WIDTH, WIDTH))
        norm(block.ffn.layer_norm)
        linear(block.ffn.linear_0, WIDTH)
        linear(block.ffn.linear_1, WIDTH)
    for block in spec.decoder.layer:
        attention(block.attention, (WIDTH, 2 * WIDTH, WIDTH))
    for convolution, channels in ((spec.encoder.conv1, MELS), (spec.encoder.conv2, WIDTH)):
        convolution.weight = 0.1 * chance.standard_normal((WIDTH, channels, 3), np.float32)
        convolution.bias = zeros(WIDTH)
    norm(spec.encoder.layer_norm)
    norm(spec.decoder.layer_norm)
    spec.encoder.position_encodings.encodings = zeros(1500, WIDTH)
    known = chance.standard_normal((size, WIDTH), np.float32)
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    places = zeros(448, WIDTH)
    places[3:] = 20 * known[words[-1]]  # three places of prompt, then the words
    places[3 : 3 + len(words)] = 20 * known[words]
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = known
    spec.decoder.position_encodings.encodings = places
