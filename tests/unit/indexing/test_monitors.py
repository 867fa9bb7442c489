"""What Overlords and workers measure: tasks and slots, with Druid's names (behaviour 7.6)."""

from __future__ import annotations

import pytest

from nemeton.indexing.overlord.master import NotLeaderError
from nemeton.indexing.overlord.monitors import TaskCountStatsMonitor, TaskSlotCountStatsMonitor
from nemeton.indexing.overlord.task_entries import EndedTasks
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.monitors import WorkerTags, WorkerTaskCountStatsMonitor
from nemeton.model import Worker
from nemeton.spi.runners import ImmutableWorkerInfo, WorkerTaskRunner


class Metrics:
    def __init__(self):
        self.events = []

    def emit_metric(self, name, value, **dims):
        self.events.append((name, value, dims))


def measured(monitor):
    metrics = Metrics()
    monitor.monitor(metrics)
    return metrics.events


class Queue:
    """What the monitor asks of a queue."""

    def __init__(self):
        self.ended = {}
        self.waiting = []

    def ended_tasks(self):
        return dict(self.ended)

    def waiting_task_ids(self):
        return {task.id for task in self.waiting} | {"gone meanwhile"}

    def get_active_task(self, task_id):
        return next((task for task in self.waiting if task.id == task_id), None)


class Master:
    """One that leads, or not."""

    def __init__(self, runner, queue=None):
        self._runner, self.queue, self.leads = runner, queue, True

    def _leading(self, part):
        if not self.leads:
            raise NotLeaderError
        return part

    @property
    def task_queue(self):
        return self._leading(self.queue)

    @property
    def task_runner(self):
        return self._leading(self._runner)


@pytest.fixture
def master(runner):
    return Master(runner, Queue())


def test_ended_tasks_are_told_once_by_data_source_and_type(master):
    monitor = TaskCountStatsMonitor(master)
    master.queue.ended = {EndedTasks(True, "a", "noop"): 2, EndedTasks(False, "b", "kill"): 1}
    assert measured(monitor) == [
        ("task/success/count", 2, {"dataSource": "a", "taskType": "noop"}),
        ("task/failed/count", 1, {"dataSource": "b", "taskType": "kill"}),
    ]
    master.queue.ended[EndedTasks(True, "a", "noop")] = 5
    assert measured(monitor) == [("task/success/count", 3, {"dataSource": "a", "taskType": "noop"})]
    master.queue = Queue()  # another term counts from nothing
    master.queue.ended = {EndedTasks(True, "a", "noop"): 1}
    assert measured(monitor) == [("task/success/count", 1, {"dataSource": "a", "taskType": "noop"})]


def test_running_and_waiting_tasks_are_counted(master, runner):
    runner.run(NoopTask(id="r1", data_source="a"))
    runner.run(NoopTask(id="r2", data_source="a"))
    master.queue.waiting = [NoopTask(id="w", data_source="b")]
    assert measured(TaskCountStatsMonitor(master)) == [
        ("task/running/count", 2, {"dataSource": "a", "taskType": "noop"}),
        ("task/waiting/count", 1, {"dataSource": "b", "taskType": "noop"}),
    ]


def test_who_does_not_lead_says_nothing(master):
    master.leads = False
    assert measured(TaskCountStatsMonitor(master)) == []
    assert measured(TaskSlotCountStatsMonitor(master)) == []


def test_slots_by_category_with_lazy_and_blacklisted_workers():
    workers = [Worker(capacity=capacity, category=category) for capacity, category in ((3, "x"), (4, "x"), (5, "y"))]

    class Runner(WorkerTaskRunner):
        total_task_slot_count = lambda self: {"x": 7, "y": 5}  # noqa: E731
        used_task_slot_count = lambda self: {"x": 2}  # noqa: E731
        idle_task_slot_count = lambda self: {"x": 5, "y": 5}  # noqa: E731
        get_lazy_workers = lambda self: workers[:2]  # noqa: E731
        get_blacklisted_workers = lambda self: [ImmutableWorkerInfo(worker=workers[2])]  # noqa: E731

    Runner.__abstractmethods__ = frozenset()
    assert measured(TaskSlotCountStatsMonitor(Master(Runner()))) == [
        ("taskSlot/total/count", 7, {"category": "x"}),
        ("taskSlot/total/count", 5, {"category": "y"}),
        ("taskSlot/idle/count", 5, {"category": "x"}),
        ("taskSlot/idle/count", 5, {"category": "y"}),
        ("taskSlot/used/count", 2, {"category": "x"}),
        ("taskSlot/lazy/count", 7, {"category": "x"}),
        ("taskSlot/blacklisted/count", 5, {"category": "y"}),
    ]


class MiddleManagerStats:
    category, version = "big", "7"
    total_task_slots, used_task_slots, idle_task_slots = 4, 1, 3

    def failed_tasks(self):
        return 2

    def successful_tasks(self):
        return 5


def test_a_middle_manager_tells_of_its_tasks_and_slots():
    dims = {"category": "big", "workerVersion": "7"}
    assert measured(WorkerTaskCountStatsMonitor(MiddleManagerStats())) == [
        ("worker/task/failed/count", 2, dims),
        ("worker/task/success/count", 5, dims),
        ("worker/taskSlot/idle/count", 3, dims),
        ("worker/taskSlot/total/count", 4, dims),
        ("worker/taskSlot/used/count", 1, dims),
    ]


class IndexerStats:
    running_tasks = lambda self: {"a": 2, "b": 1}  # noqa: E731
    assigned_tasks = lambda self: {}  # noqa: E731
    completed_tasks = lambda self: {"a": 3}  # noqa: E731
    failed_tasks = lambda self: {"a": 1}  # noqa: E731
    successful_tasks = lambda self: {"a": 2}  # noqa: E731


def test_an_indexer_tells_of_its_tasks_by_data_source():
    assert measured(WorkerTaskCountStatsMonitor(None, IndexerStats())) == [
        ("worker/task/running/count", 2, {"dataSource": "a"}),
        ("worker/task/running/count", 1, {"dataSource": "b"}),
        ("worker/task/completed/count", 3, {"dataSource": "a"}),
        ("worker/task/failed/count", 1, {"dataSource": "a"}),
        ("worker/task/success/count", 2, {"dataSource": "a"}),
    ]


def test_a_workers_heartbeat_says_whether_it_wants_tasks():
    class Manager:
        is_enabled = False

    tags = WorkerTags(Manager(), Worker(version="7", category="big")).tags()
    assert tags == {"workerVersion": "7", "category": "big", "status": 0}
