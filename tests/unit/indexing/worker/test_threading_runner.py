"""The Indexer's runner: tasks on threads of one process."""

import logging
import threading
import time

import pytest
from attrs import frozen

from nemeton.common.clock import SystemClock
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.chat import ChatHandlerRegistry, ChatResource, IndexerChatHandlers
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.task_logging import task_log
from nemeton.indexing.worker.threading_runner import ThreadingTaskRunner
from nemeton.indexing.worker.toolboxes import TaskToolboxFactory
from nemeton.model import DruidNode, TaskLocation, TaskStatus
from nemeton.plugins import json_type
from nemeton.rpc.overlord import OverlordClient
from nemeton.spi.http import Request
from nemeton.spi.indexing import TaskConfig
from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs
from nemeton.testkit.suites.task_runner import TaskRunnerSuite
from nemeton.testkit.waiting import eventually

from .. import peon_kit
from ..peon_kit import ChatTask, RaiseTask, _TestTask

log = logging.getLogger("a.task")
release = threading.Event()


@json_type("testBusy")
@frozen(kw_only=True, slots=False)
class BusyTask(_TestTask):
    """Deaf, and busy in Python."""

    def run(self, toolbox):
        self.note("runs")
        try:
            while not release.is_set():
                pass
        finally:
            self.note("cleaned up")
        return TaskStatus.success(self.id)


@json_type("testBlocked")
@frozen(kw_only=True, slots=False)
class BlockedTask(_TestTask):
    """Hangs where Python cannot reach it."""

    def run(self, toolbox):
        self.note("runs")
        release.wait(60)
        return TaskStatus.success(self.id)


@json_type("testLogging")
@frozen(kw_only=True, slots=False)
class LoggingTask(_TestTask):
    def run(self, toolbox):
        log.info("%s itself, %d bytes", self.id, toolbox.ingestion_memory_bytes)
        thread = threading.Thread(target=lambda: log.warning("%s in a thread", self.id))
        thread.start()
        thread.join()
        return TaskStatus.success(self.id)


@json_type("testRestorable")
@frozen(kw_only=True, slots=False)
class RestorableTask(_TestTask):
    can_restore = True

    def run(self, toolbox):
        self.note(f"attempt {toolbox.attempt}")
        if toolbox.attempt == 1:
            STOPPED[self.id] = threading.Event()
            STOPPED[self.id].wait(60)
        return TaskStatus.success(self.id)

    def stop_gracefully(self):
        STOPPED[self.id].set()


STOPPED = {}


@pytest.fixture
def make_runner(tmp_path):
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)  # as the command line sets it
    injector = peon_kit.make_injector({"druid.storage.storageDirectory": str(tmp_path / "segments")})
    for cls in (BusyTask, BlockedTask, LoggingTask, RestorableTask):
        injector.get(peon_kit.Json).registry.add("task_types", cls, "tests")
    logs = FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs")))
    made = []

    def make(*, kill_timeout=0.2, **task_config):
        config = TaskConfig(base_task_dir=str(tmp_path / "tasks"), **task_config)
        runner = ThreadingTaskRunner(
            ForkingTaskRunnerConfig(kill_timeout_seconds=kill_timeout),
            WorkerConfig(capacity=2, global_ingestion_heap_limit_bytes=1000),
            config,
            DruidNode("druid/indexer", "localhost", plaintext_port=8091),
            TaskToolboxFactory(injector, config, {}),
            IndexerChatHandlers(injector.get(ChatHandlerRegistry)),
            injector.get(OverlordClient),
            logs,
            injector.get(peon_kit.Json),
            SystemClock(),
        )
        runner.logs = logs
        runner.registry = injector.get(ChatHandlerRegistry)
        made.append(runner)
        return runner

    release.clear()
    yield make
    release.set()
    for runner in made:
        runner.stop()
    logging.getLogger().setLevel(level)


@pytest.fixture
def runner(make_runner):
    made = make_runner()
    made.start()
    assert made.restore() == []
    return made


def noted(path):
    eventually(lambda: path.exists() and path.read_text(), "noted")
    return path.read_text().splitlines()


def log_of(runner, task_id):
    return b"".join(runner.logs.stream_task_log(task_id)).decode()


class TestThreadingTaskRunner(TaskRunnerSuite):
    @pytest.fixture
    def new_runner(self, make_runner):
        return make_runner()


