"""A whole Overlord, asked over HTTP; the answers are those of a recorded Druid 33."""

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.servers.ports import free_port, free_ports

from nemeton.common.backoff import Backoff
from nemeton.config import Properties
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES

PORT = free_ports(40)
ROOT = Path(__file__).parents[3]
API = "/druid/indexer/v1"


@pytest.fixture(scope="module")
def overlord(tmp_path_factory):
    base = tmp_path_factory.mktemp("overlord")
    port = free_port()
    process = ServerProcess(
        [
            RoleSettings(
                ROLES["overlord"],
                Properties(
                    {
                        "druid.plaintextPort": str(port),
                        "druid.extensions.loadList": "[]",
                        "druid.metadata.storage.connector.connectURI": f"sqlite:///{base}/metadata.db",
                        "druid.indexer.task.baseTaskDir": f"{base}/tasks",
                        "druid.storage.storageDirectory": f"{base}/segments",
                        "druid.indexer.logs.directory": f"{base}/logs",
                        "druid.indexer.runner.startPort": str(PORT),
                    }
                ),
            )
        ]
    )
    process.start()
    master = process.injectors["overlord"].get(TaskMaster)
    wait_for(lambda: master.is_leader)
    yield Overlord(f"http://localhost:{port}", process)
    process.stop()


class Overlord:
    def __init__(self, url, process):
        self.url = url
        self.process = process
        self.http = HttpClient()

    def __call__(self, method, path, json=None, body=None, headers=None):
        return self.http.request(method, self.url + path, json=json, body=body, headers=headers)

    def status_of(self, task_id):
        return self("GET", f"{API}/task/{task_id}/status").json()["status"]

    def wait_for_end(self, task_id):
        return wait_for(lambda: (s := self.status_of(task_id))["status"] != "RUNNING" and s)


def wait_for(condition, timeout=30.0):
    waiting = threading.Event()
    for _ in range(int(timeout / 0.01)):
        found = condition()
        if found:
            return found
        waiting.wait(0.01)
    raise AssertionError("it did not happen")


@pytest.fixture(scope="module")
def finished(overlord):
    answer = overlord(
        "POST", f"{API}/task", {"type": "noop", "id": "noop_demo_1", "dataSource": "apidemo", "runTime": 5}
    )
    assert (answer.status, answer.json()) == (200, {"task": "noop_demo_1"})
    return overlord.wait_for_end("noop_demo_1")


def test_status_of_a_finished_task(finished):
    finished = json.loads(json.dumps(finished))
    created = finished.pop("createdTime")
    duration = finished.pop("duration")
    assert finished["location"].pop("port") >= PORT
    assert created.endswith("Z")
    assert duration >= 5
    assert finished == {
        "id": "noop_demo_1",
        "groupId": "noop_demo_1",
        "type": "noop",
        "queueInsertionTime": "1970-01-01T00:00:00.000Z",
        "statusCode": "SUCCESS",
        "status": "SUCCESS",
        "runnerStatusCode": "WAITING",
        "location": {"host": "localhost", "tlsPort": -1},
        "dataSource": "apidemo",
        "errorMsg": None,
    }


def test_payload(overlord, finished):
    assert overlord("GET", f"{API}/task/noop_demo_1").json() == {
        "task": "noop_demo_1",
        "payload": {
            "type": "noop",
            "id": "noop_demo_1",
            "groupId": "noop_demo_1",
            "dataSource": "apidemo",
            "runTime": 5,
            "context": {"forceTimeChunkLock": True, "useLineageBasedSegmentAllocation": True},
            "resource": {"availabilityGroup": "noop_demo_1", "requiredCapacity": 1},
        },
    }


def test_an_id_that_was_used(overlord, finished):
    answer = overlord("POST", f"{API}/task", {"type": "noop", "id": "noop_demo_1"})
    assert answer.status == 400
    assert answer.json() == {
        "error": "druidException",
        "errorCode": "entryAlreadyExists",
        "persona": "USER",
        "category": "INVALID_INPUT",
        "errorMessage": "Task[noop_demo_1] already exists",
        "context": {},
    }


