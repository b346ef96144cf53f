"""aichat as a contender of the peers' load harness (BENCH_MORE=bench/peers)."""

import base64
import json
import os

from harness.adapter import ROOT, Adapter

os.environ.setdefault("BENCH_HARNESS", str(ROOT))

KINDS = {
    "transcription_chunk": "transcript",
    "text_chunk": "text",
    "turn_complete": "turn_end",
    "interrupted": "interrupted",
}
HEADER = 16


class AiChat(Adapter):
    name = "aichat"
    env = "aichat"
    note = "aichat, binary audio both ways"
    query = "&protocol=aichat.v1"
    import_line = "import aichat.core"
    has_turn_end = True

    def url(self, port, i):
        return f"ws://127.0.0.1:{port}/ws?conversation_id=bench-{i}{self.query}"

    def decode(self, msg):
        if isinstance(msg, (bytes, bytearray, memoryview)):
            return "audio", len(msg) - HEADER
        data = json.loads(msg)
        kind = data["type"]
        if kind == "audio_chunk":
            return "audio", len(base64.b64decode(data["audio_data"]))
        return KINDS.get(kind, kind), 0


class AiChatJson(AiChat):
    name = "aichat-json"
    note = "aichat, raw PCM in, JSON and base64 audio out"
    query = ""
    default = False


ADAPTERS = [AiChat(), AiChatJson()]
