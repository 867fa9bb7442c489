# ruff: noqa: B023 - the calls of a round end within it
"""What two Overlords may do to one store at once: each connector here is a process of its own to the database."""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import evolve
from sqlalchemy import func, select

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.metadata.audit import AuditInfo, AuditManager
from nemeton.metadata.config import MetadataRuleManagerConfig
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.metadata.dynamic_config import ConfigManager
from nemeton.metadata.rules import MetadataRuleManager
from nemeton.model import (
    DataSegment,
    NumberedPartialShardSpec,
    NumberedShardSpec,
    TaskLockType,
    TaskStatus,
    TimeChunkLock,
)
from nemeton.spi.metadata import SegmentCreateRequest
from nemeton.time import Interval

DAY = Interval.parse("2024-01-01/2024-01-02")
HOURS = [Interval.parse(f"2024-01-01T{hour:02}/PT1H") for hour in range(24)]
VERSION = "2024-06-01T00:00:00.000Z"
ROUNDS = 12


def segment(num=0, interval=DAY, core=0, source="wiki"):
    return DataSegment(source, interval, VERSION, load_spec={"n": num}, shard_spec=NumberedShardSpec(num, core), size=1)


def at_once(*calls):
    """Run the calls at the same time; return what each returned or raised."""

    def run(call):
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture
def stores(connector, another_connector):
    """The store as two processes see it."""
    return [connector, another_connector()]


@pytest.fixture
def coordinators(stores, json):
    return [SqlIndexerMetadataStorageCoordinator(store, json, SystemClock()) for store in stores]


@pytest.fixture
def storages(stores, json):
    return [TaskStorage(store, json, SystemClock()) for store in stores]


def test_offsets_move_once_whoever_tries(coordinators):
    """Two replicas publish the same step with segments of their own: one wins, and nothing of the other is there."""

    def state(value):
        return {"type": "object", "object": value}

    for step in range(ROUNDS):
        start = state(None if step == 0 else step)
        results = at_once(
            *(
                lambda c=c, n=n: c.commit_segments_and_metadata(
                    [segment(2 * step + n)], start, {"type": "object", "object": {"next": step + 1, "by": n}}
                )
                for n, c in enumerate(coordinators)
            )
        )
        assert sorted(result.success for result in results) == [False, True]
        winner = next(n for n, result in enumerate(results) if result.success)
        coordinators[0].reset_data_source_metadata("wiki", state(step + 1))
        used = {s.shard_spec.partition_num for s in coordinators[0].retrieve_used_segments("wiki")}
        assert 2 * step + winner in used
        assert 2 * step + (1 - winner) not in used


def test_the_same_publish_twice_at_once_succeeds_twice_and_inserts_once(coordinators):
    for step in range(ROUNDS):
        same = [segment(10 * step + n) for n in range(5)]
        results = at_once(*(lambda c=c: c.commit_segments_and_metadata(same) for c in coordinators))
        assert [result.success for result in results] == [True, True]
        inserted = at_once(*(lambda c=c, s=step: c.commit_segments([segment(10 * s + 7)]) for c in coordinators))
        assert sorted(len(each) for each in inserted) == [0, 1]
    assert len(coordinators[0].retrieve_used_segments("wiki")) == 6 * ROUNDS


def allocation(coordinator, interval, sequence, *, skip=True):
    request = SegmentCreateRequest(
        sequence_name=sequence,
        previous_segment_id=None,
        version=VERSION,
        partial_shard_spec=NumberedPartialShardSpec(),
        task_allocator_id="g",
    )
    return lambda: coordinator.allocate_pending_segment("wiki", interval, request, skip_segment_lineage_check=skip)


def test_one_request_gets_one_segment_and_no_two_share_one(coordinators):
    for step in range(ROUNDS):
        results = at_once(*(allocation(c, DAY, f"{step}-{n}") for c in coordinators for n in range(3)))
        assert [str(r) for r in results[:3]] == [str(r) for r in results[3:]]
        assert len({str(r) for r in results}) == 3
    numbers = [p.id.shard_spec.partition_num for p in coordinators[0].retrieve_pending_segments("wiki")]
    assert sorted(numbers) == list(range(3 * ROUNDS))


def test_a_time_chunk_is_not_divided_in_two_ways(coordinators):
    """Nothing but the isolation of the transactions sees that a day and an hour of it exclude each other."""
    for step in range(ROUNDS):
        hour = random.choice(HOURS)
        calls = [allocation(coordinators[0], DAY, f"day-{step}"), allocation(coordinators[1], hour, f"hour-{step}")]
        results = at_once(*calls)
        assert sorted(r is None for r in results) == [False, True], results
        coordinators[0].delete_pending_segments_for_task_allocators("wiki", ["g"])


