"""Decodes one audio file: a separate program, so that a hostile file harms nothing else.

It is run by path, in isolated mode, and imports nothing of aichat. Its standard input brings the
length of the file (8 bytes, little-endian) and the file, and stays open as long as the server
waits: when it closes, even midway, the server is gone, and this program exits. It writes mono
PCM16 of 24 kHz, its loudness evened out; or it ends with status 3 and one line of JSON,
``{"too_large", "problem", "hint"}``, on its standard error.

Memory and processor time are limited where the platform can, and once everything is imported no
file or socket can be opened any more. The file's first bytes decide its format, never its name;
the demuxer is set explicitly, so that no playlist is followed. Samples are counted as they are
decoded: a small file that holds hours is refused after a minute of them.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import wave
from collections.abc import Iterator
from typing import Any, NoReturn

import av
import numpy as np
import numpy.typing as npt

RATE = 24_000
LONGEST_SECONDS = 60
SHORTEST_SECONDS = 0.5
MEMORY_BYTES = 1 << 30
PROCESSOR_SECONDS = 20

REFUSED = 3
"""Exit status when the file is at fault."""
ABANDONED = 4
"""Exit status when the server no longer waits."""
HEAD_BYTES = 8

CODECS = {
    *("mp3", "vorbis", "opus", "flac", "aac", "alac", "pcm_alaw", "pcm_mulaw"),
    *("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
}
KINDS = "wav, mp3, ogg, flac, webm or m4a"

LOUDNESS_DB = -20.0
"""Level of the loud parts of a normalised clip (RMS, dBFS)."""
PEAK = 0.89
"""Highest sample of a normalised clip: -1 dBFS."""
SILENT = 1e-3
"""A clip with no sample above this is silent: -60 dBFS."""

Samples = npt.NDArray[np.float32]


class Refused(Exception):
    """The file cannot be used."""

    def __init__(self, problem: str, hint: str, *, too_large: bool = False) -> None:
        super().__init__(problem)
        self.report = {"too_large": too_large, "problem": problem, "hint": hint}


def demuxer(head: bytes) -> str:
    """Return the demuxer for a file with these first bytes. Raises Refused."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:3] == b"ID3" or _is_mp3_frame(head):
        return "mp3"
    known = {b"OggS": "ogg", b"fLaC": "flac", b"\x1aE\xdf\xa3": "matroska"}
    if head[:4] in known:
        return known[head[:4]]
    raise Refused("The file is not audio of a known format.", f"Send {KINDS}.")


def _is_mp3_frame(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def decode(data: bytes) -> Samples:
    """Return the audio of a file, mono at 24 kHz. Raises :class:`Refused`."""
    kind = demuxer(data[:16])
    try:
        with av.open(
            io.BytesIO(data), format=kind, metadata_errors="ignore", io_open=_nothing_else
        ) as container:
            blocks = list(_counted(_blocks(container)))
    except (Refused, MemoryError):
        raise
    except Exception as error:  # any error of a decoder for a broken file
        raise Refused("The file is damaged.", f"Send a whole {KINDS}.") from error
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if len(samples) < SHORTEST_SECONDS * RATE:
        raise Refused(
            "The clip is too short.", "Send some seconds of speech; ten to thirty are best."
        )
    return samples


def _nothing_else(*_: object) -> NoReturn:
    raise PermissionError("a clip is one file")


def _blocks(container: Any) -> Iterator[Samples]:
    stream = next(iter(container.streams.audio), None)
    if stream is None:
        raise Refused("There is no sound in the file.", f"Send {KINDS}.")
    codec = stream.codec_context
    if codec.codec.canonical_name not in CODECS:
        raise Refused("The audio format in the file is not supported.", f"Send {KINDS}.")
    if not (4_000 <= codec.sample_rate <= 384_000 and 1 <= codec.channels <= 8):
        raise Refused(
            "The file has an unusual sample rate, or too many channels.", f"Send {KINDS}."
        )
    codec.thread_count = 1
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    for packet in container.demux(stream):
        for frame in _frames(packet):
            frame.pts = None
            yield from (_samples(one) for one in resampler.resample(frame))
    yield from (_samples(one) for one in resampler.resample(None))


def _frames(packet: Any) -> list[Any]:
    """Decode a packet; a damaged one is left out, as every player does."""
    try:
        frames: list[Any] = packet.decode()
    except av.error.InvalidDataError:
        return []
    return frames


def _samples(frame: Any) -> Samples:
    samples: Samples = np.nan_to_num(frame.to_ndarray().reshape(-1), posinf=0.0, neginf=0.0)
    return samples


def _counted(blocks: Iterator[Samples]) -> Iterator[Samples]:
    room = LONGEST_SECONDS * RATE
    for block in blocks:
        room -= len(block)
        if room < 0:
            raise Refused(
                f"The clip is longer than {LONGEST_SECONDS} seconds.",
                "Cut out ten to thirty seconds of clear speech.",
                too_large=True,
            )
        yield block


def normalised(samples: Samples) -> Samples:
    """Normalise the loudness: the parts that are not pauses to -20 dBFS, without clipping."""
    samples = samples - np.float32(samples.mean(dtype=np.float64))
    peak = float(np.abs(samples).max())
    if peak < SILENT:
        raise Refused("The clip is silent.", "Send some seconds of speech.")
    block = RATE // 10
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    power = (whole.astype(np.float64) ** 2).mean(axis=1)
    loud = power[power >= power.mean() / 10]  # as in EBU R 128: 10 dB below the mean is a pause
    loudness = max(float(np.sqrt(loud.mean())), SILENT)
    gain = min(10 ** (LOUDNESS_DB / 20) / loudness, PEAK / peak)
    evened: Samples = samples * np.float32(gain)
    return evened


def receive() -> bytes:
    """Read the file from standard input; from now on, exit when the sender does."""
    length = int.from_bytes(_read(HEAD_BYTES), "little")
    data = _read(length)
    threading.Thread(target=_end_with_sender, daemon=True).start()
    return data


def _read(length: int) -> bytes:
    """Read *length* bytes without Python's buffers: a thread blocked in one delays the exit."""
    pieces = []
    while length:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            os._exit(ABANDONED)
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _end_with_sender() -> None:
    while os.read(0, 1):
        continue
    os._exit(ABANDONED)


def warm_up() -> None:
    """Decode a second of noise, so that late imports happen before the limits apply."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(bytes(range(256)) * 250)
    normalised(decode(file.getvalue()))


def limit() -> None:
    """Limit memory, time and files of this process, as far as the platform can."""
    try:
        import resource
    except ImportError:  # Windows has none; the parent's deadline and the counting remain
        return
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS refuses some
            continue


def main() -> int:
    """Decode standard input to standard output."""
    av.logging.set_level(None)
    data = receive()
    warm_up()
    limit()
    try:
        samples = normalised(decode(data))
    except Refused as refused:
        sys.stderr.write(json.dumps(refused.report))
        return REFUSED
    sys.stdout.buffer.write((samples * 32_767).round().astype("<i2").tobytes())
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
