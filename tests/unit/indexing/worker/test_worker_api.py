"""The HTTP protocol of workers, beside the recorded answers of a real MiddleManager (behaviours 4.10, 26.4)."""

import json
import logging
from pathlib import Path

import pytest
from tests.servers.ports import free_ports

from nemeton.config import Properties
from nemeton.http.client import HttpClient
from nemeton.http.server import HttpServer
from nemeton.indexing.worker.stats import IndexerTaskCountStats, WorkerTaskCountStats
from nemeton.json import smile
from nemeton.model import DruidNode, NodeRole
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.testkit.waiting import eventually

RECORDED = json.loads((Path(__file__).parents[3] / "data/reference/worker/endpoints.json").read_text())
SMILE = "application/x-jackson-smile"
STATE = "/druid-internal/v1/worker?counter=-1&timeout=1000"
PORT = free_ports(40)


class Worker:
    """A MiddleManager with its peons, or an Indexer, in this process."""

    def __init__(self, role, folder):
        properties = {
            "druid.plaintextPort": "0",
            "druid.extensions.loadList": "[]",
            "druid.worker.capacity": "2",
            "druid.worker.category": "cat",
            "druid.worker.version": "3",
            "druid.indexer.task.baseTaskDir": f"{folder}/tasks",
            "druid.indexer.logs.directory": f"{folder}/logs",
            "druid.storage.storageDirectory": f"{folder}/segments",
            "druid.indexer.runner.startPort": str(PORT),
        }
        self.role = role
        self.process = ServerProcess([RoleSettings(ROLES[role], Properties(properties))])
        self.process.start()
        self.injector = self.process.injectors[role]
        self.url = f"http://localhost:{self.injector.get(HttpServer).port}"
        self.name = self.injector.get(DruidNode).host_and_port_to_use
        self.http = HttpClient()

    def call(self, method, path, body=None, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, self.url + path, body=body, headers=sent)

    def get(self, path, **headers):
        return self.call("GET", path, **headers)

    def snapshot(self):
        return self.get(STATE).json()

    def assign(self, **task):
        body = json.dumps(task)
        return self.call("POST", "/druid-internal/v1/worker/assignTask", body, Content_Type="application/json")

    def announced(self, task_id):
        """The task as it is announced now; None when it is not."""
        items = [item.get("taskAnnouncement") for item in self.snapshot()["requests"]]
        return next((each for each in items if each and each["id"] == task_id), None)


@pytest.fixture(scope="module", params=["middleManager", "indexer"])
def worker(request, tmp_path_factory):
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)  # as the command line sets it
    made = Worker(request.param, tmp_path_factory.mktemp("worker"))
    yield made
    made.process.stop()
    logging.getLogger().setLevel(level)


def recorded(method, path):
    """Exchanges with that path, whatever their query."""
    return [
        each
        for each in RECORDED
        if each["request"]["method"] == method and each["request"]["path"].partition("?")[0] == path
    ]


def replay(worker, exchange):
    request = exchange["request"]
    body = request.get("rawBody") or (json.dumps(request["body"]) if "body" in request else None)
    headers = {name.replace("-", "_"): value for name, value in request.get("headers", {}).items()}
    return worker.call(request["method"], request["path"], body, **headers)


