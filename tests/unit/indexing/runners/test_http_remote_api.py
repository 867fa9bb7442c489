"""A whole Overlord with the runner ``httpRemote``, asked over HTTP; the answers are those of a recorded Druid 33."""

from __future__ import annotations

import contextlib

import pytest
from tests.servers.ports import free_port

from nemeton.config import Properties
from nemeton.discovery.local import LocalDiscoveryHub
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES
from nemeton.testkit.waiting import eventually

API = "/druid/indexer/v1"
DEBUG = "/druid-internal/v1/httpRemoteTaskRunner"


class Overlord:
    def __init__(self, url):
        self.url = url
        self.http = HttpClient()

    def __call__(self, method, path, json=None):
        return self.http.request(method, self.url + path, json=json)

    def get(self, path):
        answer = self("GET", path)
        assert answer.status == 200, answer.text
        return answer.json()

    def submit(self, task_id, **more):
        answer = self("POST", f"{API}/task", {"type": "noop", "id": task_id, "dataSource": "apidemo", **more})
        assert answer.status == 200, answer.text

    def status(self, task_id):
        return self.get(f"{API}/task/{task_id}/status")["status"]


@contextlib.contextmanager
def running_overlord(base, workers, runner_type="httpRemote"):
    port = free_port()
    properties = {
        "druid.plaintextPort": str(port),
        "druid.extensions.loadList": "[]",
        "druid.indexer.runner.type": runner_type,
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{base}/metadata.db",
        "druid.indexer.task.baseTaskDir": f"{base}/tasks",
        "druid.storage.storageDirectory": f"{base}/segments",
        "druid.indexer.logs.directory": f"{base}/logs",
    }
    process = ServerProcess([RoleSettings(ROLES["overlord"], Properties(properties))])
    injector = process.injectors["overlord"]
    for worker in workers:
        injector.get(LocalDiscoveryHub).announce(worker.node)
    process.start()
    try:
        eventually(lambda: injector.get(TaskMaster).is_leader, "it leads")
        yield Overlord(f"http://localhost:{port}")
    finally:
        process.stop()


@pytest.fixture
def worker(fleet):
    return fleet.add_worker(capacity=5, hold=True)


@pytest.fixture
def overlord(tmp_path, worker):
    with running_overlord(tmp_path, [worker]) as made:
        yield made


def test_a_task_runs_on_the_worker_and_the_api_shows_it(overlord, worker):
    overlord.submit("a")
    eventually(lambda: overlord.status("a")["location"]["port"] == worker.port, "the task runs")
    status = overlord.status("a")
    assert (status["status"], status["runnerStatusCode"]) == ("RUNNING", "RUNNING")
    (shown,) = overlord.get(f"{API}/workers")
    assert shown.pop("lastCompletedTaskTime").endswith("Z")
    assert shown == {
        "worker": {
            "scheme": "http",
            "host": worker.host,
            "ip": "localhost",
            "capacity": 5,
            "version": "0",
            "category": "_default_worker_category",
        },
        "currCapacityUsed": 1,
        "currParallelIndexCapacityUsed": 0,
        "currCapacityUsedByTaskType": {"noop": 1},
        "availabilityGroups": ["a"],
        "runningTasks": ["a"],
    }
    assert overlord.get(f"{API}/totalWorkerCapacity") == {
        "currentClusterCapacity": 5,
        "maximumCapacityWithAutoScale": -1,
        "usedClusterCapacity": 1,
    }
    assert overlord("GET", f"{API}/task/a/log").text == "log of a offset=0"
    worker.finish("a")
    eventually(lambda: overlord.status("a")["status"] == "SUCCESS", "the task ends")
    eventually(lambda: overlord.get(f"{DEBUG}/knownTasks") == [], "the runner forgets it")


