"""Task actions that peons of Druid 33 sent to its Overlord, sent to ours: the answers are those that were recorded."""

import contextlib
import json as plain_json
import re
from pathlib import Path

import pytest
from tests.servers.ports import free_port

from nemeton.config import Properties
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.action_clients import LocalTaskActionClient
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.json import Json
from nemeton.model import DataSegment, TaskLock, TaskLockType, TimeChunkLock
from nemeton.plugins import TypeRegistry
from nemeton.server.process import RoleSettings, ServerProcess
from nemeton.server.roles import ROLES
from nemeton.spi.data_source_metadata import DataSourceMetadata
from nemeton.spi.indexing import TaskAction
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator
from nemeton.time import Interval, parse_datetime

from .stream_kit import KafkaLikeMetadata
from .test_overlord_api import wait_for

RECORDED = Path(__file__).parents[2] / "data" / "reference" / "task-actions"
PRIORITIES = {"index_kafka": 75, "compact": 25, "kill": 0}
#: What Java writes for old peers and reads from nobody.
IGNORED = {"currentCheckPoint", "sequenceName", "previousCheckPoint", "identifier"}


def samples():
    for path in sorted((RECORDED / "actions").glob("*.json")):
        for number, sample in enumerate(plain_json.loads(path.read_text())):
            body = sample["request"].get("body")
            if sample["response"]["status"] == "200 OK" and isinstance(body, dict):
                yield pytest.param(body, sample["response"]["body"]["result"], id=f"{path.stem}-{number}")


def data_source_of(task, action):
    schema = task.get("dataSchema") or task.get("spec", {}).get("dataSchema") or {}
    return task.get("dataSource") or schema.get("dataSource") or action["dataSource"]


def stand_in(task, action):
    """A task with the same name, group, data source and priority; its own type may be one of an extension."""
    return NoopTask(
        id=task["id"],
        group_id=task.get("groupId") or task["id"],
        data_source=data_source_of(task, action),
        context={"priority": PRIORITIES.get(task["type"], 50)},
    )


def without(value, names):
    if isinstance(value, dict):
        return {key: without(each, names) for key, each in value.items() if key not in names}
    return [without(each, names) for each in value] if isinstance(value, list) else value


