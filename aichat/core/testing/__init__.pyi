from .contracts import SttContract as SttContract
from .contracts import TtsContract as TtsContract
from .contracts import VadContract as VadContract

__all__ = ["SttContract", "TtsContract", "VadContract"]
