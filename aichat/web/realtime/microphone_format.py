"""Converts a client's microphone audio to PCM16, 16 kHz, mono."""

from __future__ import annotations

import base64
import binascii

import numpy as np
import numpy.typing as npt
import soxr

from aichat.core.events import MIC_RATE
from aichat.toolkit.wav import Wav, read_wav
from aichat.web.schemas.client_frames import AudioChunkIn, BadFrame

Samples = npt.NDArray[np.int16]


class Microphone:
    """One client's audio. Chunks of another rate share one resampler, so there are no clicks."""

    def __init__(self) -> None:
        self._rate = MIC_RATE
        self._resampler: soxr.ResampleStream | None = None

    def raw(self, pcm: bytes) -> bytes:
        """Return the audio of a binary frame. Raises BadFrame for half samples."""
        if not pcm or len(pcm) % 2:
            raise BadFrame(
                f"An audio frame has {len(pcm)} bytes; PCM16 comes in pairs.",
                "Send whole samples: 16 kHz, mono, 16 bits.",
            )
        return pcm

    def chunk(self, message: AudioChunkIn) -> bytes:
        """Decode an ``audio_chunk``. Raises BadFrame."""
        try:
            data = base64.b64decode(message.audio_data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadFrame(f"audio_data is not base64: {error}.", "Encode the audio.") from error
        rate, channels = message.sample_rate, message.channels
        if message.format == "wav":
            wav = _wav(data)
            data, rate, channels = wav.pcm, wav.rate, wav.channels
        self.raw(data)
        if len(data) % (2 * channels):
            raise BadFrame("The audio ends within a sample.", "Send whole samples.")
        return self._at_mic_rate(np.frombuffer(data, np.int16), rate, channels)

    def _at_mic_rate(self, samples: Samples, rate: int, channels: int) -> bytes:
        if channels > 1:
            mixed = samples.reshape(-1, channels).mean(axis=1)
            samples = mixed.astype(np.int16)
        if rate != self._rate:
            self._rate = rate
            self._resampler = (
                None if rate == MIC_RATE else soxr.ResampleStream(rate, MIC_RATE, 1, dtype="int16")
            )
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        return samples.tobytes()


def _wav(data: bytes) -> Wav:
    try:
        wav = read_wav(data)
    except ValueError as error:
        raise BadFrame(f"The audio is not a WAV: {error}.", 'Send PCM16 WAV, or "pcm".') from error
    if wav.bits != 16 or wav.channels not in (1, 2) or not 8_000 <= wav.rate <= 48_000:
        raise BadFrame(
            f"The WAV has {wav.bits} bits, {wav.channels} channels at {wav.rate} Hz.",
            "Send 16 bits, one or two channels, 8 to 48 kHz.",
        )
    return wav
