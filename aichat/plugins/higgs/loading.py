"""Loading what Higgs is made of: language model, tokenizer, codec. Runs in a thread."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from attrs import frozen

from aichat.core import CannotStart
from aichat.toolkit.local_model import device_of, first_line, precision_of

from . import torchaudio
from .layout import Layout
from .prompting import Prompter

LIBRARY = "transformers.models"
Dtype = Literal["auto", "bfloat16", "float16", "float32"]


@frozen
class Loaded:
    """All that speaks. *rate* in samples per second; *hop* samples are one frame."""

    model: Any
    codec: Any
    features: Any
    prompter: Prompter
    layout: Layout
    rate: int
    hop: int

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self.model.device
        return device


def load(model: Path, codec: Path, device: str, dtype: Dtype) -> Loaded:
    """Load from two folders. Raises :class:`CannotStart`."""
    place = chosen(device)
    _check(model, "higgs_audio_v2", "model_path")
    _check(codec, "higgs_audio_v2_tokenizer", "tokenizer_path")
    try:
        return _loaded(model, codec, place, precision_of(torch, dtype, place))
    except torch.OutOfMemoryError as error:
        raise CannotStart(
            f"Higgs Audio does not fit into the memory of {place}.",
            "Free some (it takes about 14 GB), or choose another [tts] backend.",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CannotStart(
            f"Higgs Audio cannot be loaded from {model} ({first_line(error)}).",
            "Fetch its weights anew, or set [tts.higgs] model_path to a folder that holds them.",
        ) from error


def chosen(device: str) -> torch.device:
    """Choose where to compute. Raises :class:`CannotStart` when that is not there."""
    place: torch.device = device_of(torch, device, "[tts.higgs] device, or DEVICE,")
    if device == "auto" and place.type == "cpu":
        raise CannotStart(
            "There is no GPU that torch can use; on a CPU, Higgs is slower than speech.",
            'Use another [tts] backend, or insist with [tts.higgs] device = "cpu".',
        )
    return place


def _check(folder: Path, wanted: str, setting: str) -> None:
    """Refuse a folder with something else in it, before gigabytes are read."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = found.get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != wanted:
        what = f"a model of the kind {kind!r}" if kind else "no config.json that can be read"
        raise CannotStart(
            f"{folder} holds {what}, not {wanted!r}.",
            f"Set [tts.higgs] {setting} to weights in the layout of transformers.",
        )


def _loaded(model: Path, codec: Path, place: torch.device, precision: torch.dtype) -> Loaded:
    torchaudio.provide()
    from transformers import AutoTokenizer, DacFeatureExtractor
    from transformers.utils import logging

    # not by the package's doors: they may have found torchaudio missing earlier
    speaking = import_module(f"{LIBRARY}.higgs_audio_v2.modeling_higgs_audio_v2")
    coding = import_module(f"{LIBRARY}.higgs_audio_v2_tokenizer.modeling_higgs_audio_v2_tokenizer")

    logging.disable_progress_bar()
    here: dict[str, Any] = {"local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(model, **here)
    features = DacFeatureExtractor.from_pretrained(codec, **here)
    coder = coding.HiggsAudioV2TokenizerModel.from_pretrained(codec, dtype=torch.float32, **here)
    coder = coder.to(place).eval()
    speaker = speaking.HiggsAudioV2ForConditionalGeneration.from_pretrained(
        model, dtype=precision, **here
    )
    speaker = speaker.to(place).eval()
    layout = Layout.of(speaker.config)
    prompter = Prompter.of(tokenizer, speaker.config, place)
    rate, hop = coder.config.sample_rate, coder.config.hop_length
    return Loaded(speaker, coder, features, prompter, layout, rate, hop)
