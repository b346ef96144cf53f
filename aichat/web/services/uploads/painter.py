"""Makes a small WebP of one picture: a separate program, as ``decoder.py`` is for sound.

It takes a PNG, JPEG or WebP on its standard input, and writes a WebP of at most 512 pixels a side
(or as an argument says), upright and without metadata (camera, place, time, comments); or it ends
with status 3 and one line of JSON on its standard error. No demuxer is used: the first bytes choose
the decoder, which has a limit of pixels.
"""

from __future__ import annotations

import importlib
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent))  # an isolated program does not find its neighbours
limits: Any = importlib.import_module("decoder")

SIDE = 512
"""Most pixels of the longer side."""
MOST_PIXELS = 40_000_000
QUALITY = "84"
KINDS = "PNG, JPEG or WebP"

Pixels = npt.NDArray[np.uint8]
TURNS = {90: 1, 180: 2, -180: 2, -90: 3, 270: 3}
"""Quarter turns, counter-clockwise, by the rotation that the camera recorded."""


def codec(head: bytes) -> str:
    """Return the decoder for a file with these first bytes. Raises Refused."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "mjpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    raise limits.Refused("The file is no picture that can be read.", f"Send {KINDS}.")


def decode(data: bytes, side: int = SIDE) -> Pixels:
    """Return a picture's pixels, RGBA, upright, at most *side* a side."""
    context: Any = av.CodecContext.create(codec(data[:16]), "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except MemoryError:
        raise
    except Exception as error:  # any error of a decoder for a broken file
        raise _unreadable() from error
    if not frames:
        raise _unreadable()
    return _small(frames[0], side)


def _unreadable() -> Exception:
    refused: Exception = limits.Refused(
        f"The picture is damaged, or has over {MOST_PIXELS // 10**6} million pixels.",
        f"Send a whole {KINDS}, and a smaller one.",
    )
    return refused


def _small(frame: Any, most: int) -> Pixels:
    scale = min(1.0, most / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(width, height, "rgba", interpolation="AREA")
    return np.rot90(small.to_ndarray(), TURNS.get(round(frame.rotation), 0))


def encode(pixels: Pixels, kind: str = "webp") -> bytes:
    """Encode as WebP, or "png". The frame is a new one, without the file's metadata."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgba")
    if kind == "webp":
        is_opaque = bool((pixels[..., 3] == 255).all())
        frame = frame.reformat(format="yuv420p" if is_opaque else "yuva420p")
    context: Any = av.CodecContext.create("libwebp" if kind == "webp" else kind, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base = Fraction(1)
    if kind == "webp":
        context.options = {"quality": QUALITY}
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def warm_up() -> None:
    """Encode and decode a picture, so that late imports happen before the limits apply."""
    decode(encode(decode(encode(np.full((600, 8, 4), 128, np.uint8))), "png"))


def main() -> int:
    """Make a WebP of standard input on standard output.

    With the argument "png", a PNG; a number is the longer side at most.
    """
    kind = "png" if "png" in sys.argv else "webp"
    side = next((int(one) for one in sys.argv[1:] if one.isdecimal()), SIDE)
    av.logging.set_level(None)
    data = limits.receive()
    warm_up()
    limits.limit()
    try:
        made = encode(decode(data, side), kind)
    except limits.Refused as refused:
        sys.stderr.write(json.dumps(refused.report))
        return int(limits.REFUSED)
    sys.stdout.buffer.write(made)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
