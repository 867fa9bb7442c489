"""The kit that cluster scenarios are made with."""

import psutil
import pytest
from tests.scenarios.processes import Cluster, metadata_discovery


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, {"druid.discovery.type": "static"}, common={"druid.indexer.runner.type": "local"}) as made:
        yield made


def test_processes_are_started_frozen_killed_and_started_again(cluster):
    overlord = cluster.add("master", "coordinator", "overlord")
    worker = cluster.add("worker", "middleManager", {"druid.worker.capacity": "3"})
    cluster.start()
    assert cluster.wait_for(lambda: cluster.leader("overlord")) is overlord
    assert cluster.leaders("coordinator") == [overlord]
    assert cluster.overlord.get("/druid/indexer/v1/tasks") == []
    assert worker.get("/druid/worker/v1/enabled") == {f"localhost:{worker.ports['middleManager']}": True}
    first = worker.process.pid
    worker.freeze()
    assert psutil.Process(first).status() == psutil.STATUS_STOPPED
    worker.thaw()
    assert worker.get("/status/health") is True
    worker.kill()
    assert not worker.is_running
    worker.start()
    assert worker.process.pid != first
    assert "listens on" in worker.log
    overlord.restart()
    cluster.wait_for(lambda: cluster.leader("overlord"))


def test_a_process_that_ends_by_itself_fails_whoever_waits(cluster):
    worker = cluster.add("worker", "middleManager", {"druid.worker.capacity": "much"})
    with pytest.raises(AssertionError, match="(?s)worker ended: 1.*druid.worker.capacity"):
        cluster.start()
    assert not worker.is_running


def test_the_processes_of_two_clusters_do_not_meet(tmp_path):
    clusters = [Cluster(tmp_path / str(number), metadata_discovery()) for number in range(2)]
    ports = [each.add("one", "overlord").first_port for each in clusters]
    assert abs(ports[0] - ports[1]) >= 40
