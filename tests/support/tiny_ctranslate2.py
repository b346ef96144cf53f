"""The tiny chat model in CTranslate2's format, as a conversion of a real one is."""

from __future__ import annotations

from pathlib import Path

from . import tiny_chat_model

COPIED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def build(folder: Path, template: str = tiny_chat_model.TEMPLATE) -> Path:
    """Write a model into *folder*."""
    from ctranslate2.converters import TransformersConverter

    original = tiny_chat_model.build(folder / "original", template)
    converter = TransformersConverter(str(original), copy_files=list(COPIED))
    return Path(converter.convert(str(folder / "converted"), quantization="int8"))
