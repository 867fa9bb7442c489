"""Workers of a cluster: tasks run there, survive the Overlord, and are told of after a kill -9."""

import json
import sqlite3
import threading
import time
import urllib.request

import psutil
import pytest
from tests.scenarios.processes import Cluster, zookeeper_discovery
from tests.servers.http_files import HttpFiles

ROWS = 1000
CANCELED = "Canceled as unknown task. See middleManager or indexer logs for more details."


class HeldInput:
    """Rows over HTTP, once they are released."""

    def __init__(self):
        self.released, self.asked = threading.Event(), threading.Event()
        self._files = HttpFiles(self._rows)

    def _rows(self, _path):
        self.asked.set()
        self.released.wait(120)
        return "\n".join(json.dumps({"t": "2020-01-01T00:00:00Z", "n": n}) for n in range(ROWS)).encode()

    def close(self):
        self.released.set()
        self._files.close()

    def task(self, data_source="held"):
        """An index_parallel task that appends the rows."""
        return {
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": data_source,
                    "timestampSpec": {"column": "t", "format": "iso"},
                    "dimensionsSpec": {"dimensions": [{"type": "long", "name": "n"}]},
                    "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False},
                },
                "ioConfig": {
                    "type": "index_parallel",
                    "inputSource": {
                        "type": "http",
                        "uris": [self._files.url("rows.json")],
                    },
                    "inputFormat": {"type": "json"},
                    "appendToExisting": True,
                },
                "tuningConfig": {"type": "index_parallel"},
            },
        }


@pytest.fixture
def held():
    made = HeldInput()
    yield made
    made.close()


@pytest.fixture(scope="module")
def processes(tmp_path_factory, zookeeper):
    """One Overlord, one MiddleManager."""
    with Cluster(tmp_path_factory.mktemp("workers"), zookeeper_discovery(zookeeper)) as made:
        made.add("overlord1", "overlord")
        made.add("worker", "middleManager", {"druid.worker.capacity": "2"})
        yield made


@pytest.fixture
def cluster(processes):
    """With all that a test before may have killed."""
    processes.start()
    worker = processes["worker"].url.removeprefix("http://")
    path = "/druid/indexer/v1/workers"
    processes.wait_for(lambda: worker in [each["worker"]["host"] for each in processes.overlord.get(path)])
    return processes


def noop(run_ms, **more):
    return {"type": "noop", "dataSource": "d", "runTime": run_ms, **more}


def segments(cluster):
    with sqlite3.connect(cluster.folder / "metadata.db") as store:
        return store.execute("SELECT id FROM druid_segments WHERE used").fetchall()


def wait_until_it_runs(cluster, task_id):
    cluster.wait_for(lambda: cluster.overlord.status(task_id)["runnerStatusCode"] == "RUNNING")
    cluster.wait_for(lambda: cluster["worker"].peons())


def test_a_task_runs_on_the_middle_manager(cluster):
    overlord = cluster.overlord
    task = overlord.submit(noop(1500))
    wait_until_it_runs(cluster, task)
    assert cluster["overlord1"].peons() == []
    cluster.wait_for(lambda: "Running task" in text(cluster, task))  # while it runs, from the worker
    status = overlord.wait_for_task(task)
    assert status["statusCode"] == "SUCCESS"
    assert status["location"]["port"] >= cluster["worker"].peon_port
    assert "Task completed with status" in text(cluster, task)


def text(cluster, task_id):
    url = f"{cluster.leader('overlord').url}/druid/indexer/v1/task/{task_id}/log"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_a_task_is_shut_down_on_the_middle_manager(cluster):
    task = cluster.overlord.submit(noop(600_000))
    wait_until_it_runs(cluster, task)
    (peon,) = cluster["worker"].peons()
    cluster.overlord.post(f"/druid/indexer/v1/task/{task}/shutdown")
    assert cluster.overlord.wait_for_task(task)["errorMsg"] == "Shutdown request from user"
    cluster.wait_for(lambda: not peon.is_running())


