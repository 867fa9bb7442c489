"""An ingestion over many workers of which some are Java: a Java Overlord, our supervisor task, sub tasks of either."""

from __future__ import annotations

import pytest
from tests.interop.mixed import DAYS, ROWS_A_DAY, MixedCluster
from tests.servers.process import ServerMissingError, skip_or_fail
from tests.servers.zookeeper import ZooKeeperServer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.xdist_group("java"),
]

OFFSET = 13_000
RANGES = {"type": "range", "partitionDimensions": ["page", "n"], "targetRowsPerSegment": 15}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, real_druid, postgresql):
    try:
        zookeeper = ZooKeeperServer()
    except ServerMissingError as missing:
        skip_or_fail(missing)
    folder = tmp_path_factory.mktemp("mixed-ingestion")
    with (
        zookeeper,
        MixedCluster(folder, real_druid, zookeeper, postgresql, runner="httpRemote", offset=OFFSET) as made,
    ):
        yield made


def run_over_both(cluster, first, task):
    """The supervisor task begins on one worker; then the other may take sub tasks, too."""
    cluster.only_worker(first)
    task_id = cluster.leader.submit(task)
    cluster.leader.wait_for(lambda: cluster.leader.status(task_id)["location"]["host"])
    for worker in (cluster.worker, cluster.java.worker):
        worker.post("/druid/worker/v1/enable")
    status = cluster.leader.wait_for_task(task_id, 400)
    assert status["statusCode"] == "SUCCESS", f"{status}\n{cluster._log_of(task_id)}"
    return task_id


def test_ranges_made_by_the_workers_there_are_are_what_a_java_broker_prunes_by(cluster):
    tuning = {"forceGuaranteedRollup": True, "maxNumConcurrentSubTasks": 4, "totalNumMergeTasks": 4}
    run_over_both(cluster, cluster.worker, cluster.index_parallel("ranged", partitionsSpec=RANGES, **tuning))
    cluster.check_rows("ranged")
    for page in range(7):
        query = f"SELECT COUNT(*) AS c FROM ranged WHERE page = 'p{page}'"
        expected = DAYS * len([n for n in range(ROWS_A_DAY) if n % 7 == page])
        assert cluster.java.broker.sql(query) == [{"c": expected}]
