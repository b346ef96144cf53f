"""Protocols of the parts that a backend can fill. A backend needs no base class.

(The largest, :class:`~aichat.core.storage.Storage`, has a module of its own.)

A backend is any object that fits its protocol. Its settings are the parameters of its class. If it
is an async context manager it is entered before it serves and exited after the last event: models
load and pools close there, heavy packages are imported there (in a worker thread), and
:class:`~aichat.core.errors.CannotStart` is raised there when something is missing. If it has an
attribute ``report``, that is set to a function that takes one line about a slow start
("weights: 12 of 75 MB"); call it on the event loop. If it needs files that no package contains, an
attribute ``weights`` lists them (:class:`~aichat.toolkit.weights.Weights`), already before it is
entered, and :func:`~aichat.toolkit.weights.fetched` downloads them.

A recogniser, language model or voice whose use costs money has a true attribute ``charges``:
it gets no speculative calls then, whose results may be thrown away, unless the user wants that.

Audio is mono PCM16 little-endian. Nothing here may block the event loop: a model runs in a worker
thread, or in a process of its own when it holds the GIL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Generic, Literal, Protocol, Self, TypeVar, runtime_checkable

from attrs import field, frozen

from .events import (
    AudioReady,
    Interrupted,
    LineFinished,
    LineInterrupted,
    ReplyFinished,
    SpeakersChosen,
    SpeechSynthesized,
    TurnFinished,
)
from .models import Prompt, Voice
from .tools import ToolCall

T = TypeVar("T", covariant=True)

AudioTokens = Sequence[Sequence[int]]
"""A voice's ``audio_tokens``: for each codebook, a code for each frame."""


def charges(backend: object) -> bool:
    """Return whether a backend's use costs money."""
    return bool(getattr(backend, "charges", False))


def speed_key(backend: object) -> str:
    """Return what a voice's speed depends on besides the machine; empty: it is always fast."""
    return str(getattr(backend, "speed_key", ""))


Ability = Literal["clone", "describe", "word_times", "seed"]


def abilities(tts: object) -> frozenset[Ability]:
    """Return the abilities that a voice backend declares."""
    return frozenset(getattr(tts, "abilities", ()))


# -- vad: voice activity ---------------------------------------------------------------------


class VadStream(Protocol):
    """Voice activity detection for one microphone."""

    def is_speech(self, pcm: bytes) -> bool:
        """Return whether the next frame of ``frame_samples`` samples at 16 kHz is speech.

        Called on the event loop for every frame: it must return within a millisecond.
        """
        ...


class Vad(Protocol):
    """Voice activity detection: finds speech in the microphone's audio."""

    @property
    def frame_samples(self) -> int:
        """Samples in one frame, at 16 kHz."""
        ...

    def stream(self) -> VadStream:
        """Start detection for one microphone."""
        ...


# -- turn: when the user has finished --------------------------------------------------------


@frozen
class Pause:
    """What is known while the user is silent after speech."""

    silence_ms: int
    speech_ms: int
    """Length of the utterance so far in ms, pauses included."""
    transcript: str = ""
    """The best transcript so far; empty while there is none."""
    has_words: bool = True
    """The utterance holds words, not just a cough or an "um", as far as is known."""
    finished: float = 0.5
    """Endpoint probability, 0 to 1, from the words and, where it was judged, the sound."""
    sound: float | None = None
    """Endpoint probability by the sound alone; None where it was not judged."""
    usual_ms: int = 0
    """Silence (ms) after which this user does not usually go on; 0 while that is not known."""

    def wait_ms(self, end_ms: int, shortest_ms: int, longest_ms: int) -> int:
        """Return the silence (ms) that ends the turn.

        *end_ms* when nothing is known, else what is usual for this user; the higher the endpoint
        probability, the nearer to *shortest_ms*, the lower, the nearer to *longest_ms*.
        """
        usual = min(max(self.usual_ms or end_ms, shortest_ms), longest_ms)
        surely = 2 * self.finished - 1
        toward = shortest_ms if surely > 0 else longest_ms
        return round(usual + (toward - usual) * abs(surely))


