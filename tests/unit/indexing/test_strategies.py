import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.strategies import (
    AffinityConfig,
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
    TaskLimits,
    WorkerBehaviorConfig,
)
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import Worker
from nemeton.spi.indexing import ImmutableWorkerInfo, TaskResource, WorkerSelectStrategy, WorkerTaskRunnerConfig


def worker(host, capacity=4, used=0, version="1", groups=(), by_type=None):
    return ImmutableWorkerInfo(
        worker=Worker("http", host, host, capacity, version),
        curr_capacity_used=used,
        curr_capacity_used_by_task_type=by_type or {},
        availability_groups=frozenset(groups),
    )


def pick(strategy, *workers, task=None, config=None):
    found = strategy.find_worker(
        config or WorkerTaskRunnerConfig(), {w.worker.host: w for w in workers}, task or NoopTask(data_source="ds")
    )
    return None if found is None else found.worker.host


EQUAL, FILL = EqualDistributionWorkerSelectStrategy, FillCapacityWorkerSelectStrategy


def test_equal_distribution_takes_the_emptiest_and_fill_capacity_the_fullest():
    workers = [worker("a", used=2), worker("b", used=1), worker("c", used=4)]
    assert pick(EQUAL(), *workers) == "b"
    assert pick(FILL(), *workers) == "a"


@pytest.mark.parametrize("strategy", [EQUAL(), FILL()])
def test_workers_that_cannot_take_the_task_are_left_out(strategy):
    assert pick(strategy) is None
    assert pick(strategy, worker("full", used=4)) is None
    assert pick(strategy, worker("old", version="0"), config=WorkerTaskRunnerConfig(min_worker_version="1")) is None
    task = NoopTask(id="t", resource=TaskResource(availability_group="g"))
    assert pick(strategy, worker("twin", groups=["g"]), worker("other", used=3), task=task) == "other"
    large = NoopTask(resource=TaskResource(availability_group="x", required_capacity=3))
    assert pick(strategy, worker("a", used=2), worker("b", used=1), task=large) == "b"


@pytest.mark.parametrize("cls", [EQUAL, FILL])
def test_affinity(cls):
    weak = cls(affinity_config=AffinityConfig(affinity={"ds": ["a"], "other": ["b"]}))
    strong = cls(affinity_config=AffinityConfig(affinity={"ds": ["a"]}, strong=True))
    assert pick(weak, worker("a", used=3), worker("c")) == "a"
    assert pick(weak, worker("a", used=4), worker("b"), worker("c")) == "c"  # b is another's
    assert pick(strong, worker("a", used=4), worker("c")) is None
    assert pick(weak, worker("a"), worker("b"), task=NoopTask(data_source="third")) is None


def test_limits_of_a_type_over_all_workers():
    by_count = EQUAL(task_limits=TaskLimits(max_slot_count_by_type={"noop": 2}))
    by_ratio = EQUAL(task_limits=TaskLimits(max_slot_ratio_by_type={"noop": 0.25}))
    busy = [worker("a", used=1, by_type={"noop": 1}), worker("b", used=1, by_type={"noop": 1})]
    assert pick(by_count, *busy) is None
    assert pick(by_count, busy[0], worker("c")) == "c"
    assert pick(by_ratio, *busy) is None
    assert pick(by_ratio, busy[0], worker("c")) == "c"


def test_json(json):
    stored = {"type": "fillCapacity", "affinityConfig": {"affinity": {"a": ["h"]}, "strong": True}}
    assert json.structure(stored, WorkerSelectStrategy) == FILL(
        affinity_config=AffinityConfig(affinity={"a": ["h"]}, strong=True)
    )
    assert json.structure({"type": "default"}, WorkerBehaviorConfig).select_strategy == EQUAL()
    with pytest.raises(DruidException, match="equalDistribution"):
        json.structure({"selectStrategy": {"type": "bogus"}}, WorkerBehaviorConfig)
