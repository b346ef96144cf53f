"""For plug-in authors: contract tests to inherit, fakes, simulated engines, virtual time.

    class TestMyVoice(TtsContract):
        @pytest.fixture
        async def tts(self):
            async with MyVoice() as voice:
                yield voice

The contract tests need pytest and run under anyio's plug-in for it; a fixture ``anyio_backend``
chooses the event loop. What else is here needs nothing more than aichat: ``fakes``, ``simulated``,
``simulated_user``, ``memory`` and ``virtual`` also serve ``litestar aichat replay``.
"""

from importlib import import_module
from typing import Any

__all__ = ["SttContract", "TtsContract", "VadContract"]


def __getattr__(name: str) -> Any:
    # types are in __init__.pyi; pytest is imported by who tests, and by nobody else
    if name in __all__:
        return getattr(import_module(".contracts", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
