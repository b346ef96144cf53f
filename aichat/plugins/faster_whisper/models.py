"""The models that faster-whisper knows by name, and the languages that they write."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from aichat.core import CannotStart
from aichat.toolkit.weights import Weights

FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
MAIN = "model.bin"

SIZES = (
    *("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium"),
    *("large-v1", "large-v2", "large-v3"),
)
REPOSITORIES = {
    **{size: f"Systran/faster-whisper-{size}" for size in SIZES},
    "large": "Systran/faster-whisper-large-v3",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""As in faster_whisper.utils, whose import would take a second."""


def weights_of(model: str) -> Weights:
    """Say which files *model* stands for: a folder, a name, or a repository on the hub."""
    if Path(model).expanduser().is_dir():
        return Weights(model)
    if model in REPOSITORIES:
        return Weights(model, REPOSITORIES[model], FILES, MAIN)
    if model.count("/") == 1 and not model.startswith(("/", ".", "~")):
        return Weights(model, model, FILES, MAIN)
    raise CannotStart(
        f"There is no Whisper model and no folder {model!r}.", _mend(model, REPOSITORIES)
    )


def model_for(model: str, language: str | None) -> str:
    """Return the variant of *model* that writes a language: "base" in place of "base.en"."""
    return model if language in (None, "en") else multilingual(model)


def multilingual(model: str) -> str:
    """Return the variant of *model* that writes all languages; itself if there is no other."""
    every = model.removesuffix(".en")
    return every if every in SIZES else model


def known_language(language: str, known: Iterable[str], model: str) -> None:
    """Raise :class:`CannotStart` for a language that the model does not write."""
    codes = list(known)
    if language in codes:
        return
    if codes == ["en"]:
        raise CannotStart(
            f"{model} writes English only, not {language!r}.",
            "Choose a model whose name does not end with .en, or leave out the language.",
        )
    raise CannotStart(f"Whisper knows no language {language!r}.", _mend(language, codes))


def _mend(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
