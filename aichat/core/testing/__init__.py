"""For plug-in authors: contract tests to inherit, fakes, simulated engines, virtual time.

    class TestMyVoice(TtsContract):
        @pytest.fixture
        async def tts(self):
            async with MyVoice() as voice:
                yield voice

There is a contract for each part that has engines: `VadContract`, `TurnContract` (or
`SoundTurnContract`), `SttContract`, `LlmContract`, `TtsContract`, `StorageContract`; and
`AuthContract` for authentication. They need pytest (that of storage also hypothesis) and run under
anyio's plug-in for it; a fixture ``anyio_backend`` chooses the event loop. The other modules need
nothing more than aichat: ``fakes``, ``simulated``, ``simulated_user``, ``memory`` and
``virtual`` also serve ``litestar aichat replay``.
"""

import sys
from importlib import import_module
from typing import Any

_CONTRACTS = {
    "AuthContract": "auth_contract",
    "LlmContract": "llm_contract",
    "SoundTurnContract": "turn_contract",
    "StorageContract": "storage.contract",
    "SttContract": "stt_contract",
    "TtsContract": "tts_contract",
    "TurnContract": "turn_contract",
    "VadContract": "vad_contract",
}
_ASSERTING = (*set(_CONTRACTS.values()), "probes", "storage.program")
_EXAMPLES = ("characters", "conversations", "concurrency", "values")
if pytest := sys.modules.get("pytest"):
    # a failed assertion shows its values, as in a test of one's own
    pytest.register_assert_rewrite(
        *(
            f"{__name__}.{module}"
            for module in (*_ASSERTING, *(f"storage.{name}" for name in _EXAMPLES))
        )
    )

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


def __getattr__(name: str) -> Any:
    # types are in __init__.pyi; pytest is imported only when a contract is used
    if name in _CONTRACTS:
        return getattr(import_module(f".{_CONTRACTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
