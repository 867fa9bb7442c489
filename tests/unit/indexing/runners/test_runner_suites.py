"""The runners ``remote`` and ``httpRemote`` owe the queue what every runner owes it."""

import pytest

from nemeton.testkit.suites.task_runner import TaskRunnerSuite


class TestHttpRemoteTaskRunner(TaskRunnerSuite):
    @pytest.fixture
    def new_runner(self, cluster, fleet):
        for _ in range(2):
            cluster.hub.announce(fleet.add_worker(capacity=2).node)
        return cluster.runner()


class TestRemoteTaskRunner(TaskRunnerSuite):
    @pytest.fixture
    def new_runner(self, zk_cluster, fleet):
        for _ in range(2):
            zk_cluster.add_worker(fleet, capacity=2)
        return zk_cluster.runner()
