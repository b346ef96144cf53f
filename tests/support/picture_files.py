"""Makes picture files of every kind that people upload."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def a_picture(width: int = 800, height: int = 600) -> Pixels:
    """Red, with a green upper left quarter."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[...] = (200, 0, 0, 255)
    pixels[: height // 2, : width // 2] = (0, 200, 0, 255)
    return pixels


def encoded(pixels: Pixels, codec: str, format: str) -> bytes:
    frame = av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format=format)
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, format
    context.time_base = Fraction(1)
    return b"".join(bytes(one) for one in (*context.encode(frame), *context.encode(None)))


PNG = encoded(a_picture(), "png", "rgba")
JPEG = encoded(a_picture(), "mjpeg", "yuvj420p")
WEBP = encoded(a_picture(), "libwebp", "yuv420p")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
