"""What the task API shows of tasks."""

from types import SimpleNamespace

import pytest

from nemeton.indexing.overlord.config import TaskStorageConfig
from nemeton.indexing.overlord.task_query import TaskQueryTool
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskStatus
from nemeton.spi.indexing import RunnerTaskState


@pytest.fixture
def query(storage, runner, clock):
    handed_over = set()
    queue = SimpleNamespace(
        handed_over_task_ids=lambda: set(handed_over),
        is_handed_over=handed_over.__contains__,
        get_active_task=lambda task_id: None,
        get_active_infos=storage.get_active_infos,
    )
    master = SimpleNamespace(task_runner=runner, task_queue=queue)
    tool = TaskQueryTool(storage, master, TaskStorageConfig(), clock)
    for name in ("waits", "runs", "has-ended"):
        task = NoopTask(id=name, data_source="d")
        storage.insert(task, TaskStatus.running(name))
        if name != "waits":
            runner.run(task)
            handed_over.add(name)
    runner.shutdown("has-ended", "the runner has done with it; the store does not know yet")
    return tool


def test_a_task_that_the_runner_has_done_with_does_not_seem_to_wait(query):
    assert [task.id for task in query.get_list("waiting")] == ["waits"]
    assert sorted(task.id for task in query.get_list("running")) == ["has-ended", "runs"]
    assert query.get_list("pending") == []
    assert query.get_status("waits").runner_status_code is RunnerTaskState.WAITING
    assert query.get_status("has-ended").runner_status_code is RunnerTaskState.RUNNING