def test_a_task_is_killed_on_its_worker(overlord, worker):
    overlord.submit("a")
    eventually(lambda: worker.assigned == ["a"], "the task runs")
    eventually(lambda: overlord.status("a")["runnerStatusCode"] == "RUNNING", "the task runs")
    assert overlord("POST", f"{API}/task/a/shutdown").json() == {"task": "a"}
    eventually(lambda: set(worker.shut_down) == {"a"}, "the worker is asked")
    assert overlord.status("a")["status"] == "FAILED"
    eventually(lambda: overlord.get(f"{DEBUG}/knownTasks") == [], "the runner forgets it")


def test_workers_are_enabled_and_disabled_through_the_overlord(overlord, worker):
    for action, enabled in (("disable", False), ("enable", True)):
        answer = overlord("POST", f"{API}/worker/{worker.host}/{action}")
        assert (answer.status, answer.json()) == (200, {worker.host: f"{action}d"})
        assert worker.disabled is not enabled
        version = "0" if enabled else ""
        seen = lambda version=version: overlord.get(f"{API}/workers")[0]["worker"]["version"] == version  # noqa: E731
        eventually(seen, "the Overlord sees it")
    answer = overlord("POST", f"{API}/worker/nohost:1/disable")
    assert (answer.status, answer.json()) == (500, {"error": "Worker on host nohost:1 does not exists"})


def test_the_debugging_endpoints_show_what_the_runner_knows(overlord, worker):
    overlord.submit("a")
    eventually(lambda: overlord.status("a")["location"]["port"] == worker.port, "the task runs")
    (known,) = overlord.get(f"{DEBUG}/knownTasks")
    assert known.pop("createdTime") == known.pop("queueInsertionTime")
    location = {"host": "localhost", "port": worker.port, "tlsPort": -1}
    assert known == {"taskId": "a", "location": location, "state": "RUNNING"}
    for empty in ("pendingTasksQueue", "blacklistedWorkers", "lazyWorkers"):
        assert overlord.get(f"{DEBUG}/{empty}") == []
    assert overlord.get(f"{DEBUG}/workersWithUnacknowledgedTasks") == {}
    assert overlord.get(f"{DEBUG}/workersEilgibleToRunTasks") == {worker.host: overlord.get(f"{API}/workers")[0]}
    info = overlord.get(f"{DEBUG}/workerSyncerDebugInfo")[worker.host]
    assert info.keys() == {
        "millisSinceLastRequest",
        "millisSinceLastSuccess",
        "consecutiveFailedAttemptCount",
        "syncScheduled",
    }
    assert (info["consecutiveFailedAttemptCount"], info["syncScheduled"]) == (0, True)
    worker.finish("a")


def test_an_overlord_that_comes_back_takes_up_what_workers_run(tmp_path, worker):
    with running_overlord(tmp_path, [worker]) as overlord:
        for name in "ab":
            overlord.submit(name)
            eventually(lambda name=name: overlord.status(name)["runnerStatusCode"] == "RUNNING", "the task runs")
    worker.finish("b")
    with running_overlord(tmp_path, [worker]) as overlord:
        eventually(lambda: overlord.status("b")["status"] == "SUCCESS", "its end is recorded")
        assert overlord.status("a")["location"]["port"] == worker.port
        worker.finish("a")
        eventually(lambda: overlord.status("a")["status"] == "SUCCESS", "its end is recorded")
    assert worker.assigned == ["a", "b"]


def test_without_the_runner_there_is_nothing_to_debug(tmp_path):
    with running_overlord(tmp_path, [], "local") as overlord:
        answer = overlord("GET", f"{DEBUG}/knownTasks")
        assert (answer.status, answer.text) == (403, "HttpRemoteTaskRunner is NULL.")
        (shown,) = overlord.get(f"{API}/workers")
        answer = overlord("POST", f"{API}/worker/{shown['worker']['host']}/disable")
        assert (answer.status, answer.json()) == (
            500,
            {"error": "Task Runner does not support enable/disable worker actions"},
        )
