"""How soon engines give their first result, and how long they keep others from the event loop.

    python bench/engines.py [rounds] [--no-torch]

For each engine: ms to its first result (p50, p95), and the longest that a watcher on the event loop
waited for its turn while the engine worked. *computing* is the processor time of the loop's own
thread in that; *blocked* is how long it could not run at all, as it waited for the interpreter lock
or for a call; *waiting* is all of it, and so also tells of other work on the machine: the line
"nothing" says how much when no engine works. A thread may keep the lock for as long as
`litestar run` allows.

Models are tiny or random: Whisper that says one sentence, the others with random weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import anyio.lowlevel

from aichat.core import Utterance, Voice, WordMark, closing
from aichat.core.testing.leak_checks import Stall, longest_stall
from aichat.core.testing.llm_contract import ask
from aichat.core.testing.vad_contract import frames
from support import tiny_smart_turn, tiny_whisper
from support.espeak_speech import say as spoken

SENTENCE = "Hello there, my name is Olivia, and I would love to hear what you think."
VOICE = Voice("Bench", speaker_desc="A calm woman")

Round = Callable[[], Awaitable[float]]
"""Lets an engine do its work; returns the seconds until its first result."""


async def first_of(stream: AsyncIterator[Any]) -> float:
    """Read all; return when the first came that is not a mark."""
    began, first = perf_counter(), 0.0
    async with closing(stream):
        async for piece in stream:
            if not first and piece and not isinstance(piece, WordMark):
                first = perf_counter() - began
    return first


async def timed(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began


async def each_frame(vad: Any, pcm: bytes) -> float:
    """Judge frame by frame, as the stage does; return the mean time of one."""
    stream, cut = vad.stream(), frames(vad, pcm)
    took = 0.0
    for frame in cut:
        began = perf_counter()
        stream.is_speech(frame)
        took += perf_counter() - began
        await anyio.lowlevel.checkpoint()
    return took / len(cut)


async def engines(stack: AsyncExitStack, folder: Path, torch: bool) -> dict[str, Round]:
    """Start them; those whose package is missing say why."""
    from aichat.plugins.demo import Demo
    from aichat.plugins.espeak import Espeak
    from aichat.plugins.faster_whisper import FasterWhisper
    from aichat.plugins.pocketsphinx import Pocketsphinx
    from aichat.plugins.silero import Silero
    from aichat.plugins.smart_turn import SmartTurn

    pcm = await anyio.to_thread.run_sync(spoken, SENTENCE)
    silero = await stack.enter_async_context(Silero())
    turn = await stack.enter_async_context(
        SmartTurn(str(tiny_smart_turn.build(folder / "turn.onnx")))
    )
    whisper = tiny_whisper.build(folder / "whisper", "hello olivia what do you think")
    recogniser = await stack.enter_async_context(FasterWhisper(str(whisper), device="cpu"))
    sphinx = await stack.enter_async_context(Pocketsphinx())
    espeak = await stack.enter_async_context(Espeak())
    demo = Demo()
    ready: dict[str, Round] = {
        "vad silero, a frame": lambda: each_frame(silero, pcm),
        "turn smart_turn": lambda: timed(turn.finished(pcm)),
        "stt faster_whisper": lambda: timed(recogniser.transcribe(Utterance("w", pcm, True))),
        "stt pocketsphinx": lambda: timed(sphinx.transcribe(Utterance("p", pcm, True))),
        "llm demo": lambda: first_of(demo.reply(ask("Hello, who are you?"))),
        "tts espeak": lambda: first_of(espeak.speak(SENTENCE, VOICE)),
    }
    if torch:
        from aichat.plugins.higgs import Higgs
        from aichat.plugins.pocket import Pocket
        from aichat.plugins.transformers import Transformers
        from support import tiny_chat_model, tiny_higgs, tiny_pocket

        for name in ("chat", "pocket"):
            (folder / name).mkdir()
        chat = str(tiny_chat_model.build(folder / "chat"))
        writer = await stack.enter_async_context(Transformers(chat, device="cpu", max_tokens=60))
        model, codec = map(str, tiny_higgs.build(folder / "higgs"))
        higgs = await stack.enter_async_context(Higgs(model, codec, device="cpu"))
        pocket = await stack.enter_async_context(
            Pocket(*map(str, tiny_pocket.build(folder / "pocket")))
        )
        ready |= {
            "llm transformers": lambda: first_of(writer.reply(ask("Hello, who are you?"))),
            "tts higgs": lambda: first_of(higgs.speak("Hello there.", VOICE)),
            "tts pocket": lambda: first_of(pocket.speak(SENTENCE, VOICE)),
        }
    return ready


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def measure(name: str, work: Round, rounds: int) -> None:
    """Print a line."""
    firsts: list[float] = []

    async def one() -> None:
        firsts.append(await work())

    await one()  # what is made at the first use is made now
    firsts.clear()
    stalls = [await longest_stall(one) for _ in range(rounds)]
    longest = [max(column) for column in zip(*map(figures, stalls), strict=True)]
    told = [1000 * n for n in (share(firsts, 0.5), share(firsts, 0.95), *longest)]
    print(f"{name:22}", *(f"{figure:9.2f}" for figure in told), flush=True)


def figures(stall: Stall) -> tuple[float, float, float]:
    return stall.work, stall.blocked, stall.wall


async def idle() -> float:
    await anyio.sleep(0.2)
    return 0.0


async def main(rounds: int, torch: bool) -> None:
    heads = "first p50       p95 computing   blocked   waiting"
    print(f"{'ms':22} {heads}   {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            ready = await engines(stack, Path(folder), torch)
            for name, work in {"nothing": idle, **ready}.items():
                await measure(name, work, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    parser.add_argument("--no-torch", action="store_true")
    args = parser.parse_args()
    anyio.run(main, args.rounds, not args.no_torch)
