"""The systems that are compared: how each is started, and what its messages mean.

All run the same Whisper, the same voice and the same silero; each takes turns and cuts text as its
makers recommend.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import httpx
from attrs import define, field, frozen

from . import environments
from .prompt import PROMPT

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@frozen
class Received:
    """What a message means: sound, the end of the user's turn, silence, or a pause (*held*)."""

    pcm: bytes = b""
    turn_over: bool = False
    flush: bool = False
    held: bool | None = None


class Dialect(Protocol):
    """One connection's way of talking."""

    subprotocols: tuple[str, ...]

    def read(self, message: str | bytes) -> Received: ...

    def playback(self, unplayed_seconds: float) -> Iterable[str]:
        """Return what the loudspeaker is to report."""


@frozen
class Engines:
    """What all systems are given."""

    whisper: Path
    turn: Path
    voice: Path
    llm: str

    def url(self, name: str) -> str:
        return f"{self.llm}/{name}/v1"


@frozen
class System:
    name: str
    dialect: Callable[[], Dialect]
    command: Callable[[int, Engines, Path], list[str]]
    address: Callable[[int], str]
    ready: str = "/health"
    """Answers 200 once it can be talked to."""


# -- aichat ----------------------------------------------------------------------------------

AICHAT = """
vad.use = "silero"
tts.use = "piper"
llm.use = "openai"
storage.use = "sqlite"

[turn]
use = ["smart_turn"]
[turn.smart_turn]
model = "{turn}"

[stt]
use = "faster_whisper"
[stt.faster_whisper]
model = "{whisper}"
device = "cpu"

[llm.openai]
base_url = "{llm}"
model = "bench"
api_key = "none"

[tts.piper]
voices = ["{voice}"]

[web]
max_silence_s = 600
"""
HEADER = struct.Struct("<BBHIII")
RATE_MS = 48
"""Bytes of a millisecond."""


@define
class AiChat:
    """Binary frames with a header; one character, so a turn is one line."""

    subprotocols = ("aichat.v1",)
    turns: dict[int, str] = field(factory=dict)
    line: tuple[str, int] | None = None
    received: int = 0
    last: bool = False

    def read(self, message: str | bytes) -> Received:
        if isinstance(message, bytes):
            return self._audio(message)
        frame = json.loads(message)
        kind = frame["type"]
        if kind == "turn_started":
            self.turns[frame["generation"]] = frame["turn_id"]
        elif kind == "error":
            print(f"aichat: {frame['message']}", file=sys.stderr)
        held = {"duck": True, "resume": False}.get(kind)
        return Received(turn_over=kind == "turn_started", flush=kind == "interrupted", held=held)

    def _audio(self, message: bytes) -> Received:
        _, flags, number, generation, _, _ = HEADER.unpack_from(message)
        line = self.turns[generation], number
        if line != self.line:
            self.line, self.received = line, 0
        self.last = bool(flags & 1)
        pcm = message[HEADER.size :]
        self.received += len(pcm)
        return Received(pcm)

    def playback(self, unplayed_seconds: float) -> Iterable[str]:
        if self.line is None:
            return
        played = max(0.0, self.received / RATE_MS - 1000 * unplayed_seconds)
        is_done = self.last and unplayed_seconds <= 0
        turn_id, number = self.line
        report = {
            "type": "playback",
            "turn_id": turn_id,
            "sequence_number": number,
            "played_ms": played,
            "state": "done" if is_done else "playing",
        }
        if is_done:
            self.line = None
        yield json.dumps(report)


def aichat_command(port: int, engines: Engines, folder: Path) -> list[str]:
    """Write the settings; return the command that users run."""
    settings = AICHAT.format(
        turn=engines.turn, whisper=engines.whisper, voice=engines.voice, llm=engines.url("aichat")
    )
    folder.joinpath("plugins.toml").write_text(settings)
    return [str(Path(sys.executable).with_name("litestar")), "run", "--port", str(port)]


def aichat_address(port: int) -> str:
    """Make the character; return the address at which it listens."""
    joe = {"name": "Joe", "system_prompt": PROMPT, "is_active": True}
    made = httpx.post(f"http://127.0.0.1:{port}/api/characters", json=joe, trust_env=False)
    made.raise_for_status()
    return f"ws://127.0.0.1:{port}/ws?character_ids={made.json()['id']}"


# -- the others ------------------------------------------------------------------------------


@define
class Plain:
    """Binary frames are sound; text frames say what happens."""

    subprotocols = ()

    def read(self, message: str | bytes) -> Received:
        if isinstance(message, bytes):
            return Received(message)
        kind = json.loads(message).get("type")
        return Received(turn_over=kind == "turn_over", flush=kind == "interrupted")

    def playback(self, unplayed_seconds: float) -> Iterable[str]:
        return ()


def peer_command(name: str) -> Callable[[int, Engines, Path], list[str]]:
    """Return how a peer's server is run in the environment of its own."""

    def command(port: int, engines: Engines, folder: Path) -> list[str]:
        python = environments.python_of(name)
        script = HERE / f"{name}_server.py"
        places = [str(engines.whisper), str(engines.voice)]
        return [str(python), str(script), str(port), engines.url(name), *places]

    return command


def peer_address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/ws"


SYSTEMS = {
    "aichat": System("aichat", AiChat, aichat_command, aichat_address, "/health/ready"),
    "pipecat": System("pipecat", Plain, peer_command("pipecat"), peer_address),
    "livekit": System("livekit", Plain, peer_command("livekit"), peer_address),
}


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a server, whose data go into *folder*."""
    ours = ("PORT", "HOST", "LITESTAR_", "AICHAT_", "OPENROUTER", "OPENAI")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {
        **kept,
        "AICHAT_DATA": str(folder / "data"),
        "HF_HUB_OFFLINE": "1",
        "OPENAI_API_KEY": "none",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, and of all that it started."""
    tick = os.sysconf("SC_CLK_TCK")
    parents, used = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended meanwhile
        number = int(place.parent.name)
        parents[number] = int(fields[1])
        used[number] = sum(map(int, fields[11:15])) / tick
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(one, 0.0) for one in family)


def wait_for(port: int, alive: Callable[[], bool], path: str = "/health") -> None:
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        if not alive():
            sys.exit("A server did not start; see its output above.")
        time.sleep(0.1)
