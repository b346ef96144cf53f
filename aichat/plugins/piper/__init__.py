"""Speech by Piper's voices: small, fast on a CPU, in some forty languages.

Each voice is a model of its own, with a licence of its own, of 20 to 115 MB. aichat needs neither
Piper nor a phonemizer: the models run in onnxruntime, and espeak-ng reads the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from aichat.core import Backend, CannotStart, Live, hookimpl
from aichat.toolkit.onnx_models import Stop
from aichat.toolkit.voices.onnx_voice import OnnxVoice, Wave
from aichat.toolkit.voices.phonemes import Phonemes
from aichat.toolkit.voices.stock import FASTEST, SLOWEST, Choice, StockVoice
from aichat.toolkit.weights import Weights

from .catalogue import DEFAULT, described, place_of
from .model import PiperModel, load

NAME_A_FILE = "set [tts.piper] voices to paths of .onnx files with their .onnx.json beside them."


@hookimpl
def tts_backend() -> Backend[Piper]:
    """Offer Piper."""
    return Backend("piper", Piper)


class Piper(OnnxVoice):
    """Speaks in *voices*: names of Piper's, or paths of ONNX files.

    *speed* 1 is as they were trained. *threads* for one clause; 0: those that fit the machine.
    """

    name, what = "piper", "Piper"
    by_hand = NAME_A_FILE
    sample_rate = 22_050

    def __init__(
        self,
        voices: list[str] | None = None,
        speed: Annotated[float, Live(SLOWEST, FASTEST, label="Speed")] = 1.0,
        max_concurrent: int = 2,
        threads: int = 0,
        download: bool = True,
    ) -> None:
        super().__init__(max_concurrent, download)
        self.voices = list(DEFAULT) if voices is None else voices
        self.speed, self.threads = speed, threads

    @property
    def weights(self) -> Sequence[Weights]:
        return tuple(place_of(voice).weights for voice in self.voices)

    def _load(self, folders: Sequence[Path]) -> dict[str, tuple[StockVoice, PiperModel]]:
        if not self.voices:
            raise CannotStart("Piper has no voice.", "Name one in [tts.piper] voices.")
        runtime = import_module("onnxruntime")
        found = {}
        for voice, folder in zip(self.voices, folders, strict=True):
            place = place_of(voice)
            file = place.model(folder)
            model = load(file, runtime, self.threads, self.sample_rate, f"Or {NAME_A_FILE}")
            found[place.name] = described(place.name, model.language), model
        return found

    def _stock(self) -> Sequence[StockVoice]:
        return [stock for stock, _ in self._running().values()]

    def _model(self, stock: StockVoice) -> PiperModel:
        found: Any = self._running()
        model: PiperModel = found[stock.name][1]
        return model

    def _phonemes(self, text: str, stock: StockVoice) -> Phonemes:
        return self._model(stock).phonemes(text)

    def _synthesised(self, phonemes: Phonemes, choice: Choice, stop: Stop) -> Wave:
        return self._model(choice.stock).say(phonemes, choice.speed, 0, stop)