def test_each_task_has_a_log_of_its_own_with_what_its_threads_say(runner):
    futures = [runner.run(LoggingTask(id=name)) for name in ("a", "b")]
    assert all(future.result(30).is_success for future in futures)
    for name, other in (("a", "b"), ("b", "a")):
        text = log_of(runner, name)
        assert f"{name} itself, 500 bytes" in text
        assert f"{name} in a thread" in text
        assert f"{other} in a thread" not in text
        assert f"Running task [{name}]" in text


def test_what_a_thread_logs_after_its_task_is_dropped(tmp_path, runner):
    go_on = threading.Event()
    with task_log(tmp_path / "log"):
        log.info("inside")
        late = threading.Thread(target=lambda: (go_on.wait(20), log.info("too late")))
        late.start()
    go_on.set()
    late.join()
    log.info("outside")
    assert "inside" in (tmp_path / "log").read_text()
    assert "late" not in (tmp_path / "log").read_text()
    assert "outside" not in (tmp_path / "log").read_text()


def test_a_failing_task_says_why_and_leaves_its_status_and_log(runner, tmp_path):
    status = runner.run(RaiseTask(id="a")).result(30)
    assert (status.error_msg, status.location) == (
        "ValueError: the input is broken",
        TaskLocation("localhost", 8091, -1),
    )
    assert "Traceback" in log_of(runner, "a")
    assert list((tmp_path / "tasks").glob("slot*/*")) == []


def test_a_deaf_task_is_interrupted(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(BusyTask(id="a", file=str(note)))
    noted(note)
    runner.shutdown("a", "because")
    assert future.result(30).error_msg == "because"
    assert noted(note) == ["runs", "cleaned up"]
    assert runner.run(NoopTask(id="b", run_time=1)).result(30).is_success


def test_a_task_that_is_told_to_stop_may_not_act_any_more(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(BusyTask(id="a", file=str(note)))
    noted(note)
    actions = runner._item("a").actions
    runner.shutdown("a", "because")
    with pytest.raises(Exception, match="is being stopped"):
        actions.submit(peon_kit.LockListAction())
    future.result(30)


def test_stop_leaves_behind_what_cannot_be_ended(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(BlockedTask(id="a", file=str(note)))
    noted(note)
    began = time.monotonic()
    assert runner.stop_patience_s == 0.2
    runner.stop()
    assert time.monotonic() - began < 10
    assert future.cancelled()
    assert (tmp_path / "tasks" / "slot0" / "a" / "task.json").exists()


def test_after_a_stop_restorable_tasks_go_on_and_others_are_told_of(make_runner, tmp_path):
    first = make_runner(restore_tasks_on_restart=True)
    first.start()
    notes = tmp_path / "restorable", tmp_path / "blocked"
    first.run(RestorableTask(id="restorable", file=str(notes[0])))
    first.run(BlockedTask(id="blocked", file=str(notes[1])))
    for note in notes:
        noted(note)
    first.stop()
    second = make_runner(restore_tasks_on_restart=True)
    ended = []
    second.tell_of_earlier_ends(lambda task, status: ended.append((task.id, status.error_msg)))
    second.start()
    ((task, future),) = second.restore()
    assert task.id == "restorable"
    assert future.result(30).is_success
    assert noted(notes[0]) == ["attempt 1", "attempt 2"]
    assert ended == [("blocked", "Canceled as unknown task. See middleManager or indexer logs for more details.")]


def test_callers_see_which_task_answers(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(ChatTask(id="a b", file=str(note)))
    noted(note)
    resource = ChatResource(runner.registry)

    def ask(task_id):
        return resource.get(Request("GET", "", path_params={"id": task_id, "path": "liveReports"}))

    assert (ask("a b").status, ask("a b").headers) == (200, {"X-Druid-Task-Id": "a%20b"})
    assert (ask("other").status, ask("other").headers) == (404, {"X-Druid-Task-Id": ""})
    note.write_text("done\n")
    assert future.result(30).is_success
    assert ask("a b").status == 404


def test_a_task_whose_folder_cannot_be_made_fails(runner, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "_prepare", full)
    assert runner.run(NoopTask(id="a")).result(30).error_msg.startswith("Failed to start the task: [Errno 28]")
