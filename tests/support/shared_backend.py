"""Lets the tests of a contract share one opened backend, where opening it takes long."""

from __future__ import annotations

import pytest


class OpenedOnce:
    """Inherit before the contract, and give its fixture the scope "class"."""

    @pytest.fixture(scope="class")
    @classmethod
    def anyio_backend(cls) -> str:
        """One loop for all of them; no test of the class may ask for another."""
        return "asyncio"
