"""For plug-in authors: contract tests to inherit. Needs pytest; nothing else in core does.

    class TestMyVoice(TtsContract):
        @pytest.fixture
        async def tts(self):
            async with MyVoice() as voice:
                yield voice

The tests run under anyio's pytest plug-in; a fixture ``anyio_backend`` chooses the event loop.
"""

import pytest

_ASSERTING = ("contracts", "llm_contract", "probes", "storage_contract", "storage_program")
_EXAMPLES = ("storage_cast", "storage_talk", "storage_together", "storage_values")
# a failed assertion shows its values, as in a test of one's own
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _ASSERTING + _EXAMPLES))

from .contracts import SttContract, TtsContract, VadContract  # noqa: E402

__all__ = ["SttContract", "TtsContract", "VadContract"]
