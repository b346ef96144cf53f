"""A tiny Higgs Audio v2 with random weights, saved as the real one is: real code, real sound."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

SPECIAL = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|scene_desc_start|>", "<|scene_desc_end|>", "<|audio_out_bos|>",
    "<|audio_eos|>", "<|AUDIO_OUT|>", "<|reserved_special_token_6|>",
)  # fmt: skip
TEMPLATE = """
{{- bos_token }}
{%- for message in messages %}
{%- if message.role == 'scene' %}
    {{- '<|scene_desc_start|>\n' }}
{%- else %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
{%- endif %}
{%- for item in message.content %}
    {%- if item.type == 'audio' %}
        {{- '<|audio_out_bos|><|AUDIO_OUT|><|audio_eos|>' }}
    {%- else %}
        {{- item.text + ('\n' if message.role == 'scene' else '') }}
    {%- endif %}
{%- endfor %}
{{- '<|scene_desc_end|>' if message.role == 'scene' else '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n<|audio_out_bos|>' }}
{%- endif %}
"""


def build(folder: Path) -> tuple[Path, Path]:
    """Write a model and a codec into *folder*; return where each is."""
    from aichat.plugins.higgs import torchaudio

    torchaudio.provide()
    import torch

    torch.set_num_threads(1)  # so small a model is slower with more
    torch.manual_seed(0)
    model, codec = folder / "model", folder / "codec"
    _model(model, _tokenizer(model))
    _codec(codec)
    return model, codec


def _tokenizer(folder: Path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    roles = {"bos_token": SPECIAL[0], "pad_token": SPECIAL[1], "eos_token": SPECIAL[4]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, additional_special_tokens=list(SPECIAL), **roles
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def _model(folder: Path, tokenizer) -> None:
    from transformers import HiggsAudioV2Config, HiggsAudioV2ForConditionalGeneration

    number = tokenizer.convert_tokens_to_ids
    config = HiggsAudioV2Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, codebook_size=1026,
        bos_token_id=number(SPECIAL[0]), pad_token_id=number(SPECIAL[1]),
        eos_token_id=number(SPECIAL[4]), audio_bos_token_id=number("<|audio_out_bos|>"),
        audio_token_id=number("<|AUDIO_OUT|>"), audio_delay_token_id=number(SPECIAL[-1]),
    )  # fmt: skip
    HiggsAudioV2ForConditionalGeneration(config).eval().save_pretrained(folder)


def _codec(folder: Path) -> None:
    from transformers import DacFeatureExtractor

    # not by the package's doors: they may have found torchaudio missing earlier
    place = "transformers.models.higgs_audio_v2_tokenizer"
    configuration = import_module(f"{place}.configuration_higgs_audio_v2_tokenizer")
    modeling = import_module(f"{place}.modeling_higgs_audio_v2_tokenizer")

    acoustic = {
        "model_type": "dac", "encoder_hidden_size": 8, "downsampling_ratios": [8, 5, 4, 2, 3],
        "decoder_hidden_size": 32, "upsampling_ratios": [8, 5, 4, 2, 3], "hidden_size": 16,
        "sampling_rate": 24_000,
    }  # fmt: skip
    semantic = {
        "model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0,
    }  # fmt: skip
    codec = modeling.HiggsAudioV2TokenizerModel(
        configuration.HiggsAudioV2TokenizerConfig(
            acoustic_model_config=acoustic, semantic_model_config=semantic,
            target_bandwidths=[0.5, 1, 1.5, 2], codebook_size=1024, codebook_dim=8,
        )
    ).eval()  # fmt: skip
    for quantizer in codec.quantizer.quantizers:
        quantizer.codebook.embed.normal_(std=50)  # loud enough to be heard
        quantizer.codebook.inited.fill_(1)
    codec.save_pretrained(folder)
    DacFeatureExtractor(feature_size=1, sampling_rate=24_000, hop_length=960).save_pretrained(
        folder
    )
