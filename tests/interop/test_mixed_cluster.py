"""Java and Python in one cluster: tasks of each Overlord on workers of the other, leaders that change meanwhile.

One cluster for all of it, in this order; with the runner httpRemote here, with `remote` among the slow tests.
"""

import json
import os
import urllib.error

import pytest
from tests.interop.mixed import MixedCluster
from tests.servers.process import ServerMissingError, skip_or_fail
from tests.servers.zookeeper import ZooKeeperServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("java"),
]

RUNNERS = [
    pytest.param(("httpRemote", 12_000), id="httpRemote"),
    pytest.param(("remote", 14_000), id="remote", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=RUNNERS)
def cluster(request, tmp_path_factory, real_druid, postgresql):
    runner, offset = request.param
    try:
        zookeeper = ZooKeeperServer()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    folder = tmp_path_factory.mktemp(f"mixed-{runner}")
    with zookeeper, MixedCluster(folder, real_druid, zookeeper, postgresql, runner=runner, offset=offset) as made:
        yield made


def ingest_compact_and_kill(cluster, data_source):
    """The three kinds of tasks; the rows are compared on the way."""
    cluster.run(cluster.index_parallel(data_source))
    cluster.check_rows(data_source)
    cluster.run(cluster.compact(data_source))
    cluster.java.broker.wait_for(lambda: cluster.visible_segments(data_source) == 1, 90)
    cluster.check_rows(data_source)

    cluster.run(cluster.index_parallel(f"{data_source}_killed"))
    mark = {"interval": "2024-01-01/2024-02-01"}
    cluster.leader.post(f"/druid/indexer/v1/datasources/{data_source}_killed/markUnused", mark)
    cluster.run(cluster.kill(f"{data_source}_killed"))
    files = cluster.folder / "segments" / f"{data_source}_killed"
    assert not [file for file in files.rglob("*") if file.is_file()]


def long_task(cluster, task_id, seconds):
    return {"type": "noop", "id": task_id, "dataSource": "long", "runTime": seconds * 1000}


def test_tasks_of_a_java_overlord_run_on_our_middle_manager(cluster):
    """And both Historicals load, for a Java Coordinator, what our peons published."""
    assert cluster.leads(cluster.java.coordinator)
    cluster.only_worker(cluster.worker)
    ingest_compact_and_kill(cluster, "java_over_ours")


def test_our_overlord_takes_over_from_a_java_one_while_tasks_run(cluster):
    """The tasks go on where they are, and their ends are told to the new leader."""
    running = long_task(cluster, "goes_on_1", 25)
    cluster.leader.submit(running)
    cluster.leader.wait_for(lambda: cluster.leader.status("goes_on_1")["location"]["host"])
    ingestion = cluster.leader.submit({"id": "across_1", **cluster.index_parallel("across_1")})
    cluster.java.coordinator.kill()
    cluster.masters.wait_for(lambda: cluster.leads(cluster.masters), 60)
    assert cluster.masters.wait_for_task("goes_on_1")["statusCode"] == "SUCCESS"
    assert cluster.masters.wait_for_task(ingestion)["statusCode"] == "SUCCESS"
    assert "goes_on_1" in json.dumps(cluster.masters.get("/druid/indexer/v1/completeTasks"))
    cluster.check_rows("across_1")


def test_tasks_of_our_overlord_run_on_a_java_middle_manager(cluster):
    """And both Historicals load, for our Coordinator, what Java peons published."""
    assert cluster.leads(cluster.masters)
    cluster.only_worker(cluster.java.worker)
    ingest_compact_and_kill(cluster, "ours_over_java")


def test_a_java_overlord_takes_over_from_ours_while_tasks_run(cluster):
    """The other way round, with a Java peon at work."""
    cluster.java.coordinator.start()
    cluster.leader.submit(long_task(cluster, "goes_on_2", 45))
    cluster.leader.wait_for(lambda: cluster.leader.status("goes_on_2")["location"]["host"])
    cluster.masters.kill()
    java = cluster.java.coordinator
    java.wait_for(lambda: cluster.leads(java), 90)
    assert java.wait_for_task("goes_on_2", 120)["statusCode"] == "SUCCESS"
    with pytest.raises(urllib.error.HTTPError) as caught:
        java.submit(long_task(cluster, "goes_on_2", 1))
    assert caught.value.code == 400, "the id is known to the new leader"
    cluster.masters.start()


def test_nothing_is_left_over(cluster, postgresql):
    """No task, no lock, no process of a task."""
    leader = cluster.java.coordinator
    for kind in ("running", "pending", "waiting"):
        leader.wait_for(lambda kind=kind: leader.get(f"/druid/indexer/v1/{kind}Tasks") == [], 60)
    locks = leader.post("/druid/indexer/v1/lockedIntervals/v2", [{"datasource": "java_over_ours"}])
    assert locks == {}
    assert cluster.worker.peons() == []
    assert os.path.isdir(cluster.folder / "task-logs")