def in_any_order(value):
    """Sets of segments come in any order."""
    if isinstance(value, dict):
        return {key: in_any_order(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(in_any_order, value), key=lambda each: plain_json.dumps(each, sort_keys=True))
    return value


@pytest.fixture(scope="session")
def json(extensions):
    registry = extensions.registry
    with contextlib.suppress(ValueError):
        registry.add("data_source_metadata", KafkaLikeMetadata)
    return Json(registry)


@pytest.mark.parametrize(("body", "result"), samples())
def test_actions_are_read_and_written_as_recorded(json, body, result):
    action = json.structure(body["action"], TaskAction)
    written = json.loads(json.dumps(action))
    ours = without(written, IGNORED)
    for key, value in without(body["action"], IGNORED).items():
        assert plain_json.dumps(ours[key], sort_keys=True) == plain_json.dumps(value, sort_keys=True), key
    acting = action.task_action if hasattr(action, "task_action") else action
    structured = json.structure(result, acting.result_type) if acting.result_type is not None else None
    assert in_any_order(without(json.loads(json.dumps(structured)), IGNORED)) == in_any_order(without(result, IGNORED))


class World:
    """The state that an answer was given in, as far as the answer tells."""

    def __init__(self, lockbox, metadata, storage, clock, json, supervisors):
        self.lockbox, self.metadata, self.clock, self.json = lockbox, metadata, clock, json
        self.supervisors = supervisors

    def prepare(self, task, action, result):
        getattr(self, action["type"], lambda *_: None)(task, action, result)

    def hold(self, task, interval, version, kind="EXCLUSIVE"):
        lock = TimeChunkLock(
            TaskLockType(kind), task.group_id, task.data_source, Interval.parse(interval), version, task.priority
        )
        self.lockbox.sync_from_storage([(task, [lock])])

    def lockList(self, task, action, result):
        self.lockbox.sync_from_storage([(task, [self.json.structure(lock, TaskLock) for lock in result])])

    def lockTryAcquire(self, task, action, result):
        self.clock._now_ms = parse_datetime(result["version"])

    lockAcquire = lockTryAcquire  # noqa: N815

    def segmentAllocate(self, task, action, result):
        spec = result["shardSpec"]
        segment = self.json.structure(result, DataSegment)
        used = [
            segment.with_(shard_spec=type(segment.shard_spec)(number, spec["partitions"]))
            for number in range(spec["partitionNum"])
        ]
        self.metadata.commit_segments(used)
        self.hold(task, result["interval"], result["version"], action["taskLockType"])

    def segmentListUsed(self, task, action, result):
        self.metadata.commit_segments([self.json.structure(segment, DataSegment) for segment in result])

    def publish(self, task, action, result):
        segments = action["segments"]
        versions = max(segment["version"] for segment in segments)
        starts = min(segment["interval"].split("/")[0] for segment in segments)
        ends = max(segment["interval"].split("/")[1] for segment in segments)
        kind = {"segmentTransactionalAppend": "APPEND", "segmentTransactionalReplace": "REPLACE"}.get(action["type"])
        self.hold(task, f"{starts}/{ends}", versions, kind or "EXCLUSIVE")
        start = action.get("startMetadata")
        if start is not None:
            end = {**start["partitions"], "type": "end"}
            end.pop("exclusivePartitions")
            self.metadata.commit_metadata_only(task.data_source, start, {**start, "partitions": end})

    segmentTransactionalInsert = segmentTransactionalAppend = segmentTransactionalReplace = publish  # noqa: N815

    def segmentNuke(self, task, action, result):
        """Without any lock not even nothing is deleted."""
        self.hold(task, "2000-01-01/2001-01-01", "2026-01-01T00:00:00.000Z")

    def checkPointDataSourceMetadata(self, task, action, result):
        self.supervisors.ids.append(action["supervisorId"])


class Supervisors:
    def __init__(self):
        self.ids, self.checkpoints, self.resets, self.registered = [], [], [], []

    def check_point_data_source_metadata(self, supervisor_id, task_group_id, checkpoint_metadata):
        self.checkpoints.append((supervisor_id, task_group_id, checkpoint_metadata))
        return supervisor_id in self.ids

    def reset_supervisor(self, supervisor_id, metadata):
        self.resets.append((supervisor_id, metadata))
        return supervisor_id in self.ids


@pytest.mark.parametrize(("body", "result"), samples())
def test_actions_have_the_recorded_result(lockbox, metadata, storage, clock, json, toolbox, body, result):
    action, task = body["action"], stand_in(body["task"], body["action"].get("taskAction", body["action"]))
    acting, acting_task = action, task
    if action["type"] == "surrogateAction":
        acting = action["taskAction"]
        acting_task = NoopTask(id=action["surrogateId"], group_id=task.group_id, data_source=task.data_source)
        acting_task = acting_task.with_context({"priority": 50})
    supervisors = toolbox.supervisor_manager = Supervisors()
    lockbox.add(acting_task)
    World(lockbox, metadata, storage, clock, json, supervisors).prepare(acting_task, acting, result)
    lockbox.add(task)
    answer = LocalTaskActionClient(task, toolbox).submit(json.structure(action, TaskAction))
    assert in_any_order(json.loads(json.dumps(answer))) == in_any_order(result)
    if acting.get("endMetadata"):
        stored = json.structure(metadata.retrieve_data_source_metadata(task.data_source), DataSourceMetadata)
        assert stored == json.structure(acting["endMetadata"], DataSourceMetadata)
    if acting["type"] == "checkPointDataSourceMetadata":
        ((_, group, where),) = supervisors.checkpoints
        assert (group, json.loads(json.dumps(where))) == (acting["taskGroupId"], acting["checkpointMetadata"])


# ---- by hand, over HTTP


@pytest.fixture(scope="module")
def overlord(tmp_path_factory):
    """An Overlord without any worker: its tasks wait."""
    base, port = tmp_path_factory.mktemp("overlord"), free_port()
    settings = {
        "druid.plaintextPort": str(port),
        "druid.extensions.loadList": "[]",
        "druid.indexer.runner.type": "httpRemote",
        "druid.metadata.storage.connector.connectURI": f"sqlite:///{base}/metadata.db",
        "druid.storage.storageDirectory": f"{base}/segments",
        "druid.indexer.logs.directory": f"{base}/logs",
    }
    process = ServerProcess([RoleSettings(ROLES["overlord"], Properties(settings))])
    process.start()
    injector = process.injectors["overlord"]
    injector.get(TypeRegistry).add("data_source_metadata", KafkaLikeMetadata)
    wait_for(lambda: injector.get(TaskMaster).is_leader)
    http = HttpClient()
    yield injector, lambda method, path, body: http.request(method, f"http://localhost:{port}{path}", json=body)
    http.close()
    process.stop()


#: Requests whose answers are about something else (tasks), or are told of by a Java exception of no interest.
NOT_OF_INTEREST = re.compile(r"/tasks\?|/pendingTasks|/status$")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ(?=\")")


def with_numbered_times(value, seen):
    """Lock versions are different in each run: the first that is seen is [t0], and so on."""
    text = plain_json.dumps(value, sort_keys=True)

    def name(match):
        return match[0] if match[0].startswith("2030") else seen.setdefault(match[0], f"[t{len(seen)}]")

    return plain_json.loads(re.sub(r"(?<=\")" + TIME.pattern, name, text))


def test_what_was_asked_by_hand(overlord):
    injector, ask = overlord
    json = injector.get(Json)
    theirs, ours, compared = {}, {}, 0
    for sample in plain_json.loads((RECORDED / "actions-by-hand.json").read_text()):
        request, response = sample["request"], sample["response"]
        body, expected = request.get("body"), response.get("json")
        if NOT_OF_INTEREST.search(request["path"]) or not isinstance(body, dict | list | None):
            continue
        if sample.get("note") == "task body differs from the stored one":
            continue  # Druid takes the sender's word for the task's data source, we take our own
        action = (body.get("action") if isinstance(body, dict) else None) or {}
        if action.get("type") == "segmentListUsed":
            stored = [json.structure(segment, DataSegment) for segment in expected["result"]]
            injector.get(IndexerMetadataStorageCoordinator).commit_segments(stored)
        if isinstance(body, dict) and body.get("task", {}).get("id") == "noop_demo_1":
            body["task"]["id"] = "finished long ago"
            expected = plain_json.loads(plain_json.dumps(expected).replace("noop_demo_1", "finished long ago"))
        answer = ask(request["method"], request["path"], body)
        what = (request["path"], action, answer.text[:500], sample.get("note"))
        if action.get("type") == "retrieveSegmentsById" or (request["path"].endswith("/action") and not action):
            assert answer.status in (400, response["status"]), what  # NullPointerException there
            continue
        assert answer.status == response["status"], what
        if response["status"] == 400:
            assert set(answer.json()) == {"error"}, what
        elif response["status"] == 500:
            assert expected["error"].removeprefix("java.lang.RuntimeException: ") == answer.json()["error"], what
        else:
            ours_now, theirs_now = with_numbered_times(answer.json(), ours), with_numbered_times(expected, theirs)
            assert in_any_order(ours_now) == in_any_order(theirs_now), what
        compared += 1
    assert compared > 38
