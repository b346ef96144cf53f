import pytest

from aichat.core.testing.memory import MemoryStorage
from aichat.core.testing.storage_contract import StorageContract


class TestMemoryStorage(StorageContract):
    programs = 3  # it is compared with itself

    @pytest.fixture
    def storage(self):
        return MemoryStorage()
