from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings

settings.register_profile("aichat", deadline=None)  # a busy machine fails no test
settings.load_profile("aichat")

patience = inspect.signature(httpx.Client).parameters["timeout"].default  # of every request
patience.connect = patience.read = patience.write = patience.pool = 60  # 5 s fail when it is busy


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the product; tests of the core run on trio as well."""
    return "asyncio"


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """For long conversations whose engines fail on purpose."""
    caplog.set_level("CRITICAL", "aichat")


@pytest.fixture(scope="module", autouse=True)
def leaks_show_here() -> Iterator[None]:
    """What a module leaves open fails its own last test, not the one that runs when it is found."""
    yield
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running in the main thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
