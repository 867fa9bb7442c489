"""Whom the worker select strategies pick (behaviours 11.1, 11.3): examples, and any cluster against the rules."""

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.runners.eligible import EligibleWorkers
from nemeton.indexing.overlord.strategies import (
    AffinityConfig,
    CategoryConfig,
    EqualDistributionWithAffinityWorkerSelectStrategy,
    EqualDistributionWithCategorySpecWorkerSelectStrategy,
    EqualDistributionWorkerSelectStrategy,
    FillCapacityWithAffinityWorkerSelectStrategy,
    FillCapacityWithCategorySpecWorkerSelectStrategy,
    FillCapacityWorkerSelectStrategy,
    TaskLimits,
    WorkerBehaviorConfig,
    WorkerCategorySpec,
)
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import Worker
from nemeton.plugins import json_type
from nemeton.spi.indexing import ImmutableWorkerInfo, Task, TaskResource, WorkerSelectStrategy, WorkerTaskRunnerConfig
from nemeton.testkit.suites.worker_select import WorkerSelectStrategySuite


def worker(host, capacity=4, used=0, version="1", groups=(), by_type=None, category="_default_worker_category"):
    return ImmutableWorkerInfo(
        worker=Worker("http", host, host, capacity, version, category),
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
WITH_AFFINITY = [
    EQUAL, FILL, EqualDistributionWithAffinityWorkerSelectStrategy, FillCapacityWithAffinityWorkerSelectStrategy,
]  # fmt: skip
WITH_CATEGORIES = [
    EqualDistributionWithCategorySpecWorkerSelectStrategy,
    FillCapacityWithCategorySpecWorkerSelectStrategy,
]


@pytest.mark.parametrize("cls", [*WITH_AFFINITY, *WITH_CATEGORIES])
class TestPromises(WorkerSelectStrategySuite):
    """Each of core's strategies keeps what any strategy promises."""

    @pytest.fixture
    def strategy(self, cls):
        return cls()


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


@pytest.mark.parametrize("cls", WITH_AFFINITY)
def test_affinity(cls):
    weak = cls(affinity_config=AffinityConfig(affinity={"ds": ["a"], "other": ["b"]}))
    strong = cls(affinity_config=AffinityConfig(affinity={"ds": ["a"]}, strong=True))
    assert pick(weak, worker("a", used=3), worker("c")) == "a"
    assert pick(weak, worker("a", used=4), worker("b"), worker("c")) == "c"  # b is another's
    assert pick(strong, worker("a", used=4), worker("c")) is None
    assert pick(weak, worker("a"), worker("b"), task=NoopTask(data_source="third")) is None


def categories(strong=False, **by_type):
    return WorkerCategorySpec(category_map=by_type, strong=strong)


@pytest.mark.parametrize("cls", WITH_CATEGORIES)
def test_the_category_of_the_data_source_comes_before_the_default_one_of_the_task_type(cls):
    config = CategoryConfig(default_category="usual", category_affinity={"ds": "special"})
    strategy = cls(worker_category_spec=categories(noop=config))
    workers = [worker("plain"), worker("u", category="usual"), worker("s", category="special", used=1)]
    assert pick(strategy, *workers) == "s"
    assert pick(strategy, *workers, task=NoopTask(data_source="another")) == "u"


@pytest.mark.parametrize("cls", WITH_CATEGORIES)
def test_a_weak_category_falls_back_to_any_worker_and_a_strong_one_to_none(cls):
    full, plain = worker("u", category="usual", used=4), worker("plain")
    config = CategoryConfig(default_category="usual")
    assert pick(cls(worker_category_spec=categories(noop=config)), full, plain) == "plain"
    assert pick(cls(worker_category_spec=categories(strong=True, noop=config)), full, plain) is None


@pytest.mark.parametrize("cls", WITH_CATEGORIES)
def test_a_task_without_a_category_takes_any_worker_even_where_categories_are_strong(cls):
    workers = [worker("u", category="usual"), worker("plain", used=4)]
    assert pick(cls(), *workers) == "u"
    assert pick(cls(worker_category_spec=categories(strong=True)), *workers) == "u"
    nothing = CategoryConfig(category_affinity={"another": "special"})
    assert pick(cls(worker_category_spec=categories(strong=True, noop=nothing)), *workers) == "u"


@pytest.mark.parametrize("cls", [*WITH_AFFINITY, *WITH_CATEGORIES])
def test_limits_of_a_type_over_all_workers(cls):
    by_count = cls(task_limits=TaskLimits(max_slot_count_by_type={"noop": 2}))
    by_ratio = cls(task_limits=TaskLimits(max_slot_ratio_by_type={"noop": 0.25}))
    both = cls(task_limits=TaskLimits(max_slot_count_by_type={"noop": 3}, max_slot_ratio_by_type={"noop": 0.1}))
    other = cls(task_limits=TaskLimits(max_slot_count_by_type={"kill": 0}))
    busy = [worker("a", used=1, by_type={"noop": 1}), worker("b", used=1, by_type={"noop": 1})]
    assert pick(by_count, *busy) is None
    assert pick(by_count, worker("full", used=4, by_type={"noop": 1}), worker("c")) == "c"
    assert pick(by_ratio, *busy) is None
    assert pick(by_ratio, worker("full", used=4, by_type={"noop": 1}), worker("c")) == "c"
    assert pick(both, busy[0], worker("c")) is None
    assert pick(both, worker("c")) == "c"  # a share is one slot at least
    assert pick(other, worker("c")) == "c"


def test_json(json):
    stored = {"type": "fillCapacity", "affinityConfig": {"affinity": {"a": ["h"]}, "strong": True}}
    assert json.structure(stored, WorkerSelectStrategy) == FILL(
        affinity_config=AffinityConfig(affinity={"a": ["h"]}, strong=True)
    )
    assert json.structure({"type": "default"}, WorkerBehaviorConfig).select_strategy == EQUAL()
    with pytest.raises(DruidException, match="equalDistribution"):
        json.structure({"selectStrategy": {"type": "bogus"}}, WorkerBehaviorConfig)


def test_javascript_is_refused_with_the_way_to_write_it_in_python(json):
    with pytest.raises(DruidException, match=r"JavaScript is disabled.*find_worker.*worker_select_strategies"):
        json.structure({"type": "javascript", "function": "function(){}"}, WorkerSelectStrategy)


# ---- any cluster

HOSTS = ["a:1", "b:1", "c:1", "d:1"]
SOURCES = ["ds", "other", "third"]
VERSIONS = ["", "0", "1"]
CATEGORIES = ["_default_worker_category", "special"]
TYPES = ["one", "index_parallel"]


@json_type("one")
@frozen(kw_only=True, slots=False)
class OneTask(Task):
    data_source: str = "ds"

    def run(self, toolbox): ...


@json_type("index_parallel")
@frozen(kw_only=True, slots=False)
class ParallelTask(OneTask):
    pass


def subsets(values):
    return st.lists(st.sampled_from(values), unique=True)


@st.composite
def infos(draw, host):
    capacity = draw(st.integers(0, 4))
    parallel, one = draw(st.integers(0, capacity)), 0
    if parallel < capacity:
        one = draw(st.integers(0, capacity - parallel))
    return ImmutableWorkerInfo(
        worker=Worker("http", host, "ip", capacity, draw(st.sampled_from(VERSIONS)), draw(st.sampled_from(CATEGORIES))),
        curr_capacity_used=parallel + one,
        curr_parallel_index_capacity_used=parallel,
        curr_capacity_used_by_task_type={"index_parallel": parallel, "one": one},
        availability_groups=frozenset(draw(subsets(["g"]))),
    )  # fmt: skip


clusters = subsets(HOSTS).flatmap(lambda hosts: st.fixed_dictionaries({host: infos(host) for host in hosts}))
tasks = st.builds(
    lambda cls, source, group, slots: cls(
        id="t", data_source=source, resource=TaskResource(availability_group=group, required_capacity=slots)
    ),
    st.sampled_from([OneTask, ParallelTask]), st.sampled_from(SOURCES), st.sampled_from("gh"), st.integers(1, 3),
)  # fmt: skip
configs = st.builds(
    WorkerTaskRunnerConfig,
    min_worker_version=st.sampled_from(["0", "1"]),
    parallel_index_task_slot_ratio=st.sampled_from([0.0, 0.5, 1.0]),
)
limits = st.builds(
    TaskLimits,
    max_slot_count_by_type=st.dictionaries(st.sampled_from(TYPES), st.integers(0, 6)),
    max_slot_ratio_by_type=st.dictionaries(st.sampled_from(TYPES), st.floats(0, 1)),
)
affinities = st.builds(
    AffinityConfig, affinity=st.dictionaries(st.sampled_from(SOURCES), subsets(HOSTS)), strong=st.booleans()
)
specs = st.builds(
    WorkerCategorySpec,
    category_map=st.dictionaries(
        st.sampled_from(TYPES),
        st.builds(
            CategoryConfig,
            default_category=st.none() | st.sampled_from(CATEGORIES),
            category_affinity=st.dictionaries(st.sampled_from(SOURCES), st.sampled_from([*CATEGORIES, "nobody's"])),
        ),
    ),
    strong=st.booleans(),
)


def made(classes, **fields):
    return st.one_of([st.builds(cls, task_limits=limits, **fields) for cls in classes])


any_strategy = made(WITH_AFFINITY, affinity_config=st.none() | affinities) | made(
    WITH_CATEGORIES, worker_category_spec=st.none() | specs
)


def within_limits(strategy, workers, task):
    """The rule in the words of the manual: the tasks of a type have at most so many slots, or such a share of them."""
    after = sum(w.curr_capacity_used_by_task_type[task.type] for w in workers) + task.resource.required_capacity
    count = strategy.task_limits.max_slot_count_by_type.get(task.type)
    ratio = strategy.task_limits.max_slot_ratio_by_type.get(task.type)
    total = sum(w.worker.capacity for w in workers)
    return (count is None or after <= count) and (ratio is None or after <= max(1, int(ratio * total)))


def can_take(info, task, config):
    free = info.worker.capacity - info.curr_capacity_used
    needed = task.resource.required_capacity
    if task.type == "index_parallel":
        share = min(info.worker.capacity, max(1, int(info.worker.capacity * config.parallel_index_task_slot_ratio)))
        free = min(free, share - info.curr_parallel_index_capacity_used)
    return (
        free >= needed
        and info.worker.version >= config.min_worker_version
        and task.resource.availability_group not in info.availability_groups
    )


def preferred_and_others(strategy, able, task):
    """What the task prefers, and what it may have besides."""
    if isinstance(strategy, tuple(WITH_CATEGORIES)):
        spec = strategy.worker_category_spec or WorkerCategorySpec()
        config = spec.category_map.get(task.type, CategoryConfig())
        wanted = config.category_affinity.get(task.data_source) or config.default_category
        if wanted is None:
            return able, []
        return [w for w in able if w.worker.category == wanted], [] if spec.strong else able
    affinity = strategy.affinity_config or AffinityConfig(affinity={})
    others = [w for w in able if not any(w.worker.host in hosts for hosts in affinity.affinity.values())]
    if task.data_source not in affinity.affinity:
        return others, []
    own = [w for w in able if w.worker.host in affinity.affinity[task.data_source]]
    return own, [] if affinity.strong else others


@given(any_strategy, clusters, tasks, configs)
def test_any_strategy_picks_the_best_worker_that_its_rules_permit(strategy, workers, task, config):
    found = strategy.find_worker(config, workers, task)
    able = [info for info in workers.values() if can_take(info, task, config)]
    preferred, others = preferred_and_others(strategy, able, task)
    permitted = preferred or others
    if not permitted or not within_limits(strategy, workers.values(), task):
        assert found is None
        return
    assert any(found is info for info in permitted)
    if type(strategy).__name__.startswith("Fill"):
        assert found.curr_capacity_used == max(info.curr_capacity_used for info in permitted)
    else:
        assert found.available_capacity == max(info.available_capacity for info in permitted)
    shuffled = dict(reversed(workers.items()))
    assert strategy.find_worker(config, shuffled, task) is found, "the order of the workers is of no account"


@given(any_strategy, clusters, tasks, configs)
def test_any_strategy_picks_the_same_worker_with_the_runners_indexes(strategy, workers, task, config):
    eligible = EligibleWorkers()
    for info in workers.values():
        eligible.put(info)
    assert strategy.find_worker(config, eligible, task) is strategy.find_worker(config, workers, task)
    assert strategy.decides_by_shape


@given(strategy=any_strategy)
def test_the_json_of_any_strategy_gives_it_again(strategy, json):
    assert json.loads(json.dumps(strategy), WorkerSelectStrategy) == strategy
    config = WorkerBehaviorConfig(select_strategy=strategy)
    assert json.loads(json.dumps(config), WorkerBehaviorConfig) == config
