"""WAV files of PCM16."""

from __future__ import annotations

import io
import struct
import wave

from attrs import frozen

SAMPLE_BYTES = 2
UNKNOWN = b"\xff\xff\xff\xff"
"""A length that is not known yet."""


@frozen
class Wav:
    """What a WAV file holds: *pcm*, interleaved if it has several channels."""

    pcm: bytes
    rate: int
    channels: int = 1
    bits: int = 16


def wav_file(pcm: bytes, rate: int, channels: int = 1) -> bytes:
    """Return PCM16 as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


def wav_header(rate: int) -> bytes:
    """Return the header of a mono WAV that is sent while it is being made."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, SAMPLE_BYTES * rate, SAMPLE_BYTES, 16)
    return b"RIFF" + UNKNOWN + b"WAVEfmt " + form + b"data" + UNKNOWN


def read_wav(file: bytes) -> Wav:
    """Read a WAV file of any number of bits. Raises ValueError, which says why it is none."""
    try:
        with wave.open(io.BytesIO(file)) as reader:
            pcm = reader.readframes(reader.getnframes())
            bits = 8 * reader.getsampwidth()
            return Wav(pcm, reader.getframerate(), reader.getnchannels(), bits)
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error) or "it ends too early") from error
