"""Loads a model in CTranslate2's format from a folder, with its tokeniser and its template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aichat.core import CannotStart
from aichat.toolkit.local_model import first_line

from .chat_template import end_tokens, json_in, template_of
from .generation import Writer
from .placement import Placement
from .prompt_cache import PromptCache
from .sampling import sampling_of

MODEL, TOKENIZER = "model.bin", "tokenizer.json"
KEPT_TOKENS = 2_048
"""Most tokens of system prompts that stay computed: 0.1 to 0.6 GB, by the model."""
CONVERT = (
    "Convert the original with `ct2-transformers-converter --model MODEL --output_dir FOLDER "
    "--quantization int8 --copy_files tokenizer.json tokenizer_config.json`"
)


def load(folder: Path, name: str, placement: Placement, context_tokens: int) -> Writer:
    """Load the model in *folder*. Raises :class:`CannotStart`."""
    _check(folder)
    tokenizer = _tokenizer(folder)

    def has_token(token: str) -> bool:
        return tokenizer.token_to_id(token) is not None

    template = template_of(folder, has_token)
    generator = generator_on(folder, placement)
    context_tokens = min(context_tokens, _longest(folder))
    return Writer(
        generator,
        PromptCache(generator, most=min(context_tokens, KEPT_TOKENS)),
        tokenizer,
        template,
        sampling_of(json_in(folder, "generation_config.json")),
        [tokenizer.token_to_id(token) for token in end_tokens(folder, has_token)],
        name,
        context_tokens,
    )


def _check(folder: Path) -> None:
    if not (folder / MODEL).is_file():
        raise CannotStart(
            f"{folder} holds no model in CTranslate2's format: {MODEL} is missing.",
            f"{CONVERT}, and set [llm.ctranslate2] model to that folder.",
        )
    if not (folder / TOKENIZER).is_file():
        raise CannotStart(
            f"{folder} holds no {TOKENIZER}.",
            f"Copy {TOKENIZER} and tokenizer_config.json of the original model to it.",
        )


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises nothing narrower
        raise CannotStart(
            f"{folder / TOKENIZER} cannot be read ({first_line(error)}).",
            "Copy it anew from the original model.",
        ) from error


def generator_on(folder: Path, placement: Placement) -> Any:
    """Load onto the GPU, else the CPU; all replies share the weights."""
    import ctranslate2  # type: ignore[import-untyped, unused-ignore]

    on_gpu = placement.device != "cpu" and ctranslate2.get_cuda_device_count() > 0
    devices = ["cuda", "cpu"][not on_gpu :] if placement.device == "auto" else [placement.device]
    for device in devices:
        try:
            return ctranslate2.Generator(
                str(folder),
                device=device,
                compute_type=placement.type_on(device),
                intra_threads=placement.usual_threads,
                inter_threads=placement.replies,
            )
        except (RuntimeError, ValueError) as error:
            reason = error
    raise CannotStart(
        f"The language model cannot be loaded from {folder} ({first_line(reason)}).",
        f'{CONVERT}, or set [llm.ctranslate2] device to "cpu".',
    ) from reason


def _longest(folder: Path) -> int:
    """Return how many tokens the model can read, as far as its files say."""
    stated = json_in(folder, "tokenizer_config.json").get("model_max_length")
    return int(stated) if isinstance(stated, (int, float)) and 0 < stated < 1e7 else 10_000_000
