"""Whole conversations, on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from aichat.core.bus.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}
