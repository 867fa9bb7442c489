"""What every task runner owes the Overlord's queue."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskLocation, TaskStatus
from nemeton.spi.indexing import Task
from nemeton.spi.runners import RunnerTaskState, TaskRunner, TaskRunnerListener
from nemeton.testkit.waiting import eventually

RESULT_TIMEOUT_S = 60.0


class RecordingListener(TaskRunnerListener):
    """Keeps what it hears by task."""

    def __init__(self, listener_id: str = "testkit") -> None:
        self._id = listener_id
        self._lock = threading.Lock()
        self.statuses: list[tuple[str, TaskStatus]] = []
        self.locations: list[tuple[str, TaskLocation]] = []

    @property
    def listener_id(self) -> str:
        """Its id."""
        return self._id

    def location_changed(self, task_id: str, location: TaskLocation) -> None:
        """Note it."""
        with self._lock:
            self.locations.append((task_id, location))

    def status_changed(self, task_id: str, status: TaskStatus) -> None:
        """Note it."""
        with self._lock:
            self.statuses.append((task_id, status))

    def ended(self, task_id: str) -> bool:
        """Whether it has heard of the task's end."""
        with self._lock:
            return any(heard == task_id and status.is_complete for heard, status in self.statuses)


class TaskRunnerSuite:
    """Subclass it, and override the fixture `new_runner`. It runs ``noop`` tasks, with two slots at least."""

    @pytest.fixture
    def new_runner(self) -> TaskRunner:
        """The runner that is tested, not started."""
        raise NotImplementedError("override the fixture `new_runner`")

    @pytest.fixture
    def runner(self, new_runner: TaskRunner) -> Iterator[TaskRunner]:
        """The runner, started; stopped at the end."""
        new_runner.start()
        assert new_runner.restore() == [], "a new runner has nothing to restore"
        yield new_runner
        new_runner.stop()

    def task(self, run_time_ms: int = 0) -> Task:
        """A task that takes so long and then succeeds."""
        return NoopTask(id=f"noop_{uuid.uuid4()}", run_time=run_time_ms)

    def known(self, runner: TaskRunner) -> set[str]:
        """The ids of the tasks that the runner knows."""
        return {item.task_id for item in runner.get_known_tasks()}

    def wait_until_it_runs(self, runner: TaskRunner, task: Task) -> None:
        """Return when it does."""
        eventually(lambda: runner.get_runner_task_state(task.id) is RunnerTaskState.RUNNING, f"{task.id} runs", 60)

    def test_a_task_runs_and_succeeds(self, runner: TaskRunner) -> None:
        """The future gives its status."""
        task = self.task()
        status = runner.run(task).result(RESULT_TIMEOUT_S)
        assert (status.id, status.is_success) == (task.id, True)

    def test_running_a_task_again_gives_the_same_future(self, runner: TaskRunner) -> None:
        """The queue asks again and again."""
        task = self.task(60_000)
        assert runner.run(task) is runner.run(task)
        runner.shutdown(task.id, "the test is over")

    def test_tasks_run_side_by_side(self, runner: TaskRunner) -> None:
        """As far as there are slots."""
        long, short = self.task(60_000), self.task()
        runner.run(long)
        assert runner.run(short).result(RESULT_TIMEOUT_S).is_success
        runner.shutdown(long.id, "the test is over")

    def test_a_running_task_is_known_as_running(self, runner: TaskRunner) -> None:
        """And after its end it is not."""
        task = self.task(60_000)
        future = runner.run(task)
        self.wait_until_it_runs(runner, task)
        assert task.id in self.known(runner)
        assert task.id in {item.task_id for item in runner.get_running_tasks()}
        assert task.id not in {item.task_id for item in runner.get_pending_tasks()}
        runner.shutdown(task.id, "the test is over")
        future.result(RESULT_TIMEOUT_S)
        eventually(lambda: task.id not in {item.task_id for item in runner.get_running_tasks()}, "the task is gone")

    def test_work_items_say_what_they_are(self, runner: TaskRunner) -> None:
        """Type, data source and times, for the lists of tasks."""
        task = self.task(60_000)
        future = runner.run(task)
        self.wait_until_it_runs(runner, task)
        (item,) = [item for item in runner.get_known_tasks() if item.task_id == task.id]
        assert (item.task_type, item.data_source) == ("noop", task.data_source)
        assert 0 < item.created_time <= item.queue_insertion_time or item.created_time > 0
        runner.shutdown(task.id, "the test is over")
        future.result(RESULT_TIMEOUT_S)

    def test_shutdown_ends_a_task(self, runner: TaskRunner) -> None:
        """Its future ends, and not with success."""
        task = self.task(600_000)
        future = runner.run(task)
        self.wait_until_it_runs(runner, task)
        runner.shutdown(task.id, "the test wants it")
        assert not future.result(RESULT_TIMEOUT_S).is_success

    def test_what_is_not_known_is_no_error(self, runner: TaskRunner) -> None:
        """The queue cleans up more than it must."""
        runner.shutdown("no such task", "no reason")
        runner.unregister_listener("no such listener")
        assert runner.get_runner_task_state("no such task") is None
        assert runner.get_task_location("no such task") == TaskLocation.unknown()
        assert runner.stream_task_log("no such task", 0) is None
        assert runner.stream_task_reports("no such task") is None

    def test_listeners_hear_of_the_end(self, runner: TaskRunner) -> None:
        """Until they are unregistered."""
        listener, former = RecordingListener(), RecordingListener("former")
        runner.register_listener(listener)
        runner.register_listener(former)
        runner.unregister_listener("former")
        task = self.task()
        runner.run(task).result(RESULT_TIMEOUT_S)
        eventually(lambda: listener.ended(task.id), "the listener hears of the end")
        assert not former.ended(task.id)

    def test_who_registers_late_hears_of_what_runs(self, runner: TaskRunner) -> None:
        """Where it runs, first of all."""
        task = self.task(60_000)
        future = runner.run(task)
        self.wait_until_it_runs(runner, task)
        listener = RecordingListener()
        runner.register_listener(listener)
        eventually(lambda: task.id in {heard for heard, _ in listener.locations}, "the listener hears of the task")
        runner.shutdown(task.id, "the test is over")
        future.result(RESULT_TIMEOUT_S)

    def test_capacity_is_told_or_unknown(self, runner: TaskRunner) -> None:
        """-1 means unknown."""
        total, used = runner.total_capacity(), runner.used_capacity()
        assert total == -1 or total >= 2
        assert used == -1 or 0 <= used <= total

    def test_stopping_twice_is_no_error(self, runner: TaskRunner) -> None:
        """Leadership may be lost while the process stops."""
        runner.stop()
        runner.stop()