@pytest.mark.parametrize("path", ["", "/status", "/log", "/reports", "/segments"])
def test_unknown_tasks(overlord, path):
    answer = overlord("GET", f"{API}/task/nosuch{path}")
    assert (answer.status, answer.text) == (404, "Cannot find any task with id: [nosuch]")


def test_shutdown_of_an_unknown_task(overlord):
    answer = overlord("POST", f"{API}/task/nosuch/shutdown")
    assert (answer.status, answer.text) == (404, "Cannot find any task with id: [nosuch]")


def test_log_by_offset_and_missing_reports(overlord, finished):
    whole = overlord("GET", f"{API}/task/noop_demo_1/log")
    assert whole.headers["Content-Type"].startswith("text/plain")
    assert "Running task [noop_demo_1]" in whole.text
    assert overlord("GET", f"{API}/task/noop_demo_1/log?offset=-10").text == whole.text[-10:]
    assert overlord("GET", f"{API}/task/noop_demo_1/log?offset=10").text == whole.text[10:]
    reports = overlord("GET", f"{API}/task/noop_demo_1/reports")
    assert reports.status == 404
    assert reports.text.startswith("No task reports were found")
    assert overlord("GET", f"{API}/task/noop_demo_1/segments").json()["error"].startswith("Segment IDs committed")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"type": "bogus"}, "bogus"),
        ({}, "type"),
        ({"type": "noop", "id": "bad/id"}, "cannot contain '/'"),
        ({"type": "noop", "runTime": "abc"}, "runTime"),
        ({"type": "kill", "dataSource": "x", "interval": "garbage"}, "garbage"),
    ],
)
def test_bad_tasks(overlord, body, part):
    answer = overlord("POST", f"{API}/task", body)
    assert answer.status == 400
    assert part in answer.json()["error"]


def test_bodies_that_are_no_json(overlord):
    headers = {"Content-Type": "application/json"}
    assert overlord("POST", f"{API}/task", body=b"{not json", headers=headers).status == 500
    assert overlord("POST", f"{API}/task", body=b"x", headers={"Content-Type": "text/plain"}).status == 415


def test_lists(overlord, finished):
    (only,) = overlord("GET", f"{API}/tasks?datasource=apidemo").json()
    assert (only["id"], only["runnerStatusCode"], only["statusCode"]) == ("noop_demo_1", "NONE", "SUCCESS")
    assert overlord("GET", f"{API}/completeTasks?n=1").json()
    assert overlord("GET", f"{API}/tasks?state=complete&createdTimeInterval=2000-01-01_2001-01-01").json() == []
    assert overlord("GET", f"{API}/tasks?type=kill").json() == []
    for path in ("pendingTasks", "waitingTasks"):
        assert overlord("GET", f"{API}/{path}").json() == []
    bad = overlord("GET", f"{API}/tasks?state=bogus")
    expected = "Invalid task state[bogus]. Must be one of [pending, waiting, running, complete]."
    assert (bad.status, bad.text) == (400, expected)


def test_statuses_of_many(overlord, finished):
    answer = overlord("POST", f"{API}/taskStatus", ["noop_demo_1", "nosuch"]).json()
    assert list(answer) == ["noop_demo_1"]
    assert answer["noop_demo_1"]["status"] == "SUCCESS"
    empty = overlord("POST", f"{API}/taskStatus", [])
    assert (empty.status, empty.text) == (400, "No Task IDs provided.")


def test_a_running_task_is_shown_and_shut_down(overlord):
    overlord("POST", f"{API}/task", {"type": "noop", "id": "long", "dataSource": "apidemo2", "runTime": 600_000})
    running = wait_for(lambda: overlord("GET", f"{API}/runningTasks?datasource=apidemo2").json())
    assert (running[0]["id"], running[0]["runnerStatusCode"]) == ("long", "RUNNING")
    assert running[0]["location"]["host"] == "localhost"
    (worker,) = overlord("GET", f"{API}/workers").json()
    assert "long" in worker["runningTasks"]  # tasks of other tests may not have ended yet
    assert 1 <= overlord("GET", f"{API}/totalWorkerCapacity").json()["usedClusterCapacity"] <= 2
    assert worker["worker"]["version"] == "0"
    assert overlord("POST", f"{API}/task/long/shutdown").json() == {"task": "long"}
    status = overlord.status_of("long")
    assert (status["status"], status["errorMsg"], status["duration"]) == ("FAILED", "Shutdown request from user", -1)
    assert overlord("POST", f"{API}/task/long/shutdown").json() == {"task": "long"}


