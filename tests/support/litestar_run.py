"""A real `litestar run` in a process of its own, and a client that hears what the page is sent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field
from websockets.sync.client import ClientConnection, connect

from aichat.web.realtime.audio_frames import HEADER, LAST
from aichat.web.schemas.server_frames import SUBPROTOCOL
from support.free_ports import free_port
from support.playback_check import Sent

CHECKOUT = Path(__file__).parents[2]
SECRETS = re.compile(r"API_KEY|TOKEN|SUPABASE")

Changes = tuple[tuple[str, str], ...]
OFFLINE: Changes = (
    ('use = ["faster_whisper", "pocketsphinx"]', 'use = ["pocketsphinx"]'),
    ('use = ["openai", "ctranslate2", "demo"]', 'use = ["demo"]'),
    ('use = ["higgs", "kokoro", "piper", "espeak"]', 'use = ["higgs", "espeak"]'),
    ("max_sockets = 4", "max_sockets = 40"),  # tests are many clients at one address
    ("max_silence_s = 30", "max_silence_s = 300"),  # the tests' own listener does not ping
    ("components_page = false", "components_page = true"),
)


def offline_settings(folder: Path, changes: Changes = ()) -> Path:
    """The shipped plugins.toml, less what would fetch weights or ask another machine."""
    text = (CHECKOUT / "plugins.toml").read_text()
    for shipped, kept in (*OFFLINE, *changes):
        assert shipped in text, "plugins.toml has changed: say here what the tests use instead"
        text = text.replace(shipped, kept)
    path = folder / "plugins.toml"
    path.write_text(text)
    return path


@define
class Server:
    """Started from an empty folder, as a user would after installing."""

    folder: Path
    port: int = field(factory=free_port)
    settings: Changes = ()
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What its process, and commands beside it, are given."""
        plain = {key: value for key, value in os.environ.items() if not SECRETS.search(key)}
        return {
            **plain,
            "AICHAT_CONFIG": str(offline_settings(self.folder, self.settings)),
            "AICHAT_DATA": str(self.folder / "data"),
            "HF_HUB_OFFLINE": "1",  # else downloads are attempted for minutes where no hub is
            "LITESTAR_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self) -> None:
        """Return when it serves."""
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("litestar"), "run"],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        is_up = threading.Event()
        threading.Thread(target=self._read, args=(self.process, is_up), daemon=True).start()
        is_up.wait()
        assert self.process.poll() is None, "".join(self.said)

    def _read(self, process: subprocess.Popen[str], is_up: threading.Event) -> None:
        assert process.stdout
        for line in process.stdout:
            self.said.append(line)
            if line.startswith("aichat is at"):
                is_up.set()
        process.stdout.close()
        is_up.set()  # it has ended: nobody needs to wait any longer

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextmanager
    def conversation(self, *characters: str) -> Iterator[Listener]:
        """Make a conversation and listen to what everybody in it is sent."""
        url = f"ws://127.0.0.1:{self.port}/ws?character_ids={','.join(characters)}"
        with connect(
            url, proxy=None, compression=None, subprotocols=[SUBPROTOCOL], max_queue=None
        ) as connection:
            listener = Listener(connection)
            listener.conversation = listener.until("ready")["conversation_id"]
            yield listener


@define
class Listener:
    """Hears what the page is sent, without a loudspeaker."""

    connection: ClientConnection
    conversation: str = ""
    frames: dict[int, list[bytes]] = field(factory=dict)
    """The audio frames of each turn, by its number."""

    @property
    def path(self) -> str:
        return f"/c/{self.conversation}"

    def until(self, type_: str, seconds: float = 60, **fields: Any) -> dict[str, Any]:
        """Read on to a text frame of a type and with these fields."""
        while True:
            frame = self.connection.recv(seconds)
            if isinstance(frame, bytes):
                generation = HEADER.unpack_from(frame)[3]
                self.frames.setdefault(generation, []).append(frame)
            else:
                message: dict[str, Any] = json.loads(frame)
                if message["type"] == type_ and fields.items() <= message.items():
                    return message

    def turn(self) -> Sent:
        """Read to the end of the next turn; returns its sound."""
        started = self.until("turn_started")
        for line in started["lines"]:
            self.until("turn_complete", sequence_number=line["sequence_number"])
        return self.sound(started["generation"])

    def sound(self, generation: int) -> Sent:
        """What was sent of a turn."""
        frames = self.frames[generation]
        pcm = b"".join(frame[HEADER.size :] for frame in frames)
        ends = np.cumsum([(len(frame) - HEADER.size) // 2 for frame in frames]).tolist()
        places = [HEADER.unpack_from(frame)[2] for frame in frames]
        lines = [
            end
            for end, frame, place, after in zip(
                ends, frames, places, [*places[1:], -1], strict=True
            )
            if frame[1] & LAST or place != after
        ]
        return Sent(np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768, ends, lines)