@pytest.mark.parametrize("with_peons", [False, True])
def test_after_a_kill_nine_the_worker_tells_what_became_of_its_tasks(cluster, held, with_peons):
    worker = cluster["worker"]
    before = segments(cluster)
    lost = cluster.overlord.submit(noop(600_000))
    appended = cluster.overlord.submit(held.task())
    wait_until_it_runs(cluster, lost)
    assert held.asked.wait(60)
    peons = worker.peons()
    worker.kill(with_children=with_peons)
    held.released.set()
    worker.start()
    for task in (lost, appended):
        status = cluster.overlord.wait_for_task(task, 60)
        assert (status["statusCode"], status["errorMsg"]) == ("FAILED", CANCELED)
    assert segments(cluster) == before
    for peon in peons:
        cluster.wait_for(lambda peon=peon: not peon.is_running() or peon.status() == psutil.STATUS_ZOMBIE, 30)
    assert cluster.overlord.wait_for_task(cluster.overlord.submit(noop(1)))["statusCode"] == "SUCCESS"
    assert list((worker.data / "tasks").glob("slot*/*")) == []


def test_an_end_that_the_overlord_missed_is_told_when_it_is_back(cluster):
    """The Overlord is away when the task ends, and the worker is killed before it is back."""
    task = cluster.overlord.submit(noop(1500))
    wait_until_it_runs(cluster, task)
    cluster["overlord1"].kill()
    completed = cluster["worker"].data / "tasks" / "completedTasks" / task
    deadline = time.monotonic() + 30
    while not completed.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    cluster["worker"].kill()
    cluster["worker"].start()
    cluster["overlord1"].start()
    assert cluster.overlord.wait_for_task(task)["statusCode"] == "SUCCESS"


def test_a_peon_finds_an_overlord_that_came_after_it(cluster, held):
    """Its first Overlord is gone for good, and nobody knew of the second one when the peon was started."""
    before = segments(cluster)
    task = cluster.overlord.submit(held.task())
    assert held.asked.wait(60)
    cluster.add("overlord2", "overlord")
    cluster.start("overlord2")
    cluster["overlord1"].kill()
    cluster.wait_for(lambda: cluster.leader("overlord") is cluster["overlord2"])
    held.released.set()
    assert cluster.overlord.wait_for_task(task)["statusCode"] == "SUCCESS"
    assert len(segments(cluster)) == len(before) + 1


def test_a_disabled_worker_finishes_its_tasks_and_gets_none(cluster):
    running = cluster.overlord.submit(noop(2000))
    wait_until_it_runs(cluster, running)
    cluster["worker"].post("/druid/worker/v1/disable")
    waiting = cluster.overlord.submit(noop(1))
    assert cluster.overlord.wait_for_task(running)["statusCode"] == "SUCCESS"
    assert cluster.overlord.status(waiting)["runnerStatusCode"] in ("PENDING", "WAITING")
    cluster["worker"].post("/druid/worker/v1/enable")
    assert cluster.overlord.wait_for_task(waiting)["statusCode"] == "SUCCESS"


def test_sigterm_ends_the_worker_soon_and_its_tasks_with_it(cluster):
    task = cluster.overlord.submit(noop(600_000))
    wait_until_it_runs(cluster, task)
    peons = cluster["worker"].peons()
    cluster["worker"].stop(30)
    assert not any(peon.is_running() for peon in peons)
    cluster["worker"].start()
    assert cluster.overlord.wait_for_task(task)["errorMsg"] == CANCELED


# ---- an Indexer


@pytest.fixture
def indexer(tmp_path, zookeeper):
    with Cluster(tmp_path, zookeeper_discovery(zookeeper)) as made:
        made.add("overlord", "overlord")
        worker = made.add("worker", "indexer", {"druid.worker.capacity": "2"})
        made.start()
        made.wait_for(lambda: made.overlord.get("/druid/indexer/v1/workers"))
        yield worker


def test_an_indexer_runs_tasks_in_its_own_process(indexer, held):
    cluster = indexer.cluster
    before = {child.pid for child in psutil.Process(indexer.process.pid).children(recursive=True)}
    tasks = [cluster.overlord.submit(held.task(f"held{number}")) for number in range(2)]
    assert held.asked.wait(60)
    assert {child.pid for child in psutil.Process(indexer.process.pid).children(recursive=True)} == before
    lost = cluster.overlord.submit(noop(600_000))
    held.released.set()
    for task in tasks:
        status = cluster.overlord.wait_for_task(task)
        assert (status["statusCode"], status["location"]["port"]) == ("SUCCESS", indexer.ports["indexer"])
        assert "Task completed with status" in text(cluster, task)
        assert cluster.overlord.get(f"/druid/indexer/v1/task/{task}/reports")["ingestionStatsAndErrors"]
    assert len(segments(cluster)) == 2
    cluster.wait_for(lambda: f"Running task [{lost}]" in text(cluster, lost))
    indexer.kill()
    indexer.start()
    assert cluster.overlord.wait_for_task(lost)["errorMsg"] == CANCELED
