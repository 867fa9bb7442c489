import itertools

import pytest
from tests.servers.fake_worker import FakeFleet

from nemeton.common.clock import SystemClock

from .kit import HttpCluster, ZkCluster

_numbers = itertools.count(1)


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


@pytest.fixture
def zk_cluster(json, clock, zookeeper):
    made = ZkCluster(json, clock, zookeeper.connect_string, f"/runners{next(_numbers)}")
    yield made
    made.close()


@pytest.fixture
def start(cluster):
    """Make a runner, and start it."""

    def make(*workers, **config):
        for worker in workers:
            cluster.hub.announce(worker.node)
        runner = cluster.runner(**config)
        runner.start()
        return runner

    return make
