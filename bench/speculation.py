"""How soon somebody answers, with and without working ahead, and what that wastes.

    python bench/speculation.py [--turns 300] [--seed 1] [--known 0.6]

On virtual time, with the product's own stages and turn detectors. Engines are simulated: the
recogniser takes 150 ms for any call, the model 250 ms to its first word and 10 ms for each further
one, the voice 200 ms to its first audio and 50 ms for each further word.

The user speaks words of some 330 ms, the last one longer, and pauses in mid-sentence: after one
word in ten, for 60 ms to 1.5 s (median 0.3 s). The recogniser knows a word once 60 % of it was
heard, leaves out the punctuation of one end in seven, and puts a full stop after one pause in five.
The model of smart_turn, which takes 60 ms, is right about 19 pauses of 20.

The delay counts from the true end of the voice to the first audio that leaves for the loudspeaker.
Waste is the share of the engines' working time that went into answers which were revoked; how many
answers were begun in vain is shown beside it. "Cut off": turns that were begun too early.

"Bound" is what could be had by who knows all but the words: the recogniser is asked in the very
frame in which the last word becomes known, and what it says is answered at once. Nobody who waits
for all of the words can be sooner. `--known 0.3` is a recogniser that guesses words sooner.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
from attrs import define, field

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from aichat.core import Prompt, Utterance, Voice
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import AudioReady, AudioReceived, Event, Speculated, UserSaid
from aichat.plugins.silence import Silence
from aichat.plugins.smart_turn import SmartTurn
from support.chat import Chat, a_chat, a_store

FRAME_SECONDS = 0.02
STT, FIRST_TOKEN, TOKEN, FIRST_AUDIO, PER_WORD = 0.15, 0.25, 0.01, 0.2, 0.05
KNOWN = 0.6
REPLY = "Oh, really? We could go to the lake, if it stays dry. That is what I would like best."
PLAIN = ["we", "you", "they", "saw", "took", "green", "small", "train", "house", "garden", "there"]
JOINING = ["and", "but", "because", "the", "or"]


# -- the user --------------------------------------------------------------------------------


@define
class Word:
    text: str
    frames: int
    pause: int = 0
    """Frames of silence after it."""


def frames(seconds: float) -> int:
    return max(1, round(seconds / FRAME_SECONDS))


def utterance(chance: random.Random) -> list[Word]:
    """Make up something to say, with where it pauses."""
    words = []
    for _ in range(chance.randint(3, 14)):
        word = Word(chance.choice(PLAIN), frames(chance.lognormvariate(math.log(0.33), 0.3)))
        if chance.random() < 0.1:
            word.pause = frames(min(max(chance.lognormvariate(math.log(0.3), 0.7), 0.06), 1.5))
            kind = chance.random()
            word.text = f"{word.text}," if kind < 0.3 else word.text
            word.text = f"{word.text}." if 0.3 <= kind < 0.5 else word.text
            word.text = chance.choice(JOINING) if kind > 0.7 else word.text
        words.append(word)
    last = words[-1]
    last.frames, last.pause = frames(last.frames * 1.4 * FRAME_SECONDS), 0
    last.text = chance.choice(PLAIN) + chance.choice("...???-").strip("-")
    return words


def sound(words: list[Word]) -> Iterator[bytes]:
    """Give each word's frames its number, so that the recogniser knows what it heard."""
    for number, word in enumerate(words, 1):
        for _ in range(word.frames):
            yield number.to_bytes(2, "little") * 320
        for _ in range(word.pause):
            yield bytes(640)


def numbers(pcm: bytes) -> Counter[int]:
    """Count the frames of each word in *pcm*."""
    starts = range(0, len(pcm) - 639, 640)
    heard = (int.from_bytes(pcm[at : at + 2], "little") for at in starts)
    return Counter(number for number in heard if number)


# -- the engines -----------------------------------------------------------------------------


@define
class Work:
    """One call of an engine."""

    began: float
    ended: float = 0.0


@define(eq=False)
class Engines:
    saying: list[Word] = field(factory=list)
    work: list[Work] = field(factory=list)
    sample_rate: int = 24_000
    max_concurrent: int = 3
    known: float = KNOWN

    async def transcribe(self, heard: Utterance) -> str:
        await anyio.sleep(STT)
        counts = numbers(heard.pcm)
        known = [n for n, count in counts.items() if count >= self.needed(self.saying[n - 1])]
        return " ".join(self.saying[number - 1].text for number in known)

    def needed(self, word: Word) -> int:
        """How many frames of a word are heard before it is known."""
        return max(1, math.ceil(self.known * word.frames))

    def bound(self) -> float:
        """The soonest answer to what is being said, in seconds after its end."""
        last = self.saying[-1]
        lead = (last.frames - self.needed(last)) * FRAME_SECONDS
        return max(0.0, STT + FIRST_TOKEN + FIRST_AUDIO - lead)

    def begin(self) -> Work:
        self.work.append(Work(anyio.current_time()))
        return self.work[-1]

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        work = self.begin()
        try:
            await anyio.sleep(FIRST_TOKEN)
            for word in REPLY.split():
                yield word + " "
                await anyio.sleep(TOKEN)
        finally:
            work.ended = anyio.current_time()

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        work = self.begin()
        try:
            await anyio.sleep(FIRST_AUDIO)
            for _ in text.split():
                yield b"\x10\x03" * 6000
                await anyio.sleep(PER_WORD)
        finally:
            work.ended = anyio.current_time()


