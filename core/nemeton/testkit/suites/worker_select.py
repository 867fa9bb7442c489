"""What every worker select strategy owes the Overlord."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import frozen

from nemeton.json import Json
from nemeton.model import TaskStatus, Worker
from nemeton.plugins import TypeRegistry, json_type
from nemeton.spi.indexing import Task, TaskResource, TaskToolbox
from nemeton.spi.runners import ImmutableWorkerInfo, WorkerSelectStrategy, WorkerTaskRunnerConfig


@json_type("testkit")
@frozen(kw_only=True, slots=False)
class FakeTask(Task):
    """A task that succeeds at once."""

    data_source: str = "testkit"

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Succeed."""
        return TaskStatus.success(self.id)


def make_task(
    task_id: str = "task", *, data_source: str = "testkit", capacity: int = 1, group: str | None = None
) -> Task:
    """A task that needs so many slots and that shares no worker with others of its (availability) group."""
    resource = TaskResource(availability_group=group or task_id, required_capacity=capacity)
    return FakeTask(id=task_id, data_source=data_source, resource=resource)


def make_worker(
    host: str,
    *,
    capacity: int = 4,
    running: Iterable[str] = (),
    version: str = "1",
    groups: Iterable[str] = (),
    category: str = "_default_worker_category",
) -> ImmutableWorkerInfo:
    """A worker that runs the tasks of these ids, one slot each. An empty version means that it is disabled."""
    tasks = frozenset(running)
    return ImmutableWorkerInfo(
        worker=Worker("http", host, host.partition(":")[0], capacity, version, category),
        curr_capacity_used=len(tasks),
        availability_groups=frozenset(groups),
        running_tasks=tasks,
    )


def by_host(*workers: ImmutableWorkerInfo) -> dict[str, ImmutableWorkerInfo]:
    """The workers as a strategy gets them."""
    return {worker.worker.host: worker for worker in workers}


class WorkerSelectStrategySuite:
    """Subclass it, and override the fixture `strategy`. The strategy should accept any worker that can run the task."""

    config = WorkerTaskRunnerConfig(min_worker_version="1")

    @pytest.fixture
    def strategy(self) -> WorkerSelectStrategy:
        """The strategy that is tested."""
        raise NotImplementedError("override the fixture `strategy`")

    def test_no_worker_means_wait(self, strategy: WorkerSelectStrategy) -> None:
        """Without workers the answer is None."""
        assert strategy.find_worker(self.config, {}, make_task()) is None

    def test_it_picks_one_of_the_workers(self, strategy: WorkerSelectStrategy) -> None:
        """The answer is one of the objects given."""
        workers = by_host(make_worker("a:8091"), make_worker("b:8091", running=["x"]), make_worker("c:8091"))
        chosen = strategy.find_worker(self.config, workers, make_task())
        assert any(chosen is worker for worker in workers.values())

    def test_a_full_worker_gets_nothing(self, strategy: WorkerSelectStrategy) -> None:
        """Capacity is respected, also by tasks that need several slots."""
        full = by_host(make_worker("a:8091", capacity=1, running=["x"]))
        assert strategy.find_worker(self.config, full, make_task()) is None
        small = by_host(make_worker("a:8091", capacity=2, running=["x"]))
        assert strategy.find_worker(self.config, small, make_task(capacity=2)) is None

    def test_the_only_worker_with_room_gets_the_task(self, strategy: WorkerSelectStrategy) -> None:
        """A task does not wait while a worker has room."""
        workers = by_host(make_worker("a:8091", capacity=1, running=["x"]), make_worker("b:8091", capacity=1))
        chosen = strategy.find_worker(self.config, workers, make_task())
        assert chosen is workers["b:8091"]

    @pytest.mark.parametrize("version", ["0", ""])
    def test_old_and_disabled_workers_get_nothing(self, strategy: WorkerSelectStrategy, version: str) -> None:
        """``druid.indexer.runner.minWorkerVersion`` is respected; a disabled worker has the empty version."""
        workers = by_host(make_worker("a:8091", version=version))
        assert strategy.find_worker(self.config, workers, make_task()) is None

    def test_an_availability_group_is_on_a_worker_once(self, strategy: WorkerSelectStrategy) -> None:
        """Replicas of one task do not share a worker."""
        workers = by_host(make_worker("a:8091", groups=["replicas"]), make_worker("b:8091"))
        assert strategy.find_worker(self.config, workers, make_task(group="replicas")) is workers["b:8091"]

    def test_the_workers_stay_as_they_are(self, strategy: WorkerSelectStrategy) -> None:
        """The mapping given is read and not changed."""
        workers = by_host(make_worker("a:8091"), make_worker("b:8091"))
        before = dict(workers)
        strategy.find_worker(self.config, workers, make_task())
        assert workers == before

    def test_its_json_survives(self, strategy: WorkerSelectStrategy) -> None:
        """The configuration that the metadata store keeps gives the same strategy again."""
        registry = TypeRegistry()
        registry.add("worker_select_strategies", type(strategy))
        json = Json(registry)
        assert json.loads(json.dumps(strategy), WorkerSelectStrategy) == strategy
