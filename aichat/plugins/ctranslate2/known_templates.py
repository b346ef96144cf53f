"""Chat templates of families of models, each with the special tokens by which it is known.

A conversion to CTranslate2 often comes without the template of its model.
"""

from __future__ import annotations

CHAT_ML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{{- '<|im_start|>assistant\\n' }}"""
"""Qwen 2.5, SmolLM2 and many others."""

CHAT_ML_THINKING = CHAT_ML + "{{- '<think>\\n\\n</think>\\n\\n' }}"
"""Qwen 3: as its own template has it when the model is not to think."""

LLAMA_3 = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
{{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"""

GEMMA = """\
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}
{{- message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{{- '<start_of_turn>model\\n' }}"""

PHI = """\
{%- for message in messages %}
{{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}
{%- endfor %}
{{- '<|assistant|>\\n' }}"""
"""Phi 3."""

KNOWN_TEMPLATES = (
    (("<|im_start|>", "<|im_end|>", "<think>"), CHAT_ML_THINKING),
    (("<|im_start|>", "<|im_end|>"), CHAT_ML),
    (("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), LLAMA_3),
    (("<start_of_turn>", "<end_of_turn>"), GEMMA),
    (("<|user|>", "<|assistant|>", "<|end|>"), PHI),
)
"""The first of which a model has all tokens is its own."""
