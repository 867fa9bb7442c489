"""Workers come with the tasks and go again: the autoscaler `local` in a cluster of processes (behaviour 11.4)."""

import contextlib

import psutil
import pytest
from tests.scenarios.processes import Cluster, zookeeper_discovery
from tests.servers.ports import free_ports

API = "/druid/indexer/v1"
AUTOSCALE = {
    "druid.indexer.autoscale.doAutoscale": "true",
    "druid.indexer.autoscale.strategy.type": "pendingTaskBased",
    "druid.indexer.autoscale.workerCapacityHint": "1",
    "druid.indexer.autoscale.provisionPeriod": "PT1S",
    "druid.indexer.autoscale.terminatePeriod": "PT2S",
    "druid.indexer.autoscale.workerIdleTimeout": "PT3S",
}


@pytest.fixture
def cluster(tmp_path, zookeeper):
    with Cluster(tmp_path, zookeeper_discovery(zookeeper)) as made:
        made.add("overlord", "overlord", AUTOSCALE)
        made.start()
        made.wait_for(lambda: made.leader("overlord"))
        env = {"baseDir": str(tmp_path / "workers"), "properties": {"druid.worker.capacity": "1"}}
        env |= {"startPort": (first := free_ports(30)), "endPort": first + 29, "portsPerWorker": 10}
        scaler = {"type": "local", "minNumWorkers": 0, "maxNumWorkers": 2, "envConfig": env}
        made.overlord.post(f"{API}/worker", {"selectStrategy": {"type": "fillCapacity"}, "autoScaler": scaler})
        yield made


def workers_of(cluster):
    return {info["worker"]["host"] for info in cluster.overlord.get(f"{API}/workers")}


def processes_of(cluster):
    """The Overlord's children, and theirs, that run."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(cluster["overlord"].process.pid).children(recursive=True)
    return []


def test_pending_tasks_bring_workers_up_and_idleness_takes_them_down(cluster):
    assert workers_of(cluster) == set()
    assert cluster.overlord.get(f"{API}/scaling") == []
    tasks = [cluster.overlord.submit({"type": "noop", "dataSource": "ds", "runTime": 2000}) for _ in range(3)]
    cluster.wait_for(lambda: len(workers_of(cluster)) == 2)
    assert cluster.overlord.get(f"{API}/totalWorkerCapacity")["maximumCapacityWithAutoScale"] == 2
    for task in tasks:
        assert cluster.overlord.wait_for_task(task)["statusCode"] == "SUCCESS"
    cluster.wait_for(lambda: workers_of(cluster) == set())
    cluster.wait_for(lambda: processes_of(cluster) == [])
    made, ended = (nodes_of(cluster, event) for event in ("PROVISION", "TERMINATE"))
    assert len(made) >= 2, "more, where a worker idled before it got its first task"
    assert ended == made


def nodes_of(cluster, event):
    events = cluster.overlord.get(f"{API}/scaling")
    return {node for each in events if each["event"] == event for node in each["data"]["nodeIds"]}


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_no_worker_outlives_its_overlord(cluster, end):
    cluster.overlord.submit({"type": "noop", "dataSource": "ds", "runTime": 600_000})
    processes = cluster.wait_for(lambda: len(found := processes_of(cluster)) >= 3 and found)  # worker, template, task
    getattr(cluster["overlord"], end)()
    gone, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive, [process.cmdline() for process in alive]
    assert len(gone) == len(processes)
