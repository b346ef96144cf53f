"""Speech to text by Whisper, on this machine, through faster-whisper.

The weights come from a folder, from the Hugging Face cache, or are downloaded while another
recogniser serves. CTranslate2 releases the GIL, so it runs in a few worker threads that all
sessions share; it cannot be interrupted, so a cancelled call leaves at once and its thread ends on
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import anyio
import numpy as np
from anyio import to_thread
from anyio.abc import TaskGroup

from aichat.core import (
    AichatError,
    Backend,
    BackendFailed,
    CannotStart,
    ForeignSpeech,
    Utterance,
    hookimpl,
)
from aichat.core.registry.live_settings import Live
from aichat.toolkit.local_model import LocalModel
from aichat.toolkit.weights import Weights, fetched

from .hallucinations import UNLIKELY, is_imagined
from .languages import Heard, is_doubtful, spoken, spoken_at_the_start, surely_spoken
from .models import known_language, model_for, multilingual, weights_of
from .second_model import SecondModel
from .short_context import encode, transcribe
from .windows import RATE, windows

SECOND = 32_000
"""Bytes of one second at 16 kHz."""
SHORTEST = SECOND // 10
"""Samples of the shortest audio that is transcribed."""

VAD = {
    "threshold": 0.3,  # the stage has heard a voice already: only what is surely none is cut out
    "min_silence_duration_ms": 1_000,  # a pause to think; Whisper makes up words in longer ones
    "speech_pad_ms": 200,
}
TOKENS_PER_SECOND, MORE_TOKENS, MOST_TOKENS = 15, 40, 110
"""Nobody says more; it is Whisper that repeats itself, for seconds, and is stopped there."""
SHORT_INTERIM, SHORT_FINAL = 18, 9
"""Seconds up to which an interim and a final transcript are made with a short context."""
WORDS_PER_SECOND = 0.5
"""Fewest words a second of speech: people who pause a lot say more."""

ENGLISH = "en"
"""The only language of the models that end with .en."""
SET_THE_LANGUAGE = (
    "Set your language on the page Speech, or as language under [stt.faster_whisper]."
)
ANOTHER_MODEL = (
    "Choose a model whose name does not end with .en, as model under [stt.faster_whisper]."
)
MEGABYTES = {"base.en": 145, "tiny.en": 75}
"""The models that suit a CPU."""
SET_A_FOLDER = "set [stt.faster_whisper] model to a folder."


@hookimpl
def stt_backend() -> Backend[FasterWhisper]:
    """Offer faster-whisper."""
    return Backend("faster_whisper", FasterWhisper, models=MEGABYTES)


class FasterWhisper(LocalModel):
    """Transcribes utterances; *language* as "de"; not set: what each user is likely to speak.

    An English *model* is joined by its multilingual variant once a user is likely to speak another
    language, and serves until that is ready. A multilingual one detects the language each time.

    *beam_size* and *vad_filter* (leave out long silence, in which Whisper makes up words) are for
    final transcripts; interim ones are made the fast way. *hotwords* are names and words to
    expect, beside those of the characters. *workers*: utterances transcribed at once, each on
    *threads* CPU threads; the workers share the weights.
    """

    part, name, what = "stt", "faster_whisper", "Whisper"
    extra, packages = "whisper", ("faster_whisper",)
    by_hand = SET_A_FOLDER

    def __init__(
        self,
        model: str = "base.en",
        device: str = "auto",
        compute_type: str = "default",
        language: Annotated[
            str | None,
            Live(help='The language you speak, such as "de". Empty: that of your browser.'),
        ] = None,
        beam_size: int = 1,
        vad_filter: bool = True,
        hotwords: list[str] | None = None,
        download: bool = True,
        threads: int = 2,
        workers: int = 2,
    ) -> None:
        super().__init__(workers, download)
        self.model = model_for(model, language)
        self.device, self.compute_type = device, compute_type
        self.language, self.beam_size, self.vad_filter = language, beam_size, vad_filter
        self.hotwords, self.threads = hotwords or [], threads
        self._second: SecondModel | None = None
        self._tasks: TaskGroup | None = None

    @property
    def weights(self) -> Sequence[Weights]:
        return (weights_of(self.model),)

    async def __aenter__(self) -> Self:
        self.model = model_for(self.model, self.language)
        if (every := multilingual(self.model)) != self.model:
            self._second = SecondModel(
                weights_of(every), self._load_second, lambda line: self.report(line)
            )
        await super().__aenter__()
        self._tasks = await anyio.create_task_group().__aenter__()
        if self._second:
            self._tasks.start_soon(self._second.run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks, self._tasks = self._tasks, None
        try:
            if tasks is not None:
                tasks.cancel_scope.cancel()
                await tasks.__aexit__(None, None, None)
        finally:
            await super().__aexit__(kind, error, traceback)

    def prepare(self, languages: tuple[str, ...]) -> None:
        """Load the multilingual model, if one of *languages* needs it."""
        if self._second and self._is_another(languages):
            self._second.want()

    async def transcribe(self, utterance: Utterance) -> str:
        if len(utterance.pcm) < SHORTEST:
            return ""
        engine = self._engine_for(utterance.languages)
        return await self._done(lambda left: self._write_down(engine, utterance, left))

    def _is_another(self, languages: tuple[str, ...]) -> bool:
        """Return whether another language than English is set, or likely to be spoken."""
        return (self.language or next(iter(languages), ENGLISH)) != ENGLISH

    def _engine_for(self, languages: tuple[str, ...]) -> Any:
        """Return the model for what is likely to be spoken; the English one until that is here."""
        engine, second = self._running(), self._second
        if second is None or not self._is_another(languages):
            return engine
        if not second.failure:
            second.want()
        return second.engine or engine

    async def _explained(self, error: Exception) -> AichatError:
        if isinstance(error, AichatError):
            return error
        return BackendFailed(
            f"Whisper failed ({error}).", "Speak again, or choose another recogniser."
        )

    def _write_down(self, engine: Any, utterance: Utterance, left: Callable[[], bool]) -> str:
        texts: list[str] = []
        is_foreign = False
        names = dict.fromkeys([*self.hotwords, *utterance.hotwords])
        # as a sentence: without its full stop Whisper writes none
        expected = f"{', '.join(names)}." if names else None
        for window in windows(samples(utterance.pcm)):
            if left():
                break
            heard = self._hear(engine, window, utterance, expected)
            if expected and _is_lost(heard.passages, len(window) / RATE):
                heard = self._hear(engine, window, utterance, None)
            texts += [one.text.strip() for one in heard.passages if not _is_imagined(one)]
            is_foreign = is_foreign or self._is_foreign(engine, heard)
        text = " ".join(texts)
        if is_foreign and utterance.final and len(utterance.pcm) >= SECOND:
            return self._advised(engine, text)
        return text

    def _hear(self, engine: Any, window: Any, utterance: Utterance, expected: str | None) -> Heard:
        """Return the text of a window in pieces, each with how likely it is."""
        final, likely = utterance.final, utterance.languages
        language, beams = self._language(engine), self.beam_size if final else 1
        surely = None
        if len(window) < RATE * (SHORT_FINAL if final else SHORT_INTERIM):
            speech = self._speech(window) if final else window
            if not len(speech):
                return Heard()
            encoded, seconds = encode(engine, speech), len(speech) / RATE
            surely = surely_spoken(engine, encoded) if self.language and final else None
            language = language or spoken(engine, encoded, likely)
            short = transcribe(engine, encoded, seconds, language, expected, beams)
            if short is not None:
                return Heard((short,), surely)
        elif likely:
            language = language or spoken_at_the_start(engine, window, likely)
        segments, _ = engine.transcribe(
            window,
            language=language,
            beam_size=beams,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            hotwords=expected,
            max_new_tokens=most_tokens(len(window) / RATE),
            vad_filter=self.vad_filter and final,
            vad_parameters=VAD,
        )
        return Heard(tuple(segments), surely)

    def _is_foreign(self, engine: Any, heard: Heard) -> bool:
        """Return whether another language was spoken than this model is to write."""
        if engine.model.is_multilingual:
            return heard.language not in (None, self.language)
        return is_doubtful(heard.passages)

    def _advised(self, engine: Any, text: str) -> str:
        """Add to a transcript what the user should change."""
        if engine.model.is_multilingual:
            problem = f"You seem to speak another language than {self.language!r}, which is set."
            return ForeignSpeech(text, f"{problem} {SET_THE_LANGUAGE}")
        if (second := self._second) and second.is_coming:
            return text
        problem = f"You seem not to speak English, and Whisper {self.model} writes nothing else."
        if second is None:
            return ForeignSpeech(text, f"{problem} {ANOTHER_MODEL}")
        missing = f" {second.failure}" if second.failure else ""
        return ForeignSpeech(text, f"{problem} {SET_THE_LANGUAGE}{missing}")

    def _language(self, engine: Any) -> str | None:
        """Return the language that a model is to write; None: the one that it hears."""
        if not engine.model.is_multilingual:
            return ENGLISH
        if self.language is not None:
            known_language(self.language, engine.supported_languages, self.model)
        return self.language

    def _speech(self, window: Any) -> Any:
        """Leave out long silence; without any, the final text is that of the interim audio."""
        from faster_whisper.vad import VadOptions, collect_chunks, get_speech_timestamps

        if not self.vad_filter:
            return window
        chunks, _ = collect_chunks(window, get_speech_timestamps(window, VadOptions(**VAD)))
        spoken = np.concatenate(chunks)
        return spoken if not len(spoken) or len(window) - len(spoken) > RATE else window

    # -- the start ---------------------------------------------------------------------------

    async def _load_second(self, weights: Weights) -> Any:
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        folder = await fetched(
            weights, hub, self.report, allowed=self.download, otherwise=self.by_hand
        )
        return await to_thread.run_sync(self._load, [folder], abandon_on_cancel=True)

    def _load(self, folders: Sequence[Path]) -> Any:
        """Load onto the GPU, else the CPU. The first transcription shows whether it works."""
        import ctranslate2  # type: ignore[import-untyped, unused-ignore]

        (folder,) = folders
        on_gpu = self.device != "cpu" and ctranslate2.get_cuda_device_count() > 0
        devices = [self.device] if self.device != "auto" else ["cuda", "cpu"][not on_gpu :]
        for device in devices:
            try:
                return self._loaded(folder, device)
            except (RuntimeError, ValueError, OSError) as error:
                reason = error
        raise CannotStart(
            f"Whisper cannot be loaded from {folder} ({reason}).", f"Mend it, or {SET_A_FOLDER}"
        ) from reason

    def _loaded(self, folder: Path, device: str) -> Any:
        from faster_whisper import WhisperModel

        smaller = "int8" if device == "cpu" and self.compute_type == "default" else None
        engine = WhisperModel(
            str(folder),
            device=device,
            compute_type=smaller or self.compute_type,
            cpu_threads=self.threads,
            num_workers=self.max_concurrent,
        )
        if self.language is not None and self._second is None:
            known_language(self.language, engine.supported_languages, self.model)
        self._hear(engine, samples(bytes(SECOND)), Utterance("", b"", final=False), None)
        return engine


def most_tokens(seconds: float) -> int | None:
    """Return how long the text of short audio may get; for long audio Whisper has a limit.

    CTranslate2 halves it, so it is twice what is meant; more would leave no room for hotwords.
    """
    most = MORE_TOKENS + round(TOKENS_PER_SECOND * seconds)
    return 2 * most if most <= MOST_TOKENS else None


def _is_lost(passages: Sequence[Any], seconds: float) -> bool:
    """Return whether hardly a word was written of long audio, and that word is unlikely.

    It happens with words to expect, to one window in many.
    """
    count = sum(len(one.text.split()) for one in passages)
    return count < WORDS_PER_SECOND * seconds and any(
        one.avg_logprob < UNLIKELY for one in passages
    )


def _is_imagined(passage: Any) -> bool:
    doubts = passage.no_speech_prob, passage.avg_logprob, passage.compression_ratio
    return is_imagined(passage.text, *doubts)


def samples(pcm: bytes) -> Any:
    """PCM16 as floats from -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
