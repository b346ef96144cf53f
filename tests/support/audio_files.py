"""Makes audio files of every kind that people upload."""

from __future__ import annotations

import io

import av
import numpy as np
import numpy.typing as npt

from aichat.toolkit.wav import wav_file

Samples = npt.NDArray[np.float32]


def tone(seconds: float = 2.0, rate: int = 48_000, peak: float = 0.3) -> Samples:
    """Bursts of a tone with pauses between, a little like speech."""
    times = np.arange(int(seconds * rate)) / rate
    bursts = np.sin(2 * np.pi * 220 * times) * (np.sin(2 * np.pi * 2 * times) > -0.5)
    return (peak * bursts).astype(np.float32)


def wav(samples: Samples, rate: int = 48_000, channels: int = 1) -> bytes:
    pcm = (np.repeat(samples, channels) * 32_767).round().astype("<i2")
    return wav_file(pcm.tobytes(), rate, channels)


def encoded(
    samples: Samples, container: str, codec: str, rate: int = 48_000, layout: str = "mono"
) -> bytes:
    """Encode with ffmpeg; *container* is its name for the format of a file."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = layout
        stream.options = {"strict": "experimental"}  # for vorbis
        resampler = av.AudioResampler(stream.format.name, layout, rate, frame_size=960)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "flt", "mono")
        frame.sample_rate = rate
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def silence_for_hours(seconds: int) -> bytes:
    """A small FLAC file that holds a lot."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=8_000)
        stream.layout = "mono"
        block = np.zeros((1, 8_000), np.int16)
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.sample_rate = 8_000
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def film() -> bytes:
    """An mp4 without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            picture = np.zeros((64, 64, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(stream.encode(None))
    return file.getvalue()


def every_kind(samples: Samples) -> dict[str, bytes]:
    """The same sound in every kind of file that is taken."""
    return {
        "wav": wav(samples),
        "stereo.wav": wav(samples, channels=2),
        "float.wav": encoded(samples, "wav", "pcm_f32le"),
        "8-bit.wav": encoded(samples, "wav", "pcm_u8"),
        "mp3": encoded(samples, "mp3", "libmp3lame"),
        "opus.ogg": encoded(samples, "ogg", "libopus"),
        "vorbis.ogg": encoded(samples, "ogg", "vorbis", layout="stereo"),
        "flac": encoded(samples, "flac", "flac"),
        "webm": encoded(samples, "webm", "libopus"),
        "m4a": encoded(samples, "ipod", "aac"),
    }
