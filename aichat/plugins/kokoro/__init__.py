"""Speech by Kokoro-82M, or by KittenTTS, which is asked in the same way: natural, on a CPU.

All weights are under Apache-2.0. The models run in onnxruntime, and espeak-ng reads the text. A
clause is synthesised whole, so it is heard only when all of it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

from aichat.core import Backend, Live, hookimpl
from aichat.toolkit.onnx_models import Stop
from aichat.toolkit.voices.onnx_voice import OnnxVoice, Wave
from aichat.toolkit.voices.phonemes import Phonemes
from aichat.toolkit.voices.stock import FASTEST, SLOWEST, Choice, StockVoice
from aichat.toolkit.weights import Weights

from .catalogue import weights_of
from .model import RATE, StyleModel, load

SET_A_FOLDER = "set [tts.kokoro] model to a folder that holds the same files."


@hookimpl
def tts_backend() -> Backend[Kokoro]:
    """Offer Kokoro and KittenTTS."""
    return Backend("kokoro", Kokoro)


class Kokoro(OnnxVoice):
    """Speaks with *model*: a name, or a folder with the files of the repository on the hub.

    *speed* 1 is as they were trained. *threads* for one clause; 0: those that fit the machine.
    """

    name, what = "kokoro", "Kokoro"
    by_hand = SET_A_FOLDER
    sample_rate = RATE
    most_phonemes = 480

    def __init__(
        self,
        model: str = "kokoro-82m",
        speed: Annotated[float, Live(SLOWEST, FASTEST, label="Speed")] = 1.0,
        max_concurrent: int = 1,
        threads: int = 0,
        download: bool = True,
    ) -> None:
        super().__init__(max_concurrent, download)
        self.model, self.speed, self.threads = model, speed, threads

    @property
    def weights(self) -> Sequence[Weights]:
        return (weights_of(self.model),)

    def _load(self, folders: Sequence[Path]) -> StyleModel:
        (folder,) = folders
        runtime = import_module("onnxruntime")
        return load(folder.expanduser(), runtime, self.threads, f"Or {SET_A_FOLDER}")

    def _stock(self) -> Sequence[StockVoice]:
        return [one.stock for one in self._model().voices.values()]

    def _model(self) -> StyleModel:
        model: StyleModel = self._running()
        return model

    def _phonemes(self, text: str, stock: StockVoice) -> Phonemes:
        return self._model().spelling.phonemes(text, stock.language)

    def _synthesised(self, phonemes: Phonemes, choice: Choice, stop: Stop) -> Wave:
        return self._model().say(phonemes, choice.stock.name, choice.speed, stop)
