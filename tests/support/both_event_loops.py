"""Runs each test on asyncio and on trio: a conftest imports the fixture."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Trio's strictness is a free race detector."""
    backend: str = request.param
    return backend
