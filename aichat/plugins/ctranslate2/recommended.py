"""Models that are recommended: chat models in CTranslate2's format, free to use for any purpose."""

from __future__ import annotations

from aichat.toolkit.model_choices import ModelChoice
from aichat.toolkit.weights import Weights

FILES = ("*.json", "*.jinja", "*.txt", "model.bin")
MAIN = "model.bin"
APACHE = "Apache-2.0"


def _choice(
    name: str, repository: str, revision: str | None, megabytes: int, about: str
) -> ModelChoice:
    weights = Weights(name, f"jncraton/{repository}", FILES, MAIN, revision)
    return ModelChoice(weights, megabytes, APACHE, about)


RECOMMENDED = (
    _choice(
        "qwen2.5-0.5b-instruct-ct2",
        "Qwen2.5-0.5B-Instruct-ct2-int8",
        "4c6321ff9d93b9c0d838e4cfa1397eb75cea5ceb",
        500,
        "The fastest; says little of sense.",
    ),
    _choice(
        "qwen2.5-1.5b-instruct-ct2",
        "Qwen2.5-1.5B-Instruct-ct2-int8",
        "55bb006d27f0b32c8b872a49fecc1d27b5071276",
        1_557,
        "Small talk, on a fast processor.",
    ),
    _choice(
        "qwen3-1.7b-ct2",
        "Qwen3-1.7B-ct2-int8",
        None,
        1_742,
        "Small talk in many languages.",
    ),
    _choice(
        "qwen3-4b-instruct-2507-ct2",
        "Qwen3-4B-Instruct-2507-ct2-int8",
        "ab26c167dd687295980bbfc9f6b696f455b794c4",
        4_045,
        "Good conversation; wants a GPU or a very fast processor.",
    ),
)
"""Smallest first. Qwen 2.5 of 3 billion is not among them: its licence is for research alone."""
USUAL = "qwen2.5-1.5b-instruct-ct2"
"""The one that is named where none is here."""


def known_as(name: str) -> Weights | None:
    """Return the weights of the recommended model of that name."""
    return next((one.weights for one in RECOMMENDED if one.name == name), None)