class Judging(SmartTurn):
    """Its policy, with a model that knows the truth and tells it nearly always."""

    def __init__(self, engines: Engines, chance: random.Random, speculate: str) -> None:
        super().__init__(speculate=speculate)
        self.engines, self.chance = engines, chance

    async def __aenter__(self) -> Judging:
        return self

    async def finished(self, pcm: bytes) -> float:
        await anyio.sleep(0.06)
        is_end = max(numbers(pcm), default=0) == len(self.engines.saying)
        right = self.chance.random() < 0.95
        return self.chance.uniform(0.8, 1) if is_end is right else self.chance.uniform(0, 0.2)


# -- the measurement -------------------------------------------------------------------------


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[math.ceil(share * len(seconds)) - 1] * 1000


@define
class Result:
    delays: list[float] = field(factory=list)
    bounds: list[float] = field(factory=list)
    cut_off: int = 0
    begun: int = 0
    in_vain: int = 0
    worked: float = 0.0
    wasted: float = 0.0

    def percentile(self, share: float) -> float:
        return percentile(self.delays, share)

    @property
    def waste(self) -> float:
        return self.wasted / self.worked if self.worked else 0.0


@define
class Measuring:
    """Talks to one character, turn after turn."""

    chat: Chat
    engines: Engines
    result: Result
    answered: float = 0.0
    """When the latest answer was first heard."""
    vain: list[tuple[float, float]] = field(factory=list)
    """From when to when answers were made that were revoked."""

    async def turn(self, words: list[Word]) -> None:
        """Say something; wait until it is answered."""
        self.engines.saying, self.engines.work = words, []
        first = len(self.chat.heard.events)
        for frame in sound(words):
            await self.hear(frame)
        ended = self.chat.bus.clock.now()
        said = len(self.chat.heard.events)
        while not self.since(said, AudioReady):
            await self.hear(bytes(640))
        self.result.delays.append(self.answered - ended)
        self.result.bounds.append(self.engines.bound())
        while self.chat.bus.live_turn("c"):
            await self.hear(bytes(640))
        await self.chat.bus.settled()
        self.count(first, len(self.since(first, UserSaid)) - 1)

    def note(self, event: AudioReady) -> None:
        if not self.answered or (event.index == 0 and event.at == 0):
            self.answered = self.chat.bus.clock.now()

    def count(self, first: int, cut_off: int) -> None:
        self.result.cut_off += cut_off
        vain = [s for s in self.since(first, Speculated) if not s.kept]
        self.result.begun += len(self.since(first, Speculated))
        self.result.in_vain += len(vain)
        self.result.worked += sum(work.ended - work.began for work in self.engines.work)
        self.result.wasted += sum(
            work.ended - work.began for work in self.engines.work if self.was_vain(work)
        )

    def note_vain(self, event: Speculated) -> None:
        if not event.kept:
            now = self.chat.bus.clock.now()
            self.vain.append((now - event.seconds, now))

    def was_vain(self, work: Work) -> bool:
        """It was begun for an answer that was revoked, and ended with it."""
        return any(begin <= work.began and work.ended <= end + 0.001 for begin, end in self.vain)

    def since(self, first: int, kind: type[Event]) -> list:
        return [event for event in self.chat.heard.events[first:] if isinstance(event, kind)]

    async def hear(self, frame: bytes) -> None:
        await anyio.sleep(FRAME_SECONDS)  # a frame comes when it is over
        await self.chat.bus.publish(AudioReceived(self.chat.bus.turn("c"), frame))


BATCH = 25
"""Turns in one conversation: each user has a rhythm of their own."""


async def measure(
    turns: int, seed: int, detector: str, speculate: str, known: float = KNOWN
) -> Result:
    """Let so many turns be answered."""
    result = Result()
    for batch in range(math.ceil(turns / BATCH)):
        chance, engines = random.Random(seed * 1000 + batch), Engines(known=known)
        turn = Silence(speculate=speculate)
        if detector == "smart_turn":
            turn = Judging(engines, random.Random(batch), speculate)
        store = await a_store(["Olivia"])
        async with a_chat(stt=engines, llm=engines, tts=engines, turn=turn, storage=store) as chat:
            measuring = Measuring(chat, engines, result)
            chat.bus.tap(measuring.note)
            chat.bus.tap(measuring.note_vain)
            for _ in range(min(BATCH, turns - batch * BATCH)):
                await measuring.turn(utterance(chance))
    return result


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--known", type=float, default=KNOWN)
    options = parser.parse_args()
    print("detector     ahead   p50 ms   p95 ms   cut off   begun in vain    engine time wasted")
    for detector in ("silence", "smart_turn"):
        for ahead in ("off", "on"):
            result = run_virtual(
                measure, options.turns, options.seed, detector, ahead, options.known
            )
            half, most = result.percentile(0.5), result.percentile(0.95)
            share = result.in_vain / max(1, result.begun)
            begun = f"{result.in_vain} of {result.begun} {share:4.0%}"
            print(
                f"{detector:12} {ahead:5} {half:8.0f} {most:8.0f} {result.cut_off:9} {begun:>16} "
                f"{result.waste:20.1%}"
            )
    half, most = percentile(result.bounds, 0.5), percentile(result.bounds, 0.95)
    print(f"bound        {half:14.0f} {most:8.0f}")


if __name__ == "__main__":
    main()
