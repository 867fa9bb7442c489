import pytest

from nemeton.common.clock import ManualClock
from nemeton.json import Json
from nemeton.metadata.audit import AuditManager
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.plugins import load_extensions

NOW = 1_763_600_000_000


@pytest.fixture(scope="session")
def json():
    parts = ["nemeton.model.extension", "nemeton.metadata.extension"]
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, parts).registry)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def coordinator(connector, json, clock):
    return SqlIndexerMetadataStorageCoordinator(connector, json, clock)


@pytest.fixture
def audit(connector, json, clock):
    return AuditManager(connector, json, clock)
