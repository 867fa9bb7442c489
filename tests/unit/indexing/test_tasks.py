import json as plain_json
from types import SimpleNamespace

import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.actions import (
    LockTryAcquireAction,
    RetrieveUsedSegmentsAction,
    SegmentAllocateAction,
    SegmentNukeAction,
    SegmentTransactionalInsertAction,
    SurrogateAction,
)
from nemeton.indexing.tasks.kill import KillUnusedSegmentsTask
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import DataSegment, NumberedShardSpec, TaskLockType, TaskStatus
from nemeton.spi.indexing import Task, TaskAction
from nemeton.time import ETERNITY, Granularity, Interval

DAY = Interval.parse("2030-01-01/2030-01-02")


def round_trip(json, value, cls):
    return json.loads(json.dumps(json.structure(value, cls)))


# ---- JSON, as a real Druid 33 stores it


def test_noop_json(json):
    stored = {
        "type": "noop",
        "id": "noop_demo_1",
        "groupId": "noop_demo_1",
        "dataSource": "apidemo",
        "runTime": 1500,
        "context": {"forceTimeChunkLock": True, "useLineageBasedSegmentAllocation": True},
        "resource": {"availabilityGroup": "noop_demo_1", "requiredCapacity": 1},
    }
    assert round_trip(json, stored, Task) == stored
    assert round_trip(json, {"type": "noop", "id": None, "dataSource": "x"}, Task)["dataSource"] == "x"


def test_kill_json(json):
    stored = {
        "type": "kill",
        "id": "k",
        "dataSource": "nonexist",
        "interval": "2000-01-01T00:00:00.000Z/2001-01-01T00:00:00.000Z",
        "versions": None,
        "context": {"forceTimeChunkLock": True},
        "batchSize": 100,
        "limit": None,
        "maxUsedStatusLastUpdatedTime": None,
        "groupId": "k",
        "resource": {"availabilityGroup": "k", "requiredCapacity": 1},
    }
    assert round_trip(json, stored, Task) == stored


def test_ids_are_made_as_druid_makes_them(json):
    kill = json.structure({"type": "kill", "dataSource": "ds", "interval": "2000/2001"}, Task)
    head = "kill_ds_"
    assert kill.id.startswith(head)
    suffix, start, end, _ = kill.id.removeprefix(head).split("_")
    assert len(suffix) == 8
    assert set(suffix) <= set("abcdefghijklmnop")
    assert (start, end) == ("2000-01-01T00:00:00.000Z", "2001-01-01T00:00:00.000Z")
    assert NoopTask().id.startswith("noop_2")
    assert (kill.group_id, kill.resource.availability_group) == (kill.id, kill.id)


def test_priorities():
    assert NoopTask().priority == 50
    assert KillUnusedSegmentsTask(data_source="d", interval=DAY).priority == 0
    assert NoopTask(context={"priority": "7"}).priority == 7


@pytest.mark.parametrize("bad", ["bad/id", ".hidden", "tab\tid", "\x01"])
def test_ids_that_could_be_no_file_name_are_refused(bad):
    with pytest.raises(DruidException, match=r"Invalid value for field \[task ID\]"):
        NoopTask(id=bad)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "bogus"}, "bogus"),
        ({}, "type"),
        ({"type": "noop", "runTime": "abc"}, "runTime"),
        ({"type": "kill", "dataSource": "x", "interval": "garbage"}, "garbage"),
        ({"type": "kill", "dataSource": "x", "interval": "2000/2001", "limit": 0}, "limit"),
    ],
)
def test_bad_specs_name_the_field(json, body, message):
    with pytest.raises(DruidException, match=message):
        json.structure(body, Task)


