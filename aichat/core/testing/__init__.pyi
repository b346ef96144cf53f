from .auth_contract import AuthContract as AuthContract
from .llm_contract import LlmContract as LlmContract
from .storage.contract import StorageContract as StorageContract
from .stt_contract import SttContract as SttContract
from .tts_contract import TtsContract as TtsContract
from .turn_contract import SoundTurnContract as SoundTurnContract
from .turn_contract import TurnContract as TurnContract
from .vad_contract import VadContract as VadContract

__all__ = [
    "AuthContract",
    "LlmContract",
    "SoundTurnContract",
    "StorageContract",
    "SttContract",
    "TtsContract",
    "TurnContract",
    "VadContract",
]
