"""Converts a Llama model from a GGUF file to what transformers and CTranslate2 read.

It runs in a process of its own, which takes the 1.2 GB that it needs with it. transformers could
read the file itself, but only with accelerate, whose presence changes how it loads other models.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.converters import TransformersConverter
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTROL = 3
"""The kind of a token that no text contains."""
PREFIXES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""What the tensors are called in both formats."""


def convert(file: Path, folder: Path) -> None:
    """Write the folders `transformers` and `ctranslate2` (8 bit) into *folder*."""
    reader = GGUFReader(file)
    plain = folder / "transformers"
    plain.mkdir()
    save_file(dict(_tensors(reader)), plain / "model.safetensors", metadata={"format": "pt"})
    for name, content in (
        ("config.json", _config(reader)),
        ("generation_config.json", _special(reader)),
        ("tokenizer_config.json", _tokenizer_config(reader)),
    ):
        plain.joinpath(name).write_text(json.dumps(content, indent=2))
    plain.joinpath("chat_template.jinja").write_text(_field(reader, "tokenizer.chat_template"))
    _tokenizer(reader).save(str(plain / "tokenizer.json"))
    copied = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
    converter = TransformersConverter(str(plain), copy_files=copied, low_cpu_mem_usage=True)
    converter.convert(str(folder / "ctranslate2"), quantization="int8")


def _field(reader: GGUFReader, name: str) -> Any:
    field = reader.get_field(name)
    assert field, name
    return field.contents()


def _tensors(reader: GGUFReader) -> Iterator[tuple[str, torch.Tensor]]:
    heads = {
        "attn_q": _field(reader, "llama.attention.head_count"),
        "attn_k": _field(reader, "llama.attention.head_count_kv"),
    }
    for tensor in reader.tensors:
        *block, name, weight = tensor.name.split(".")
        values = dequantize(tensor.data, tensor.tensor_type)
        if name in heads:
            values = _halves_apart(values, heads[name])
        place = f"model.layers.{block[1]}." if block else ""
        yield f"{place}{PREFIXES[name]}.{weight}", torch.tensor(values).to(torch.bfloat16)


def _halves_apart(values: np.ndarray, heads: int) -> np.ndarray:
    """Put the rows of each head into the order of transformers: first halves, second halves."""
    rows, columns = values.shape
    pairs = values.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def _config(reader: GGUFReader) -> dict[str, Any]:
    names = {
        "vocab_size": "vocab_size",
        "hidden_size": "embedding_length",
        "intermediate_size": "feed_forward_length",
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "max_position_embeddings": "context_length",
        "rms_norm_eps": "attention.layer_norm_rms_epsilon",
        "rope_theta": "rope.freq_base",
    }
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "tie_word_embeddings": True,
        **_special(reader),
        **{ours: _field(reader, f"llama.{theirs}") for ours, theirs in names.items()},
    }


def _special(reader: GGUFReader) -> dict[str, int]:
    return {
        f"{name}_token_id": _field(reader, f"tokenizer.ggml.{theirs}_token_id")
        for name, theirs in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }


def _tokenizer(reader: GGUFReader) -> Tokenizer:
    tokens = _field(reader, "tokenizer.ggml.tokens")
    kinds = _field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(pair.split(" ")) for pair in _field(reader, "tokenizer.ggml.merges")]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    digits, letters = pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])
    made.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    made.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in control]
    )
    return made


def _tokenizer_config(reader: GGUFReader) -> dict[str, Any]:
    tokens = _field(reader, "tokenizer.ggml.tokens")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": _field(reader, "llama.context_length"),
        **{name.removesuffix("_id"): tokens[number] for name, number in _special(reader).items()},
    }


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
