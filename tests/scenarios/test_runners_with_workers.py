"""The runners ``remote`` and ``httpRemote`` owe the queue what every runner does; the worker is a MiddleManager.

There is no Overlord: the runner is in the test, and the worker finds nobody to ask.
"""

from __future__ import annotations

import pytest
from tests.scenarios.processes import Cluster, zookeeper_discovery
from tests.unit.indexing.runners.kit import HttpCluster, ZkCluster

from nemeton.common.clock import SystemClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.nodes import CuratorDruidNodeDiscoveryProvider
from nemeton.testkit.isolation import load_isolated
from nemeton.testkit.suites.task_runner import TaskRunnerSuite
from nemeton.testkit.waiting import eventually

BASE = "/runners-with-workers"


@pytest.fixture(scope="module")
def worker(tmp_path_factory, zookeeper):
    with Cluster(tmp_path_factory.mktemp("runners"), zookeeper_discovery(zookeeper, base=BASE)) as cluster:
        made = cluster.add("worker", "middleManager", {"druid.worker.capacity": "4"})
        cluster.start()
        yield made


@pytest.fixture(scope="module")
def json():
    return load_isolated().json


class _WithWorker(TaskRunnerSuite):
    @pytest.fixture
    def runner(self, new_runner):
        new_runner.start()
        host = f"localhost:{self.port}"
        eventually(lambda: [info.worker.host for info in new_runner.get_workers()] == [host], "the worker is there")
        for item in new_runner.get_known_tasks():  # as the queue does with tasks of an earlier life
            new_runner.shutdown(item.task_id, "of another test")
        yield new_runner
        new_runner.stop()


class TestHttpRemoteTaskRunner(_WithWorker):
    @pytest.fixture
    def new_runner(self, worker, zookeeper, json):
        self.port = worker.ports["middleManager"]
        clock, executor = SystemClock(), ScheduledExecutor("discovery")
        settings = CuratorConfig(host=zookeeper.connect_string, session_timeout_ms=6000)
        connection = ZooKeeper(settings, ZkPathsConfig(base=BASE), IndexerZkConfig(), clock)
        provider = CuratorDruidNodeDiscoveryProvider(connection, json, executor, clock)
        cluster = HttpCluster(json, clock)
        yield cluster.runner(discovery=provider)
        cluster.close()
        provider.close()
        executor.shutdown()
        connection.stop()


class TestRemoteTaskRunner(_WithWorker):
    @pytest.fixture
    def new_runner(self, worker, zookeeper, json):
        self.port = worker.ports["middleManager"]
        cluster = ZkCluster(json, SystemClock(), zookeeper.connect_string, BASE)
        yield cluster.runner()
        cluster.close()
