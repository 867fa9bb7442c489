import pytest
from tests.servers.fake_worker import FakeFleet

from nemeton.common.clock import SystemClock

from .kit import HttpCluster


@pytest.fixture
def fleet():
    with FakeFleet() as made:
        yield made


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def cluster(json, clock):
    made = HttpCluster(json, clock)
    yield made
    made.close()