def test_all_tasks_of_a_data_source_are_shut_down(overlord):
    for name in ("x1", "x2"):
        overlord("POST", f"{API}/task", {"type": "noop", "id": name, "dataSource": "many", "runTime": 600_000})
    assert overlord("POST", f"{API}/datasources/many/shutdownAllTasks").json() == {"dataSource": "many"}
    assert {overlord.status_of(name)["status"] for name in ("x1", "x2")} == {"FAILED"}


def action(overlord, task_id, body):
    task = {"type": "noop", "id": task_id, "dataSource": "lockds"}
    return overlord("POST", f"{API}/action", {"task": task, "action": body})


def test_actions_and_locks(overlord):
    day = "2030-01-01T00:00:00.000Z/2030-01-02T00:00:00.000Z"
    overlord("POST", f"{API}/task", {"type": "noop", "id": "act_a", "dataSource": "lockds", "runTime": 600_000})
    wanted = {"type": "lockTryAcquire", "lockType": "EXCLUSIVE", "interval": day}
    lock = action(overlord, "act_a", wanted).json()["result"]
    version = lock.pop("version")
    assert lock == {
        "type": "EXCLUSIVE", "groupId": "act_a", "dataSource": "lockds", "interval": day,
        "priority": 50, "revoked": False,
    }  # fmt: skip
    assert action(overlord, "act_a", {"type": "lockList"}).json() == {"result": [{**lock, "version": version}]}
    filters = [{"datasource": "lockds", "priority": 0, "context": {}}]
    assert overlord("POST", f"{API}/lockedIntervals/v2", filters).json() == {"lockds": [day]}
    assert overlord("POST", f"{API}/activeLocks", filters).json() == {
        "datasourceToLocks": {"lockds": [{"granularity": "timeChunk", **lock, "version": version}]}
    }
    refused = action(overlord, "ghost", wanted)
    assert refused.status == 500
    assert "Unable to grant lock to inactive Task [ghost]" in refused.json()["error"]
    assert action(overlord, "ghost", {"type": "lockList"}).json() == {"result": []}
    assert action(overlord, "act_a", {"type": "bogus"}).status == 400
    assert action(overlord, "act_a", {"type": "lockRelease", "interval": day}).json() == {"result": None}
    none = overlord("POST", f"{API}/lockedIntervals/v2", [])
    assert (none.status, none.text) == (400, "No filter provided")
    overlord("POST", f"{API}/task/act_a/shutdown")


def test_an_action_is_to_be_asked_again_while_the_store_is_away(overlord, monkeypatch):
    """503, after which a peon goes on asking: its work is not lost by an outage of the metadata store."""
    connector = overlord.process.injectors["overlord"].get(MetadataStorageConnector)
    wanted = {"type": "segmentListUsed", "dataSource": "lockds", "intervals": ["2030-01-01/2030-01-02"]}
    with monkeypatch.context() as patched:
        patched.setattr(connector.engine, "connect", cannot_connect)
        patched.setattr("nemeton.metadata.connector.Backoff", lambda **_: Backoff(0.001, 0.001))
        refused = action(overlord, "patient", wanted)
    assert refused.status == 503
    assert "The metadata store is away or too busy" in refused.json()["error"]
    assert action(overlord, "patient", wanted).json() == {"result": []}


def cannot_connect():
    raise OperationalError("connect", {}, Exception("database is locked"))


def test_pending_segments_are_kept_while_a_task_may_use_them(overlord):
    overlord("POST", f"{API}/task", {"type": "noop", "id": "uses", "dataSource": "pending", "runTime": 600_000})
    refused = overlord("DELETE", f"{API}/pendingSegments/pending")
    assert refused.status == 400
    assert "at least one active task[uses]" in refused.json()["error"]
    old = overlord("DELETE", f"{API}/pendingSegments/pending?interval=2020-01-01/2021-01-01")
    assert old.json() == {"numDeleted": 0}
    overlord("POST", f"{API}/task/uses/shutdown")


