"""The runner ``httpRemote`` owes the queue what every runner owes it."""

import pytest

from nemeton.testkit.suites.task_runner import TaskRunnerSuite


class TestHttpRemoteTaskRunner(TaskRunnerSuite):
    @pytest.fixture
    def new_runner(self, cluster, fleet):
        for _ in range(2):
            cluster.hub.announce(fleet.add_worker(capacity=2).node)
        return cluster.runner()
