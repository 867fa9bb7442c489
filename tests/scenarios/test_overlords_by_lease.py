"""Overlords in processes of their own over one metadata store, without ZooKeeper."""

import contextlib
import re

import pytest
from tests.scenarios.api import NOT_YET
from tests.scenarios.processes import Cluster, metadata_discovery, postgresql_metadata

LOCAL = {"druid.indexer.runner.type": "local", "druid.indexer.queue.startDelay": "PT0S"}
SHORT = {
    "druid.discovery.metadata.leaseDuration": "PT2S",
    "druid.discovery.metadata.nodeTimeout": "PT4S",
    "druid.discovery.metadata.pollPeriod": "PT0.2S",
}


def noop(id_, run_ms):
    return {"type": "noop", "id": id_, "dataSource": "d", "runTime": run_ms}


def test_a_second_overlord_is_refused_where_leaders_are_elected_within_a_process(tmp_path):
    with Cluster(tmp_path, {"druid.discovery.type": "static"}, common=LOCAL) as cluster:
        cluster.add("one", "overlord")
        cluster.add("two", "overlord")
        cluster.add("coordinator", "coordinator")  # another service: it may run beside it
        cluster.start("one", "coordinator")
        second = cluster["two"].start(answering=False)
        assert second.process.wait(60) == 1
        assert re.search(r"in use by process \d+; it is the overlord.*druid\.discovery\.type=metadata", second.log)
        second.is_wanted = False
        cluster["one"].kill()
        cluster.start("two")  # the lock went with the process
        assert cluster.wait_for(lambda: cluster.leader("overlord")).name == "two"


@pytest.mark.slow
def test_a_frozen_overlord_is_replaced_and_harms_nothing_when_it_wakes_up(tmp_path, postgresql):
    """Tasks of the lost term run again and end once; the one that wakes up redirects to the one that leads."""
    with Cluster(tmp_path, metadata_discovery(**SHORT), postgresql_metadata(postgresql), common=LOCAL) as cluster:
        for name in ("one", "two"):
            cluster.add(name, "overlord")
        cluster.start()
        former = cluster.wait_for(lambda: cluster.leader("overlord"))
        (other,) = [process for process in cluster.processes.values() if process is not former]
        done = former.submit(noop("done", 10))
        former.wait_for_task(done)
        running = former.submit(noop("running", 6_000))
        former.wait_for(lambda: former.status(running)["runnerStatusCode"] == "RUNNING")
        former.freeze(with_children=True)
        other.wait_for(lambda: other.get("/druid/indexer/v1/isLeader")["leader"], 30)
        new = other.submit(noop("new", 10))
        other.wait_for_task(new)
        former.thaw()
        seen = []
        with contextlib.suppress(*NOT_YET):
            seen = cluster.leaders("overlord")
        assert seen in ([other], [])
        assert other.wait_for_task(running)["statusCode"] == "SUCCESS"
        cluster.wait_for(lambda: former.status(running)["statusCode"] == "SUCCESS")  # by a redirect
        assert cluster.leaders("overlord") == [other]
        assert sorted(task["id"] for task in other.get("/druid/indexer/v1/tasks")) == ["done", "new", "running"]
        former.wait_for(lambda: not former.peons())
        other.kill()
        former.wait_for(lambda: former.get("/druid/indexer/v1/isLeader")["leader"], 30)
        assert former.status(running)["statusCode"] == "SUCCESS"