def test_an_id_is_taken_once(storages):
    for step in range(ROUNDS):
        task = NoopTask(id=f"t{step}", data_source="wiki")
        results = at_once(*(lambda s=s: s.insert(task, TaskStatus.running(task.id)) for s in storages * 2))
        refused = [r for r in results if isinstance(r, DruidException)]
        assert len(refused) == len(results) - 1
        assert {r.error_code for r in refused} == {"entryAlreadyExists"}


def test_a_task_either_publishes_or_fails(storages, coordinators):
    """A shutdown and the publish that completes the task meet: the database puts them in an order."""
    outcomes = set()
    for step in range(ROUNDS * 2):
        task_id = f"t{step}"
        storages[0].insert(NoopTask(id=task_id, data_source="wiki"), TaskStatus.running(task_id))
        publish, _ = at_once(
            lambda: coordinators[0].commit_segments_and_metadata([segment(step)], completes_task=task_id),
            lambda: storages[1].set_status(TaskStatus.failure(task_id, "shut down")),
        )
        status = storages[0].get_status(task_id)
        there = step in {s.shard_spec.partition_num for s in coordinators[1].retrieve_used_segments("wiki")}
        assert publish.success == there == status.is_success
        outcomes.add(publish.success)
    assert outcomes <= {True, False}


def test_a_task_ends_once(storages):
    for step in range(ROUNDS):
        task_id = f"t{step}"
        storages[0].insert(NoopTask(id=task_id, data_source="wiki"), TaskStatus.running(task_id))
        results = at_once(
            lambda: storages[0].set_status(TaskStatus.failure(task_id, "one")),
            lambda: storages[1].set_status(TaskStatus.failure(task_id, "other")),
            lambda: storages[1].set_status(TaskStatus.success(task_id)),
        )
        assert results[0] == results[1] == results[2] == storages[0].get_status(task_id)


def test_a_lock_that_is_replaced_and_removed_at_once_does_not_come_back(storages):
    lock = TimeChunkLock(TaskLockType.EXCLUSIVE, "g", "wiki", DAY, VERSION, 50)
    for step in range(ROUNDS):
        storages[0].add_lock(f"t{step}", lock)
        at_once(
            lambda: storages[0].replace_lock(f"t{step}", lock, evolve(lock, revoked=True)),
            lambda: storages[1].remove_lock(f"t{step}", lock),
        )
        left = storages[0].get_locks(f"t{step}")
        assert left in ([], [evolve(lock, revoked=True)])


def test_no_change_of_a_config_is_lost(stores, json):
    managers = [ConfigManager(s, AuditManager(s, json, SystemClock()), json, SystemClock()) for s in stores]

    def add_ones(manager, times):
        for _ in range(times):
            for _attempt in itertools.count():
                before = manager.get_bytes("counter")
                value = {"n": (json.loads(before)["n"] if before else 0) + 1}
                if manager.set("counter", value, AuditInfo(), expected=before, swap=True):
                    break

    results = at_once(*(lambda m=m: add_ones(m, 10) for m in managers * 2))
    assert results == [None] * 4
    assert json.loads(managers[0].get_bytes("counter")) == {"n": 40}
    assert len(AuditManager(stores[0], json, SystemClock()).history("counter")) == 40


def test_the_default_rule_is_made_once(stores, json):
    managers = [
        MetadataRuleManager(s, AuditManager(s, json, SystemClock()), MetadataRuleManagerConfig(), json, SystemClock())
        for s in stores
    ]
    assert at_once(*(m.create_default_rule for m in managers)) == [None, None]
    rules = stores[0].tables.rules
    assert stores[0].read(lambda c: c.execute(select(func.count()).select_from(rules)).scalar()) == 1


def test_many_tasks_end_at_once_without_conflicts(storages, caplog):
    """The paths that a busy Overlord takes most are made so that they need no second try."""
    for n in range(60):
        storages[0].insert(NoopTask(id=f"t{n}", data_source="wiki"), TaskStatus.running(f"t{n}"))
    caplog.set_level("DEBUG", logger="nemeton.metadata.connector")
    results = at_once(
        *(
            lambda part=part: [storages[part % 2].set_status(TaskStatus.success(f"t{n}")) for n in range(part, 60, 6)]
            for part in range(6)
        )
    )
    assert all(status.is_success for part in results for status in part)
    assert storages[0].get_active_infos() == []
    assert not [record for record in caplog.records if "again in" in record.message]
