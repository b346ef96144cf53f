"""The parts a backend can play. Each is one small protocol; a backend needs no base class.

(The largest, :class:`~aichat.core.storage.Storage`, has a module of its own.)

A backend is any object that fits its protocol. Its settings are the parameters of its class. If it
is an async context manager it is entered before it serves and left after the last event: models
load and pools close there, heavy packages are imported there (in a worker thread), and
:class:`~aichat.core.errors.CannotStart` is raised there when something is missing. If it has an
attribute ``report``, that is set to a function that takes one line about a start that takes long
("weights: 12 of 75 MB"); call it on the event loop. If it needs files that no package brings, an
attribute ``weights`` lists them (:class:`~aichat.toolkit.weights.Weights`), already before it is
entered, and :func:`~aichat.toolkit.weights.fetched` brings them.

A recogniser, language model or voice whose use costs money has a true attribute ``charges``:
nothing is asked of it then that may be thrown away, unless the user wants that.

Audio is mono PCM16 little-endian. Nothing here may block the event loop: a model runs in a worker
thread, or in a process of its own when it holds the GIL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

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

Codes = Sequence[Sequence[int]]
"""A voice's ``audio_tokens``: for each codebook, a code for each frame."""


def charges(backend: object) -> bool:
    """Tell whether a backend's use costs money."""
    return bool(getattr(backend, "charges", False))


Ability = Literal["clone", "describe", "word_times", "emotions", "seed"]


def abilities(tts: object) -> frozenset[Ability]:
    """Return what a voice backend says it can do, beside speaking."""
    return frozenset(getattr(tts, "abilities", ()))


def languages(tts: object) -> tuple[str, ...]:
    """Return the languages a voice backend says it speaks, as BCP 47 tags; none: any."""
    return tuple(getattr(tts, "languages", ()))


# -- vad: voice activity ---------------------------------------------------------------------