class TurnDetector(Protocol):
    """Endpointing and barge-in: decides when the user's turn ends and when speech interrupts.

    It may also have ``resume_ms`` (paused playback resumes this many ms after the voice ended),
    ``back_channels`` and ``stop_phrases`` (lists of phrases in place of aichat's own; None: those).
    An attribute ``speculate`` says whether speculative turns begin in a pause: "on", "off", or
    "auto", which is the default: if that costs no money (``charges``).
    """

    @property
    def barge_in_ms(self) -> int:
        """Speech (ms) that interrupts characters, with any words. 0: the first frame does."""
        ...

    def is_over(self, pause: Pause) -> bool:
        """Return whether the user has finished. Called for every silent frame; must be instant."""
        ...


@runtime_checkable
class SoundJudge(Protocol):
    """Implemented as well by a turn detector that judges the sound, for example with a model."""

    async def finished(self, pcm: bytes) -> float:
        """Return the endpoint probability, 0 to 1, for the utterance so far (16 kHz).

        Called once in each pause; ``Pause.finished`` includes the result from then on. May be
        cancelled at any time.
        """
        ...


# -- stt: speech to text ---------------------------------------------------------------------


@frozen
class Utterance:
    """An utterance so far, 16 kHz. All its growing versions share its *key*.

    *hotwords* are words that are likely to be in it: the characters' names. *languages* are those
    that it is likely to be in, as codes such as "de", the likeliest first; empty: not known.
    """

    key: str
    pcm: bytes
    final: bool
    hotwords: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class ForeignSpeech(str):
    """A transcript of speech that seems to be in another language than the recogniser writes.

    *advice* says so to the user, and which setting to change. After two final transcripts of this
    kind in a row it is shown, once in a conversation.
    """

    advice: str

    def __new__(cls, text: str, advice: str) -> Self:
        """Add the advice to a text."""
        made = super().__new__(cls, text)
        made.advice = advice
        return made


class Stt(Protocol):
    """Speech to text.

    One with a limit on concurrent calls has an attribute ``max_concurrent``; calls then queue
    fairly, finals first. Without it, every call is made at once. One that makes no interim
    transcripts, as each call costs money, has a false attribute ``guesses``. One that needs time
    for a language it has not been asked for yet may have a method ``prepare``: it is called with
    ``Utterance.languages`` when a microphone opens, on the event loop, and must return at once.
    """

    async def transcribe(self, utterance: Utterance) -> str:
        """Return the transcript of an utterance; an empty string when there are no words in it.

        Called for interim audio as well (``final`` is false), so that a streaming recogniser can
        continue where it was. With ``final`` accuracy comes first: the utterance is probably over,
        yet may go on. May be cancelled at any time.
        """
        ...


# -- llm: language model ---------------------------------------------------------------------


@frozen
class Usage:
    """Tokens and cost (USD) of a reply, as far as known; *model* is the one that wrote it."""

    model: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    cost: float | None = None


@frozen
class Thinking:
    """A sign of life of a model that writes nothing to be shown, but thoughts or a call."""


THINKING = Thinking()
LlmOutput = str | Usage | ToolCall | Thinking
"""What a language model yields."""


class Llm(Protocol):
    """Language model.

    One that knows how much it can read has an attribute ``context_tokens`` (prompt and reply
    together); older messages are then left out in time. A reply ends, with a notice, after the
    letters that an attribute ``max_reply_letters`` names; else after 100,000. A model may think for
    as many seconds as an attribute ``thinking_seconds`` names, and write for as many as
    ``reply_seconds`` does; else for ten minutes each. With an attribute ``prefills`` that is true
    it begins the model's reply with ``prompt.prefill``.
    """

    def reply(self, prompt: Prompt) -> AsyncIterator[LlmOutput]:
        """Stream the character's next message, and its usage if that is known.

        What a model thinks before it answers is no part of that: for each thought, yield
        ``THINKING``, or it seems to be gone. A model that wants to use some of the ``prompt.tools``
        ends with the calls; it is asked again when their results are there.
        """
        ...


@frozen
class ListedModel:
    """A language model that a server offers, as far as is known.

    *context_length* is in tokens, prices are in USD for a million tokens (0: free).
    """

    id: str
    name: str = ""
    context_length: int | None = None
    prompt_price: float | None = None
    completion_price: float | None = None


