"""For plug-in authors: contract tests to inherit. Needs pytest; nothing else in core does.

    class TestMyVoice(TtsContract):
        @pytest.fixture
        async def tts(self):
            async with MyVoice() as voice:
                yield voice

The tests run under anyio's pytest plug-in; a fixture ``anyio_backend`` chooses the event loop.
"""

from .contracts import SttContract, TtsContract, VadContract

__all__ = ["SttContract", "TtsContract", "VadContract"]
