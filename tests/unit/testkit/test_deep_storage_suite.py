"""Core's own deep storage keeps the promises of the suite."""

from __future__ import annotations

import pytest

from nemeton.storage.config import LocalStorageConfig
from nemeton.storage.local import LocalDeepStorage
from nemeton.testkit.suites.deep_storage import DeepStorageSuite


@pytest.mark.parametrize("zipped", [False, True])
class TestLocalDeepStorage(DeepStorageSuite):
    @pytest.fixture
    def storage(self, tmp_path, zipped):
        return LocalDeepStorage(LocalStorageConfig(storage_directory=str(tmp_path / "store"), zip=zipped))

    @pytest.fixture
    def move_target(self, tmp_path):
        return {"path": str(tmp_path / "archive")}