def test_worker_config_and_its_history(overlord):
    assert overlord("GET", f"{API}/worker").text == ""
    strategy = {"type": "fillCapacity", "affinityConfig": {"affinity": {"a": ["h:1"]}, "strong": True}}
    set_it = overlord(
        "POST", f"{API}/worker", {"type": "default", "selectStrategy": strategy, "autoScaler": None},
        headers={"X-Druid-Author": "a1", "X-Druid-Comment": "c1", "Content-Type": "application/json"},
    )  # fmt: skip
    assert set_it.status == 200
    stored = overlord("GET", f"{API}/worker").json()
    limits = {"maxSlotCountByType": {}, "maxSlotRatioByType": {}}
    assert stored == {"type": "default", "selectStrategy": {**strategy, "taskLimits": limits}, "autoScaler": None}
    (entry,) = overlord("GET", f"{API}/worker/history?count=1").json()
    assert (entry["auditInfo"]["author"], entry["auditInfo"]["comment"]) == ("a1", "c1")


def test_marking_segments(overlord):
    base = f"{API}/datasources/wiki"
    assert overlord("POST", f"{base}/markUnused", {"interval": "2024-01-01/2024-01-02"}).json() == {
        "numChangedSegments": 0,
        "segmentStateChanged": False,
    }
    assert overlord("POST", f"{base}/markUsed", {"interval": "2024/2025", "versions": ["v"]}).status == 200
    assert overlord("POST", f"{base}/markUnused", {}).status == 400
    assert overlord("POST", f"{base}/markUnused", {"interval": "2024/2025", "segmentIds": ["x"]}).status == 400
    bad = overlord("DELETE", f"{base}/segments/nosuch")
    assert (bad.status, bad.text) == (400, "Could not parse Segment ID[nosuch] for DataSource[wiki]")


def test_leader(overlord):
    assert overlord("GET", f"{API}/leader").text == overlord.url
    assert overlord("GET", f"{API}/isLeader").json() == {"leader": True}


def test_losing_the_leadership_makes_everything_unavailable_and_nothing_is_lost(overlord, finished):
    master = overlord.process.injectors["overlord"].get(TaskMaster)
    overlord("POST", f"{API}/task", {"type": "noop", "id": "survivor", "dataSource": "s", "runTime": 300})
    master.stop_being_leader()
    try:
        assert not master.is_leader
        assert overlord("POST", f"{API}/task", {"type": "noop"}).status == 503
        assert overlord("GET", f"{API}/isLeader").status == 404
    finally:
        master.become_leader()
    assert overlord.wait_for_end("survivor")["status"] == "SUCCESS"


SAMPLED = {
    "type": "index",
    "spec": {
        "ioConfig": {
            "inputSource": {"type": "inline", "data": '{"timestamp":"2024-01-01","x":1}'},
            "inputFormat": {"type": "json"},
        }
    },
}


def test_the_sampler_shows_rows(overlord):
    answer = overlord("POST", f"{API}/sampler", SAMPLED)
    assert (answer.status, answer.json()["numRowsRead"]) == (200, 1)
    assert answer.json()["data"][0]["parsed"] == {"__time": 1704067200000, "x": "1"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "bogus"}, "bogus"),
        ({}, "type"),
        ({**SAMPLED, "samplerConfig": {"numRows": 5001}}, "numRows must be <= 5000"),
        (
            {"type": "index", "spec": {"ioConfig": {"inputSource": {"type": "druid", "dataSource": "d"}}}},
            "Specify exactly one of",
        ),
        (
            {
                "type": "index",
                "spec": {
                    "ioConfig": {
                        "inputSource": {"type": "local", "files": ["/nowhere"]},
                        "inputFormat": {"type": "json"},
                    }
                },
            },
            "Failed to sample data: Input file [/nowhere] does not exist",
        ),
    ],
)
def test_the_sampler_says_what_is_wrong(overlord, wrong, message):
    answer = overlord("POST", f"{API}/sampler", wrong)
    assert answer.status == 400
    assert message in answer.json()["error"]