def shape(value):
    """Names and kinds, without the values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_the_whole_state_looks_as_druids(worker):
    (exchange, *_) = recorded("GET", "/druid-internal/v1/worker")
    druids = exchange["response"]["json"]
    worker.assign(type="noop", id="shape", dataSource="d", runTime=1)
    eventually(lambda: (announced := worker.announced("shape")) and announced["status"] == "SUCCESS", "ended")
    ours = worker.snapshot()
    assert ours["requests"][0] == druids["requests"][0] == {"type": "metadata", "disabled": False}
    item = next(each for each in ours["requests"][1:] if each["taskAnnouncement"]["id"] == "shape")
    like = next(each for each in druids["requests"][1:] if each["taskAnnouncement"]["status"] == "SUCCESS")
    assert shape(item) == shape(like)
    assert list(item["taskAnnouncement"]) == list(like["taskAnnouncement"])
    assert {name: value for name, value in ours.items() if name != "requests"} == {
        "resetCounter": False,
        "resetCause": None,
        "counter": ours["counter"],
    }
    assert list(ours["counter"]) == list(druids["counter"])


def test_it_waits_for_a_change_and_answers_204_without_one(worker):
    place = worker.snapshot()["counter"]
    path = f"/druid-internal/v1/worker?counter={place['counter']}&hash={place['hash']}&timeout=200"
    answer = worker.get(path)
    assert (answer.status, answer.body) == (204, b"")
    worker.assign(type="noop", id="change", dataSource="d", runTime=1)
    assert worker.get(path).json()["requests"][0]["taskAnnouncement"]["id"] == "change"


def test_places_of_another_history_are_told_to_start_over_in_druids_words(worker):
    eventually(lambda: b'"RUNNING"' not in worker.get(STATE).body, "nothing changes any more")
    place = worker.snapshot()["counter"]
    beyond = place["counter"] + 100
    last = f"Counter{{counter={place['counter']}, hash={place['hash']}}}"
    for counter, cause in (
        (place["counter"], f"counter[Counter{{counter={place['counter']}, hash=1}}] failed to match with [{last}]"),
        (beyond, f"counter[Counter{{counter={beyond}, hash=1}}] > last counter[{last}]"),
    ):
        answer = worker.get(f"/druid-internal/v1/worker?counter={counter}&hash=1&timeout=1500")
        assert answer.json() == {"resetCounter": True, "resetCause": cause, "counter": None, "requests": None}
    assert worker.get("/druid-internal/v1/worker?counter=0&hash=0&timeout=1500").json()["resetCounter"] is True


def test_every_recorded_request_for_the_state_gets_druids_status(worker):
    for exchange in recorded("GET", "/druid-internal/v1/worker"):
        if "counter=24" not in exchange["request"]["path"]:
            assert replay(worker, exchange).status == exchange["response"]["status"], exchange["request"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (SMILE, b":)\n"),
        ("application/json", b'{"res'),
        ("*/*", b'{"res'),
        (f"application/json, {SMILE}", b'{"res'),
        (f"{SMILE}, application/json", b'{"res'),
    ],
)
def test_smile_is_for_those_who_accept_nothing_else(worker, accept, kind):
    answer = worker.get("/druid-internal/v1/worker?counter=-1&timeout=1000", Accept=accept)
    assert answer.body.startswith(kind)


def test_every_recorded_assignment_gets_druids_status(worker):
    for exchange in recorded("POST", "/druid-internal/v1/worker/assignTask"):
        answer = replay(worker, exchange)
        assert answer.status == exchange["response"]["status"], exchange["request"]
        if answer.status == 400:
            assert list(answer.json()) == list(exchange["response"]["json"]) == ["error"]
    assert worker.announced("direct_assign_1") is not None


def test_a_task_may_come_as_smile(worker):
    task = {"type": "noop", "id": "smiling", "dataSource": "d", "runTime": 1, "ofALaterDruid": {"a": 1}}
    path = "/druid-internal/v1/worker/assignTask"
    assert worker.call("POST", path, smile.dumps(task), Content_Type=SMILE).status == 200
    eventually(lambda: (found := worker.announced("smiling")) and found["status"] == "SUCCESS", "it ran")


def test_operators_disable_and_enable_as_recorded(worker):
    for exchange in [
        *recorded("POST", "/druid/worker/v1/disable"),
        *recorded("GET", "/druid/worker/v1/enabled"),
        *recorded("POST", "/druid/worker/v1/enable"),
    ]:
        answer = replay(worker, exchange)
        assert answer.status == 200
        assert answer.json() in ({worker.name: value} for value in ("disabled", "enabled", False))
    assert worker.get("/druid/worker/v1/enabled").json() == {worker.name: True}


def test_a_running_task_is_listed_streams_its_log_and_is_shut_down(worker):
    worker.assign(type="noop", id="long", dataSource="d", runTime=60_000)
    eventually(lambda: worker.announced("long")["taskLocation"]["host"] == "localhost", "placed")
    assert "long" in worker.get("/druid/worker/v1/tasks").json()
    eventually(lambda: b"Running task [long]" in worker.get("/druid/worker/v1/task/long/log").body, "its log")
    answer = worker.get("/druid/worker/v1/task/long/log?offset=-5")
    assert (len(answer.body), answer.headers["Content-Type"]) == (5, "text/plain;charset=utf-8")
    assert worker.get("/druid/worker/v1/task/long/log?offset=999999999").body == b""
    assert worker.call("POST", "/druid/worker/v1/task/long/shutdown").json() == {"task": "long"}
    eventually(lambda: worker.announced("long")["status"] == "FAILED", "shut down")


def test_what_is_not_here_is_answered_as_recorded(worker):
    for exchange in recorded("POST", "/druid/worker/v1/task/direct_assign_1/shutdown"):
        assert replay(worker, exchange).json() == exchange["response"]["json"]
    answer = worker.get("/druid/worker/v1/task/nosuch/log")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (404, b"", "text/plain;charset=utf-8")
    assert worker.call("POST", "/druid/worker/v1/task/nosuch/shutdown").json() == {"task": "nosuch"}


def test_it_announces_what_it_offers(worker):
    provider = worker.injector.get(DruidNodeDiscoveryProvider)
    discovery = provider.get_for_service("workerNodeService")
    eventually(lambda: len(discovery.all_nodes()) == 1, "announced")
    (node,) = discovery.all_nodes()
    assert node.node_role == NodeRole.parse(worker.role)
    service = node.services["workerNodeService"]
    assert (service.capacity, service.version, service.category, service.ip) == (2, "3", "cat", "localhost")
    assert node.druid_node.service_name == f"druid/{worker.role}"


def test_it_counts_for_its_monitor(worker):
    if worker.role == "indexer":
        stats = worker.injector.get(IndexerTaskCountStats)
        worker.assign(type="noop", id="counted", dataSource="counted", runTime=1)
        eventually(lambda: stats.successful_tasks().get("counted") == 1, "it ran")
        assert stats.completed_tasks()["counted"] == 1
        assert "counted" not in {**stats.failed_tasks(), **stats.running_tasks(), **stats.assigned_tasks()}
        return
    stats = worker.injector.get(WorkerTaskCountStats)
    eventually(lambda: stats.used_task_slots == 0, "tasks of other tests ended")
    stats.successful_tasks()
    worker.assign(type="noop", id="counted", dataSource="d", runTime=1)
    eventually(lambda: (found := worker.announced("counted")) and found["status"] == "SUCCESS", "it ran")
    assert (stats.successful_tasks(), stats.successful_tasks()) == (1, 0)
    assert (stats.total_task_slots, stats.category, stats.version) == (2, "cat", "3")
    assert stats.used_task_slots + stats.idle_task_slots == 2