@pytest.mark.parametrize(
    "stored",
    [
        {"type": "lockList"},
        {"type": "lockTryAcquire", "lockType": "EXCLUSIVE", "interval": str(DAY)},
        {"type": "lockAcquire", "lockType": "EXCLUSIVE", "interval": str(DAY), "timeoutMs": 1000},
        {"type": "lockRelease", "interval": str(DAY)},
        {"type": "segmentListUsed", "dataSource": "d", "intervals": [str(DAY)], "visibility": "ONLY_VISIBLE"},
        {
            "type": "segmentListUnused", "dataSource": "d", "interval": str(DAY), "versions": None, "limit": 100,
            "maxUsedStatusLastUpdatedTime": None,
        },
        {"type": "segmentNuke", "segments": []},
        {"type": "surrogateAction", "surrogateId": "x", "taskAction": {"type": "lockList"}},
    ],
)  # fmt: skip
def test_action_json(json, stored):
    assert round_trip(json, stored, TaskAction) == stored


# ---- actions


@pytest.fixture
def active(lockbox, storage):
    def make(task_id, group=None, source="ds"):
        task = NoopTask(id=task_id, group_id=group or task_id, data_source=source)
        storage.insert(task, TaskStatus.running(task_id))
        lockbox.add(task)
        return task

    return make


def allocation(sequence="s1", hour=5, previous=None):
    return SegmentAllocateAction(
        data_source="ds",
        timestamp=DAY.start + hour * 3_600_000,
        query_granularity=Granularity.parse("NONE"),
        preferred_segment_granularity=Granularity.parse("DAY"),
        sequence_name=sequence,
        previous_segment_id=previous,
        skip_segment_lineage_check=True,
    )


def test_allocation_locks_and_is_idempotent(active, client_of, lockbox, json):
    a, b = active("a"), active("b")
    first = client_of(a).submit(allocation())
    (lock,) = lockbox.find_locks_for_task(a)
    assert json.loads(json.dumps(first)) == {
        "dataSource": "ds",
        "interval": str(DAY),
        "version": lock.version,
        "shardSpec": {"type": "numbered", "partitionNum": 0, "partitions": 0},
    }
    assert client_of(a).submit(allocation(hour=6)) == first
    assert client_of(a).submit(allocation("s2")).shard_spec == NumberedShardSpec(1, 0)
    assert client_of(b).submit(allocation("s3")) is None


def test_rows_join_the_interval_of_what_is_there(active, client_of, metadata):
    month = Interval.parse("2030-01-01/2030-02-01")
    metadata.commit_segments([DataSegment("ds", month, "2000-01-01T00:00:00.000Z", shard_spec=NumberedShardSpec(0, 1))])
    found = client_of(active("a")).submit(allocation())
    assert (found.interval, found.version, found.shard_spec) == (
        month, "2000-01-01T00:00:00.000Z", NumberedShardSpec(1, 1),
    )  # fmt: skip


def publish(*segments):
    return SegmentTransactionalInsertAction(segments=list(segments))


def test_publishing_needs_a_lock_of_the_version(active, client_of, metadata, json):
    a = active("a")
    with pytest.raises(DruidException, match="not covered"):
        client_of(a).submit(publish(DataSegment("ds", DAY, "v")))
    lock = client_of(a).submit(LockTryAcquireAction(lock_type=TaskLockType.EXCLUSIVE, interval=DAY))
    result = client_of(a).submit(publish(DataSegment("ds", DAY, lock.version)))
    answer = plain_json.loads(json.dumps(result))
    assert set(answer) == {"segments", "success", "retryable", "errorMsg"}
    assert answer["success"] is True
    assert len(metadata.retrieve_used_segments("ds")) == 1


def test_a_revoked_lock_publishes_nothing(active, client_of, metadata, lockbox, storage):
    a = active("a")
    lock = client_of(a).submit(LockTryAcquireAction(interval=DAY))
    strong = NoopTask(id="strong", data_source="ds", context={"priority": 90})
    storage.insert(strong, TaskStatus.running("strong"))
    lockbox.add(strong)
    assert client_of(strong).submit(LockTryAcquireAction(interval=DAY))
    with pytest.raises(DruidException, match=r"not covered .*'revoked': True"):
        client_of(a).submit(publish(DataSegment("ds", DAY, lock.version)))
    assert metadata.retrieve_used_segments("ds") == []


