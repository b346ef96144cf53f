"""Transcribes short audio with as much context as it needs, for half the work.

Whisper always hears 30 s, most of them silence that is added. With less it writes the same words,
but repeats itself now and then: then the result is no good, and it has to be asked again in full.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from zlib import compress

import numpy as np
from attrs import frozen

RATE = 16_000
FEATURES_PER_SECOND = 100
SHORTEST, MORE = 15, 5
"""Seconds of the shortest context; seconds added to the audio."""
TOKENS, TOKENS_PER_SECOND = 20, 8
"""Longest text that is believed: nobody says more; it is Whisper that repeats itself."""
REPETITIVE = 1.6
"""Compression ratio from which a short text may repeat itself."""
UNSURE = -0.5
"""Mean log-probability of a token, below which a full context often understands more."""


@frozen
class Passage:
    """What was written, and how likely it is; named as the segments of faster-whisper."""

    text: str
    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float


def encode(engine: Any, audio: Any) -> Any:
    """Return what the encoder of a WhisperModel makes of float samples, with a short context."""
    seconds = max(SHORTEST, round(len(audio) / RATE + MORE))
    return engine.encode(_features(engine, audio, seconds))


def transcribe(
    engine: Any,
    encoded: Any,
    seconds: float,
    language: str,
    hotwords: str | None,
    beam_size: int,
) -> Passage | None:
    """Return what a WhisperModel hears in that much audio; None if it may have gone astray."""
    tokenizer = _tokenizer(engine, language)
    prompt = engine.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords)
    most = TOKENS + round(TOKENS_PER_SECOND * seconds)
    (result,) = engine.model.generate(
        encoded,
        [prompt],
        beam_size=beam_size,
        max_length=max(2 * most, len(prompt) + most),  # CTranslate2 halves it
        return_scores=True,
        return_no_speech_prob=True,
    )
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens)
    likely = result.scores[0] * len(tokens) / (len(tokens) + 1)
    passage = Passage(text, result.no_speech_prob, likely, _ratio(text))
    is_astray = len(tokens) >= most or likely < UNSURE or repeats(text)
    return None if is_astray else passage


def repeats(text: str) -> bool:
    """Return whether a text may repeat itself where the speaker did not."""
    sentences = Counter(filter(None, re.split(r"[.!?,;:\s]*[.!?]\s*", text.casefold().strip())))
    return _ratio(text) > REPETITIVE or max(sentences.values(), default=1) > 1


def _features(engine: Any, audio: Any, seconds: int) -> Any:
    length = FEATURES_PER_SECOND * seconds
    features = engine.feature_extractor(audio, padding=RATE // FEATURES_PER_SECOND)[:, :length]
    return np.pad(features, ((0, 0), (0, length - features.shape[1])))


def _tokenizer(engine: Any, language: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(engine.hf_tokenizer, engine.model.is_multilingual, "transcribe", language)


def _ratio(text: str) -> float:
    data = text.strip().encode()
    return len(data) / len(compress(data))