class VadStream(Protocol):
    """One microphone's voice activity detection."""

    def is_speech(self, pcm: bytes) -> bool:
        """Judge the next frame of ``frame_samples`` samples at 16 kHz.

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
        """Begin to listen to one microphone."""
        ...


# -- turn: when the user has finished --------------------------------------------------------


@frozen
class Pause:
    """What is known while the user is silent after speech."""

    silence_ms: int
    speech_ms: int
    """How long the utterance has been, its own pauses included."""
    transcript: str = ""
    """The best guess so far; empty while there is none."""
    has_words: bool = True
    """Something was said but a cough or an "um", as far as is known."""
    finished: float = 0.5
    """How likely the user has finished, by the words and, where it was judged, by the sound."""
    usual_ms: int = 0
    """After so long a silence this user does not go on, as a rule; 0 while that is not known."""

    def wait_ms(self, end_ms: int, shortest_ms: int, longest_ms: int) -> int:
        """Return how long a silence ends the turn.

        *end_ms* when nothing is known, else what is usual for this user; the surer it is that the
        user has finished, the nearer to *shortest_ms*, that something follows, to *longest_ms*.
        """
        usual = min(max(self.usual_ms or end_ms, shortest_ms), longest_ms)
        surely = 2 * self.finished - 1
        toward = shortest_ms if surely > 0 else longest_ms
        return round(usual + (toward - usual) * abs(surely))


class TurnDetector(Protocol):
    """Endpointing and barge-in: decides when the user's turn ends and when speech interrupts.

    It may also have ``resume_ms`` (characters that held go on so long after the voice ended),
    ``back_channels`` and ``stop_phrases`` (lists of phrases in place of aichat's own; None: those).
    An attribute ``speculate`` says whether answers are begun in a pause that may be the end: "on",
    "off", or "auto", which is the default: if that costs no money (``charges``).
    """

    @property
    def barge_in_ms(self) -> int:
        """So much speech interrupts characters whatever the words. 0: the first frame does."""
        ...

    def is_over(self, pause: Pause) -> bool:
        """Judge whether the user has finished. Called for every silent frame; must be instant."""
        ...


@runtime_checkable
class SoundJudge(Protocol):
    """What a turn detector is as well that judges by the sound, as by a model."""

    async def finished(self, pcm: bytes) -> float:
        """Return how likely the user has finished, 0 to 1, with the end of the utterance so far.

        Asked once in each pause, 16 kHz; ``Pause.finished`` has the answer in it from then on. May
        be cancelled at any time.
        """
        ...


# -- stt: speech to text ---------------------------------------------------------------------


@frozen
class Utterance:
    """What was said in one breath so far, 16 kHz. All stages of one utterance share its *key*.

    *hotwords* are likely to be in it: the characters' names.
    """

    key: str
    pcm: bytes
    final: bool
    hotwords: tuple[str, ...] = ()


class Stt(Protocol):
    """Speech to text.

    One that serves only so many calls at once says so in an attribute ``max_concurrent``; it is
    then shared fairly, finals first. Without it, every call is made at once. One that must not be
    asked before the user has finished, as it costs money, has a false attribute ``guesses``.
    """

    async def transcribe(self, utterance: Utterance) -> str:
        """Write an utterance down; an empty string when there are no words in it.

        Called for the growing beginnings of an utterance as well (``final`` is false), so that a
        streaming recogniser can go on where it was. ``final`` asks for the best it can do: the
        utterance is probably over, yet may go on. May be cancelled at any time.
        """
        ...


# -- llm: language model ---------------------------------------------------------------------


@frozen
class Usage:
    """What a reply took, as far as the backend knows: *cost* in USD; *model* is who wrote it."""

    model: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    cost: float | None = None


@frozen
class Thinking:
    """A sign of life of a model that writes nothing to be shown, but thoughts or a call."""


THINKING = Thinking()
Written = str | Usage | ToolCall | Thinking
"""What a language model yields."""


class Llm(Protocol):
    """Language model.

    One that knows how much it can read has an attribute ``context_tokens`` (prompt and reply
    together); older messages are then left out in time. A reply ends, with a notice, after the
    letters that an attribute ``max_reply_letters`` names; else after 100,000. A model may think for
    as many seconds as an attribute ``thinking_seconds`` names; else for ten minutes.
    """

    def reply(self, prompt: Prompt) -> AsyncIterator[Written]:
        """Write the character's next message, piece by piece; and what it took, if that is known.

        What a model thinks before it answers is no part of that: for each thought, yield
        ``THINKING``, or it seems to be gone. A model that wants to use some of the ``prompt.tools``
        ends with the calls; it is asked again when their results are there.
        """
        ...


@frozen
class Model:
    """A model that a server offers, as far as is known.

    *context_length* is in tokens, prices are in USD for a million tokens (0: free).
    """

    id: str
    name: str = ""
    context_length: int | None = None
    prompt_price: float | None = None
    completion_price: float | None = None


@runtime_checkable
class ListsModels(Protocol):
    """A language model backend that can also tell which models a setting may name."""

    async def models(self) -> Sequence[Model]:
        """Ask for them anew; takes as long as the server does."""
        ...


# -- tts: text to speech ---------------------------------------------------------------------


@frozen
class WordMark:
    """Characters ``start:end`` of the text are spoken from sample *at* of this stream.

    An engine that knows word times yields marks among its audio, each before the word is over.
    """

    start: int
    end: int
    at: int


class Tts(Protocol):
    """Text to speech.

    What else it can do is in an attribute ``abilities``, a frozenset of

    * "clone": a voice sounds like its clip (the backend also :class:`Clones`),
    * "describe": the description of a voice shapes how it sounds,
    * "word_times": it yields :class:`WordMark`,
    * "emotions": it acts on tags as [laugh] in the text,
    * "seed": ``settings["seed"]`` of a voice makes another take of it;

    and the languages it speaks in an attribute ``languages``, a tuple of BCP 47 tags (empty: any).
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second of what it speaks."""
        ...

    @property
    def max_concurrent(self) -> int:
        """How many clauses it may speak at once."""
        ...

    def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        """Say *text* in *voice*, in chunks of whole samples, as soon as they exist."""
        ...


@frozen
class Reference:
    """What a voice is cloned from: mono PCM16 at *rate*, and the words in it ("" if not known)."""

    pcm: bytes = field(repr=False)
    rate: int
    transcript: str = field(default="", repr=False)


@runtime_checkable
class Clones(Protocol):
    """What a voice backend is as well that has to get to know a voice before it speaks in it.

    It also speaks in a voice that it does not know, as well as it can.
    :func:`~aichat.toolkit.voice_cloning.introduce` does what is to be done.
    """

    def knows(self, voice: Voice) -> bool:
        """Tell, at once, whether *voice* has nothing to be learnt (any more)."""
        ...

    async def learn(self, voice: Voice, reference: Reference | None) -> Codes | None:
        """Get to know a voice; *reference* is None for one that was described.

        Return codes to be kept in ``Voice.audio_tokens``, which are there when the voice is spoken
        with next, also after a restart; None if there are none. May be cancelled at any time.
        """
        ...


# -- sequencer: what is played when ----------------------------------------------------------

Sequenced = SpeakersChosen | SpeechSynthesized | ReplyFinished | LineInterrupted | Interrupted
Playable = AudioReady | LineFinished | TurnFinished


class Sequencer(Protocol):
    """Decides what is played when. Plain and synchronous: events in, playable audio out."""

    def accept(self, event: Sequenced) -> Iterable[Playable]:
        """Take in what happened; give back what may be played now, in playing order."""
        ...


# -- the offer -------------------------------------------------------------------------------

PARTS = ("vad", "turn", "stt", "llm", "tts", "sequencer", "storage")


@frozen
class Backend(Generic[T]):
    """An offer to play a part: *name* is what ``use = "..."`` in plugins.toml says.

    *make* is a class or function; its parameters are the settings of ``[part.name]``. *notice* is
    shown to the user while this backend serves, when it is not the real thing.
    """

    name: str
    make: Callable[..., T]
    notice: str = ""
