import pytest

from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.storage.contract import StorageContract


class TestMemoryStorage(StorageContract):
    programs = 3  # it is compared with itself

    @pytest.fixture
    def storage(self):
        return MemoryStorage()
