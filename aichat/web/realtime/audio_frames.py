"""Speech on its way to a client: a binary frame (header: ``schemas/server_frames.py``), or JSON."""

from __future__ import annotations

import struct
from base64 import b64encode

from aichat.core.events import SPEAKER_RATE
from aichat.web.schemas.server_frames import AudioChunkOut

from .replay_buffer import Piece

HEADER = struct.Struct("<BBHIII")
VERSION = 1
LAST = 1


def audio_frame(piece: Piece) -> bytes:
    """Write speech as a binary frame."""
    line = piece.line
    return header(piece.last, line.place, line.turn.number, piece.chunk, piece.event_id) + piece.pcm


def audio_chunk(piece: Piece) -> AudioChunkOut:
    """Write speech for a client without the subprotocol."""
    return AudioChunkOut(
        event_id=piece.event_id,
        character_id=piece.line.character,
        audio_data=b64encode(piece.pcm).decode(),
        sequence_number=piece.line.place,
        chunk_index=piece.chunk,
        format="pcm",
        sample_rate=SPEAKER_RATE,
        turn_id=piece.line.turn.id,
        is_final=piece.last,
    )


def header(last: bool, place: int, generation: int, chunk: int, event_id: int) -> bytes:
    """Write the header of a binary frame."""
    return HEADER.pack(
        VERSION, LAST if last else 0, place, generation, chunk, event_id & 0xFFFFFFFF
    )
