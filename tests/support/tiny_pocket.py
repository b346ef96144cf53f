"""The smallest model of pocket-tts with random weights, saved as a real one is, and two voices."""

from __future__ import annotations

import string
from pathlib import Path

from aichat.core.testing.tts_contract import LONG_TEXT, SENTENCE


def build(folder: Path) -> tuple[Path, Path]:
    """Write a model; return its YAML file and the folder of its voices."""
    import pocket_tts
    import torch
    import yaml
    from safetensors.torch import save_file

    recipe = Path(pocket_tts.__file__).parent / "config" / "english_2m_2026-10.yaml"
    content = yaml.safe_load(recipe.read_text())
    for key in ("weights_path", "weights_path_without_voice_cloning"):
        content.pop(key)
    # with random weights it would never end by itself, or at once: it ends as soon as it may
    content["default_eos_threshold"] = -1e9
    table = content["flow_lm"]["lookup_table"]
    table |= {"tokenizer": "tokenizers", "tokenizer_path": str(folder / "tokenizer.json")}
    _tokenizer(table["n_bins"]).save(table["tokenizer_path"])
    made = folder / "tiny.yaml"
    made.write_text(yaml.safe_dump(content))
    torch.manual_seed(0)
    model = pocket_tts.TTSModel.load_model(config=made)
    _make_audible(model)
    save_file(model.state_dict(), folder / "model.safetensors")
    content["weights_path"] = str(folder / "model.safetensors")
    made.write_text(yaml.safe_dump(content))
    voices = folder / "voices"
    voices.mkdir()
    for number, name in enumerate(("alba", "marius")):
        noise = 0.05 * torch.randn(1, 24_000, generator=torch.Generator().manual_seed(number))
        state = model.get_state_for_audio_prompt(noise)
        pocket_tts.export_model_state(state, voices / f"{name}.safetensors")
    return made, voices


def _make_audible(model) -> None:
    """Bring the sound of random weights to the loudness of speech."""
    last = [layer for layer in model.mimi.decoder.modules() if hasattr(layer, "weight")][-1]
    last.weight.data *= 5


def _tokenizer(size: int):
    """Learn the words of the contract's texts, so that they are as few tokens as the real one's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    letters = [*string.ascii_letters, *string.digits, *string.punctuation]
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>"], initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator([LONG_TEXT, SENTENCE], trainer)
    tokenizer.add_tokens([f"<x{n}>" for n in range(size - tokenizer.get_vocab_size())])
    return tokenizer
