"""Everything that aichat asks of a voice, asked of this one."""

import pytest
from aichat_whistle import Whistle

from aichat.core.testing import TtsContract


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that aichat runs on."""
    return "asyncio"


class TestWhistle(TtsContract):
    @pytest.fixture
    def tts(self) -> Whistle:
        return Whistle()
