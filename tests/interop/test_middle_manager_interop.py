"""A Java Overlord with our MiddleManager and our peons, over HTTP and over ZooKeeper.

One Java Coordinator, which is the Overlord too; its runner is what the parameter says.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from tests.scenarios.processes import Cluster, zookeeper_discovery

from nemeton.testkit.waiting import eventually

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("java")]

OFFSET = 11_000
JAVA = f"http://localhost:{8081 + OFFSET}"
LONG_S = 120.0
ROWS = 1000


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(JAVA + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def answers(path):
    try:
        return ask(path)
    except (OSError, ValueError):
        return None


@pytest.fixture(scope="module", params=["httpRemote", "remote"])
def cluster(request, real_druid, zookeeper, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"java-{request.param}")
    base = f"/java-{request.param}"
    druid = type(real_druid)(folder / "druid")
    shared = {
        "druid.zk.paths.base": base,
        "druid.indexer.logs.type": "file",
        "druid.indexer.logs.directory": str(folder / "logs"),
        "druid.storage.type": "local",
        "druid.storage.storageDirectory": str(folder / "segments"),
    }
    own = {"druid.indexer.runner.type": request.param, "druid.zk.service.sessionTimeoutMs": "6000"}
    options = [word for name, value in {**shared, **own}.items() for word in ("--prop", f"{name}={value}")]
    where = ["--offset", str(OFFSET), "--zk", zookeeper.connect_string, *options]
    druid.run(*where, "up", "coordinator")
    discovery = zookeeper_discovery(zookeeper, session_timeout_ms=6000, base=base)
    try:
        with Cluster(folder, discovery, common=shared) as made:
            made.add("worker", "middleManager", {"druid.worker.capacity": "2"})
            made.start()
            made.runner = request.param
            eventually(lambda: answers("/druid/indexer/v1/workers"), "the Overlord sees the worker", LONG_S)
            yield made
    finally:
        druid.run(*where, "down")


def end_of(task_id):
    path = f"/druid/indexer/v1/task/{task_id}/status"
    eventually(lambda: answers(path)["status"]["status"] != "RUNNING", f"{task_id} ends", LONG_S)
    return ask(path)["status"]


def submit(task):
    return ask("/druid/indexer/v1/task", task)["task"]


def test_the_overlord_knows_the_worker(cluster):
    (found,) = ask("/druid/indexer/v1/workers")
    host = f"localhost:{cluster['worker'].ports['middleManager']}"
    assert found["worker"]["host"] == host
    assert found["worker"]["capacity"] == 2


def test_a_noop_task_runs_here(cluster):
    status = end_of(submit({"type": "noop", "dataSource": "d", "runTime": 200}))
    assert status["status"] == "SUCCESS"
    assert status["location"]["host"] == "localhost"


def begin_long_task():
    """A task that runs for ever, and has begun to; its log is streamed from the worker."""
    task = submit({"type": "noop", "dataSource": "d", "runTime": 600_000})
    eventually(lambda: f"Running task [{task}]" in log_of(task), "its log", LONG_S)
    return task


def log_of(task):
    try:
        with urllib.request.urlopen(f"{JAVA}/druid/indexer/v1/task/{task}/log", timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError:
        return ""


def test_a_running_task_shows_its_log_and_is_shut_down(cluster):
    task = begin_long_task()
    ask(f"/druid/indexer/v1/task/{task}/shutdown", {})
    assert end_of(task)["status"] == "FAILED"
    eventually(lambda: cluster["worker"].get("/druid/worker/v1/tasks") == [], "ended", LONG_S)


def rows(source):
    lines = "\n".join(f"2020-01-01T00:00:00Z,{n}" for n in range(ROWS))
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": source,
                "timestampSpec": {"column": "t", "format": "iso"},
                "dimensionsSpec": {"dimensions": [{"type": "long", "name": "n"}]},
                "granularitySpec": {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "inline", "data": lines},
                "inputFormat": {"type": "csv", "columns": ["t", "n"]},
            },
            "tuningConfig": {"type": "index_parallel"},
        },
    }


def test_an_ingestion_runs_here_and_its_segments_are_druids(cluster, real_druid):
    """Locks, allocation and publishing are the Java Overlord's; it adds fields to the task that we do not know."""
    source = f"rows_{cluster.runner.lower()}"
    task = submit(rows(source))
    assert end_of(task)["status"] == "SUCCESS"
    path = f"/druid/coordinator/v1/metadata/datasources/{source}/segments?full"
    eventually(lambda: answers(path), "the Coordinator sees it", LONG_S)
    (segment,) = ask(path)
    assert segment["shardSpec"]["type"] == "numbered"
    assert ask(f"/druid/indexer/v1/task/{task}/reports")["ingestionStatsAndErrors"]["type"] == "ingestionStatsAndErrors"


def test_a_disabled_worker_gets_nothing(cluster):
    cluster["worker"].post("/druid/worker/v1/disable")
    try:
        if cluster.runner == "remote":
            eventually(lambda: ask("/druid/indexer/v1/workers")[0]["worker"]["version"] == "", "seen", LONG_S)
        task = submit({"type": "noop", "dataSource": "d", "runTime": 1})
        waiting = ("PENDING", "WAITING")
        path = f"/druid/indexer/v1/task/{task}"
        eventually(lambda: ask(f"{path}/status")["status"]["runnerStatusCode"] in waiting, "it waits")
        ask(f"{path}/shutdown", {})
    finally:
        cluster["worker"].post("/druid/worker/v1/enable")


def test_a_killed_worker_tells_what_became_of_its_tasks(cluster):
    worker = cluster["worker"]
    task = begin_long_task()
    worker.kill()
    worker.start()
    status = end_of(task)
    assert status["status"] == "FAILED"
    assert status["errorMsg"] == "Canceled as unknown task. See middleManager or indexer logs for more details."
