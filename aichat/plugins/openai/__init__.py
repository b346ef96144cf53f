"""Speech recognition, language models and voices behind OpenAI-compatible servers.

That is OpenRouter, OpenAI, Ollama, llama.cpp, vLLM and SGLang (with Higgs Audio as well), speaches
and many others: ``base_url`` says where.
"""

from __future__ import annotations

from aichat.core import Backend, Llm, Stt, Tts, hookimpl

from .llm import OpenAiLlm
from .stt import OpenAiStt
from .tts import OpenAiTts


@hookimpl
def llm_backend() -> Backend[Llm]:
    """Offer ``[llm] use = "openai"``."""
    return Backend("openai", OpenAiLlm)


@hookimpl
def stt_backend() -> Backend[Stt]:
    """Offer ``[stt] use = "openai"``."""
    return Backend("openai", OpenAiStt)


@hookimpl
def tts_backend() -> Backend[Tts]:
    """Offer ``[tts] use = "openai"``."""
    return Backend("openai", OpenAiTts)
