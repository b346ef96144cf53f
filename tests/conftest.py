from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("aichat", deadline=None)  # a busy machine fails no test
settings.load_profile("aichat")


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the product; tests of the core run on trio as well."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running in the main thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
