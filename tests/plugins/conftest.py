"""A database of SQLite; other stores replace it in their modules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aichat.plugins.sqlite.store import Sqlite


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "aichat.db"


@pytest.fixture
async def storage(file: Path) -> AsyncIterator[Sqlite]:
    async with Sqlite(str(file)) as store:
        yield store