@runtime_checkable
class ListsModels(Protocol):
    """A language model backend that can also list the models that a setting may name."""

    async def models(self) -> Sequence[ListedModel]:
        """Fetch the list from the server."""
        ...


# -- tts: text to speech ---------------------------------------------------------------------


@frozen
class WordMark:
    """A word time: characters ``start:end`` of the text are spoken from sample *at* of this stream.

    An engine that knows word times yields marks among its audio, each before the word is over.
    """

    start: int
    end: int
    at: int


class Tts(Protocol):
    """Text to speech.

    Optional abilities are declared in an attribute ``abilities``, a frozenset of

    * "clone": a voice sounds like its clip (the backend also :class:`Clones`),
    * "describe": the description of a voice shapes how it sounds,
    * "word_times": it yields :class:`WordMark`,
    * "seed": ``settings["seed"]`` of a voice makes another take of it.

    One that may be too slow for a machine has an attribute ``speed_key``, once it was entered: a
    text that names what its speed depends on besides the machine, such as its model, versions and
    threads. Its speed is measured once for each such text, and it is passed over while it is too
    slow and another one is ready.

    An attribute ``sounds`` holds the tags that it performs, such as "[laugh]"; it gets no others.
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second of its audio."""
        ...

    @property
    def max_concurrent(self) -> int:
        """Most clauses that are synthesised at once."""
        ...

    def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        """Synthesise *text* in *voice*: stream chunks of whole samples as soon as they exist."""
        ...


@frozen
class ReferenceClip:
    """The clip a voice is cloned from: mono PCM16 at *rate*, and its words ("" if not known)."""

    pcm: bytes = field(repr=False)
    rate: int
    transcript: str = field(default="", repr=False)


@runtime_checkable
class Clones(Protocol):
    """Implemented as well by a voice backend that has to learn a voice before it speaks in it.

    In a voice that it has not learnt it speaks as well as it can.
    :func:`~aichat.toolkit.voices.cloning.introduce` calls these methods.
    """

    def knows(self, voice: Voice) -> bool:
        """Return, at once, whether nothing of *voice* is (still) to be learnt."""
        ...

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> AudioTokens | None:
        """Learn a voice; *reference* is None for one that was described.

        Return codes, which are stored in ``Voice.audio_tokens`` and passed with the voice from then
        on, also after a restart; None if there are none. May be cancelled at any time.
        """
        ...


@frozen
class ListedVoice:
    """A voice that an engine brings; *gender* is "woman", "man", or "" if that is not known."""

    name: str
    language: str = ""
    gender: str = ""
    accent: str = ""

    @property
    def about(self) -> str:
        """What is known of it, in a few words."""
        return ", ".join(filter(None, (self.gender, self.accent or self.language)))


@runtime_checkable
class ListsVoices(Protocol):
    """A voice backend that also lists its own voices; a voice's settings name one of them."""

    def listed_voices(self) -> Sequence[ListedVoice]:
        """Return the voices that ``settings["NAME OF THE BACKEND"]`` of a voice may name."""
        ...


# -- sequencer: what is played when ----------------------------------------------------------

SequencerInput = SpeakersChosen | SpeechSynthesized | ReplyFinished | LineInterrupted | Interrupted
SequencerOutput = AudioReady | LineFinished | TurnFinished


class Sequencer(Protocol):
    """Decides what is played when. Plain and synchronous: events in, playable audio out."""

    def accept(self, event: SequencerInput) -> Iterable[SequencerOutput]:
        """Take an event; return what may be played now, in playback order."""
        ...


# -- the offer -------------------------------------------------------------------------------

PARTS = ("vad", "turn", "stt", "llm", "tts", "sequencer", "storage")


@frozen
class Backend(Generic[T]):
    """A backend that a plug-in offers: *name* is what ``use = "..."`` in plugins.toml says.

    *make* is a class or function; its parameters are the settings of ``[part.name]``. *notice* is
    shown to the user while this backend serves, when it is not the real thing. *models* are values
    of its setting ``model`` that the user may choose from where its start has failed, with the
    megabytes to download; it needs a setting ``download`` as well.
    """

    name: str
    make: Callable[..., T]
    notice: str = ""
    models: Mapping[str, int] = field(factory=dict)