def test_a_surrogate_must_be_an_active_task_of_the_group(active, client_of):
    a, sub, stranger = active("a"), active("sub", group="a"), active("x")
    action = SurrogateAction(surrogate_id="a", task_action=LockTryAcquireAction(interval=DAY))
    assert client_of(sub).submit(action).group_id == "a"
    with pytest.raises(DruidException, match="Can't find surrogate task"):
        client_of(stranger).submit(action)
    assert client_of(a).submit(action)


# ---- kill


class Killer:
    def __init__(self):
        self.killed = []

    def kill(self, segments):
        self.killed += [str(s.id) for s in segments]


def run_kill(task, client_of, json):
    killer, reports = Killer(), {}
    toolbox = SimpleNamespace(
        action_client=client_of(task),
        data_segment_killer=killer,
        report_writer=SimpleNamespace(write=lambda task_id, report: reports.update(report)),
        json=json,
    )
    return task.run(toolbox), killer, reports


def prepare(metadata, lockbox, storage, client_of, **more):
    task = KillUnusedSegmentsTask(id="k", data_source="ds", interval=DAY, **more)
    storage.insert(task, TaskStatus.running("k"))
    lockbox.add(task)
    assert task.is_ready(client_of(task))
    return task


def segments(count, **more):
    return [
        DataSegment(
            "ds", DAY, "2000-01-01T00:00:00.000Z", {"type": "local", "path": str(n)}, shard_spec=NumberedShardSpec(n, 0)
        )
        for n in range(count)
    ]


def test_kill_deletes_rows_and_then_files_in_batches(metadata, lockbox, storage, client_of, json):
    metadata.commit_segments(segments(7))
    metadata.mark_segments_as_unused("ds", None)
    task = prepare(metadata, lockbox, storage, client_of, batch_size=3)
    status, killer, reports = run_kill(task, client_of, json)
    assert status.is_success
    assert sorted(killer.killed) == sorted(str(s.id) for s in segments(7))
    assert metadata.retrieve_unused_segments("ds", DAY) == []
    assert reports["killUnusedSegments"] == {
        "type": "killUnusedSegments",
        "taskId": "k",
        "payload": {"numSegmentsKilled": 7, "numBatchesProcessed": 4},
    }


def test_kill_keeps_what_is_used_and_files_that_used_segments_load(metadata, lockbox, storage, client_of, json):
    metadata.commit_segments(segments(2))
    metadata.mark_segments_as_unused("ds", None)
    shared = DataSegment("ds", DAY, "2001-01-01T00:00:00.000Z", {"type": "local", "path": "0"})
    metadata.commit_segments([shared])
    task = prepare(metadata, lockbox, storage, client_of)
    _, killer, _ = run_kill(task, client_of, json)
    assert killer.killed == [str(segments(2)[1].id)]
    assert metadata.retrieve_used_segments("ds") == [shared]


def test_kill_stops_at_its_limit(metadata, lockbox, storage, client_of, json):
    metadata.commit_segments(segments(7))
    metadata.mark_segments_as_unused("ds", None)
    task = prepare(metadata, lockbox, storage, client_of, limit=4, batch_size=3)
    _, killer, _ = run_kill(task, client_of, json)
    assert len(killer.killed) == 4


def test_nuke_without_a_lock_is_refused(active, client_of, metadata):
    metadata.commit_segments(segments(1))
    with pytest.raises(DruidException, match="not covered by locks"):
        client_of(active("a")).submit(SegmentNukeAction(segments=segments(1)))
    assert len(client_of(active("b")).submit(RetrieveUsedSegmentsAction(data_source="ds", intervals=[ETERNITY]))) == 1
