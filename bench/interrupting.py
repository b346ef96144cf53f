"""How soon the server is silent after an interruption, with much audio waiting and a busy thread.

    python bench/interrupting.py [turns] [switch interval in ms]

A real server and a real client in one process. For each turn it waits until at least 100 chunks of
speech wait for the loudspeaker, sends `interrupt`, and measures on the server

* silent: from the interruption's arrival to the last audio frame handed to the socket (0: none),
* told: from there to the `interrupted` frame being handed to the socket,
* alone: the same without the time in which the loop's thread, or the busy one, was ready to run and
  got no processor (the longer of the two; Linux only): what a machine with nobody else would show,

and on the client: from sending to receiving `interrupted`. "numpy" multiplies matrices in a thread
(the interpreter lock is free, as in a real model); "python" runs plain Python in it (the lock
changes hands every 1 ms, as the application sets it, or as given: Python's own is 5 ms).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from aichat.core.testing.fakes import FakeLlm, FakeTts
from aichat.core.testing.leak_checks import queued
from aichat.stages import playing
from aichat.web.realtime import chat_socket as web_socket
from aichat.web.realtime import writer
from aichat.web.schemas import client_frames
from aichat.web.serving.switch_interval import SWITCH_SECONDS
from support.in_process_server import a_server

CHUNKS = 100
heads: list[playing.Playhead] = []
arrived = 0.0
last_audio = told = 0.0
before = (0.0, 0.0)
waited = 0.0
busy_thread: threading.Thread | None = None


def unserved() -> tuple[float, float]:
    """Return for how many seconds so far the loop's and the busy thread waited for a processor."""
    busy = busy_thread.native_id if busy_thread else None
    return queued(), queued(f"self/task/{busy}") if busy else 0.0


def instrument() -> None:
    """Note when an interruption arrives and what is handed to the socket after it."""
    playing.LINE_AHEAD_BYTES *= 4  # else a line is held back before 100 chunks of it wait
    new_head, message = playing.Playing._new_head, web_socket.Client._message
    send = writer.Writer._send

    def noted_head(self: Any, turn: Any) -> Any:
        heads.append(new_head(self, turn))
        return heads[-1]

    async def noted_message(self: Any, frame: Any) -> None:
        global arrived, before
        if isinstance(frame, client_frames.Interrupt):
            before = unserved()
            arrived = time.perf_counter()
        await message(self, frame)

    async def noted_send(self: Any, frame: str | bytes) -> None:
        global last_audio, told, waited
        await send(self, frame)
        if isinstance(frame, bytes):
            last_audio = time.perf_counter()
        elif '"type":"interrupted"' in frame:
            told = time.perf_counter()
            waited = max(now - then for now, then in zip(unserved(), before, strict=True))

    playing.Playing._new_head = noted_head  # type: ignore[method-assign]
    web_socket.Client._message = noted_message  # type: ignore[method-assign]
    writer.Writer._send = noted_send  # type: ignore[method-assign]


@contextmanager
def busy(how: str) -> Iterator[None]:
    global busy_thread
    over = threading.Event()
    matrix = np.random.default_rng(0).standard_normal((256, 256))

    def work() -> None:
        while not over.is_set():
            if how == "numpy":
                matrix @ matrix
            else:
                sum(range(10_000))

    thread = threading.Thread(target=work)
    if how != "idle":
        thread.start()
        busy_thread = thread
    try:
        yield
    finally:
        over.set()
        busy_thread = None
        if how != "idle":
            thread.join()


def measure(turns: int, switch_seconds: float) -> list[tuple[float, float, float, float]]:
    figures = []
    text = " ".join(f"This is sentence number {n} of a long story." for n in range(40))
    tts = FakeTts(ms_per_word=200)
    with (
        a_server(tts=tts, llm=FakeLlm(text)) as server,
        server.client("conversation_id=c&protocol=aichat.v1") as client,
    ):
        sys.setswitchinterval(switch_seconds)  # the server has set its own
        client.until("ready")
        for _ in range(turns):
            client.send("text_message", text="@Olivia hi")
            client.until("turn_started")
            while not heads or len(heads[-1].queue) < CHUNKS:
                time.sleep(0.01)
            began = time.perf_counter()
            client.send("interrupt")
            client.until("interrupted")
            received = time.perf_counter()
            client.until_quiet(0.02)
            silent, alone = max(0.0, last_audio - arrived), max(0.0, told - arrived - waited)
            figures.append((silent, told - arrived, alone, received - began))
    return figures


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    switch_seconds = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else SWITCH_SECONDS
    instrument()
    print(f"{turns} interruptions, ms: p50 / p99 / worst")
    for how in ("idle", "numpy", "python"):
        with busy(how):
            columns = np.array(measure(turns, switch_seconds)).T * 1000
        for name, column in zip(("silent", "told", "alone", "client"), columns, strict=True):
            p50, p99 = np.percentile(column, (50, 99))
            print(f"  thread {how:7} {name:7} {p50:6.2f} / {p99:6.2f} / {column.max():6.2f}")


if __name__ == "__main__":
    main()
