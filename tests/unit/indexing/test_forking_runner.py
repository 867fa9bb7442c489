"""The forking runner with real processes."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

import psutil
import pytest
from tests.servers.ports import free_ports

from nemeton.common.clock import SystemClock
from nemeton.config import Properties
from nemeton.http.client import HttpClient
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.forking import ForkingTaskRunner
from nemeton.indexing.worker.peon_settings import peon_properties
from nemeton.indexing.worker.processes import TemplatePeonLauncher
from nemeton.indexing.worker.task_dirs import TaskDir, TaskDirs
from nemeton.json import Json
from nemeton.model import DruidNode, TaskStatus
from nemeton.spi.indexing import RunnerTaskState, TaskConfig, TaskRunnerListener
from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs

from .peon_kit import ChatTask, ExitTask, HangTask, RaiseTask, WaitTask, make_extensions

PORT = free_ports(40)
ROOT = Path(__file__).parents[3]


class NoDiscovery:
    def get_for_node_role(self, role):
        return self

    def all_nodes(self):
        return []


@pytest.fixture(scope="module")
def json():
    return Json(make_extensions().registry)


@pytest.fixture
def logs(tmp_path):
    return FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs")))


@pytest.fixture
def make_runner(tmp_path, json, logs, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(ForkingTaskRunner, "peon_injector", "tests.unit.indexing.peon_kit:make_injector")
    runners = []

    def make(
        *,
        template=True,
        capacity=2,
        kill_timeout=5.0,
        node=None,
        discovery=None,
        properties=None,
        base_task_dirs=None,
        runner_config=None,
        **task_config,
    ):
        config = {"start_port": PORT, "peon_template": template, "kill_timeout_seconds": kill_timeout}
        runner = ForkingTaskRunner(
            ForkingTaskRunnerConfig(**config, **(runner_config or {})),
            WorkerConfig(capacity=capacity, base_task_dirs=base_task_dirs),
            TaskConfig(**{"base_task_dir": str(tmp_path / "tasks"), **task_config}),
            node or DruidNode("druid/overlord", "localhost", plaintext_port=8090),
            Properties({"druid.storage.storageDirectory": str(tmp_path / "segments"), **(properties or {})}),
            discovery or NoDiscovery(),
            logs,
            HttpClient(json=json),
            json,
            SystemClock(),
        )
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.stop()


@pytest.fixture(params=[True, False], ids=["template", "plain"])
def runner(request, make_runner):
    made = make_runner(template=request.param)
    made.start()
    made.restore()
    return made


@pytest.fixture
def template_runner(make_runner):
    made = make_runner()
    made.start()
    made.restore()
    return made


def wait_for(condition, timeout=30.0):
    waiting = threading.Event()
    for _ in range(int(timeout / 0.02)):
        found = condition()
        if found:
            return found
        waiting.wait(0.02)
    raise AssertionError("it did not happen")


def noted(path):
    return wait_for(lambda: path.exists() and path.read_text().splitlines())


def text(stream):
    return b"".join(stream).decode()


def test_a_task_succeeds_and_leaves_its_log(runner, logs, tmp_path):
    status = runner.run(NoopTask(id="a", run_time=1)).result(60)
    assert status.is_success
    assert (status.location.host, status.location.port) == ("localhost", PORT)
    assert status.duration > 0
    assert '\n  "status": "SUCCESS",\n' in text(logs.stream_task_log("a"))
    assert runner.get_known_tasks() == []
    assert list(TaskDirs(tmp_path / "tasks").existing()) == []


def test_a_failing_task_says_why(runner, logs):
    status = runner.run(RaiseTask(id="a")).result(60)
    assert status.is_failure
    assert status.error_msg == "ValueError: the input is broken"
    assert "Traceback" in text(logs.stream_task_log("a"))


def test_a_crash_costs_that_task_only(runner, logs):
    bystander = runner.run(NoopTask(id="b", run_time=300))
    status = runner.run(ExitTask(id="a")).result(60)
    assert status.error_msg.startswith("Task execution process exited unsuccessfully with code[7]")
    assert "about to exit" in text(logs.stream_task_log("a"))
    assert bystander.result(60).is_success


def test_a_killed_peon_fails_its_task(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(WaitTask(id="a", file=str(note)))
    os.kill(int(noted(note)[0].split()[0]), signal.SIGKILL)
    assert "code[137]" in future.result(60).error_msg


def test_a_shutdown_stops_the_peon_gracefully(runner, tmp_path):
    note = tmp_path / "note"
    future = runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    runner.shutdown("a", "because")
    assert future.result(30).error_msg == "because"
    assert noted(note)[-1] == "stopped gracefully"
    runner.shutdown("nosuch", "fine")


def test_a_hanging_peon_is_killed(make_runner, tmp_path):
    runner = make_runner(kill_timeout=0.2)
    runner.start()
    note = tmp_path / "note"
    future = runner.run(HangTask(id="a", file=str(note)))
    pid = int(noted(note)[0])
    runner.shutdown("a", "because")
    assert future.result(30).error_msg == "because"
    assert not psutil.pid_exists(pid)


def test_tasks_beyond_the_capacity_wait_their_turn(template_runner, tmp_path):
    notes = [tmp_path / f"note{n}" for n in range(3)]
    futures = [template_runner.run(WaitTask(id=f"t{n}", file=str(notes[n]))) for n in range(3)]
    noted(notes[0])
    noted(notes[1])
    assert template_runner.get_runner_task_state("t1") is RunnerTaskState.RUNNING
    assert template_runner.get_runner_task_state("t2") is RunnerTaskState.PENDING
    assert template_runner.get_runner_task_state("nosuch") is None
    assert {item.location.port for item in template_runner.get_running_tasks()} == {PORT, PORT + 1}
    assert template_runner.used_task_slot_count() == {"_default_worker_category": 2}
    template_runner.shutdown("t0", "enough")
    noted(notes[2])
    assert futures[0].done()


def test_a_pending_task_that_is_shut_down_never_starts(make_runner, tmp_path):
    runner = make_runner(capacity=1)
    runner.start()
    note, never = tmp_path / "note", tmp_path / "never"
    runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    pending = runner.run(WaitTask(id="b", file=str(never)))
    assert runner.run(WaitTask(id="b", file=str(never))) is pending
    runner.shutdown("b", "because")
    runner.shutdown("a", "because")
    assert pending.result(30).error_msg == "because"
    assert not never.exists()


def test_listeners_hear_of_location_and_end(template_runner):
    heard = []

    class Listener(TaskRunnerListener):
        listener_id = "l"

        def location_changed(self, task_id, location):
            heard.append((task_id, location.port))
            raise RuntimeError("a listener that fails")

        def status_changed(self, task_id, status):
            heard.append((task_id, status.status.value))

    template_runner.register_listener(Listener())
    template_runner.run(NoopTask(id="a", run_time=1)).result(60)
    assert heard == [("a", PORT), ("a", "RUNNING"), ("a", "SUCCESS")]


def test_live_reports_and_logs_come_from_the_running_peon(template_runner, json, logs, tmp_path):
    note = tmp_path / "note"
    future = template_runner.run(ChatTask(id="a", file=str(note)))
    noted(note)
    stream = wait_for(lambda: template_runner.stream_task_reports("a"))
    assert json.loads(b"".join(stream)) == {"live": {"taskId": "a"}}
    url = f"{template_runner.get_task_location('a').url}/druid/worker/v1/chat/a/nosuch"
    answer = HttpClient(json=json).request("GET", url)
    assert (answer.status, answer.headers.get("X-Druid-Task-Id")) == (404, "a")
    assert "Running task [a]" in text(template_runner.stream_task_log("a", 0))
    note.write_text("done\n")
    assert future.result(30).is_success
    assert json.loads(text(logs.stream_task_reports("a"))) == {"final": {"taskId": "a"}}
    assert template_runner.stream_task_reports("a") is None


# ---- the ends of processes


def template_pid(runner):
    return wait_for(lambda: isinstance(runner._launcher, TemplatePeonLauncher) and runner._launcher.pid)


def test_the_template_has_one_thread_and_nothing_native_in_it(template_runner):
    template_runner.run(NoopTask(id="a", run_time=1)).result(60)
    process = psutil.Process(template_pid(template_runner))
    assert process.num_threads() == 1
    mapped = " ".join(m.path for m in process.memory_maps())
    assert not any(name in mapped for name in ("polars", "libarrow", "llvmlite"))
    assert [c for c in process.net_connections() if c.status == "LISTEN"] == []


def test_a_template_that_dies_takes_its_peons_along_and_is_started_again(template_runner, tmp_path):
    note = tmp_path / "note"
    future = template_runner.run(WaitTask(id="a", file=str(note)))
    pid = int(noted(note)[0].split()[0])
    os.kill(template_pid(template_runner), signal.SIGKILL)
    assert future.result(60).is_failure
    wait_for(lambda: not psutil.pid_exists(pid))
    assert template_runner.run(NoopTask(id="b", run_time=1)).result(60).is_success


def test_stop_ends_all_peons_and_leaves_nothing(template_runner, tmp_path):
    notes = [tmp_path / f"note{n}" for n in range(2)]
    futures = [template_runner.run(WaitTask(id=f"t{n}", file=str(notes[n]))) for n in range(2)]
    pids = [int(noted(note)[0].split()[0]) for note in notes]
    launcher = template_pid(template_runner)
    template_runner.stop()
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in [*pids, launcher]))
    wait(futures, timeout=10)
    assert all(future.cancelled() for future in futures)  # not an end of the task: the next life runs it again


def test_an_orphan_is_killed_before_anything_runs(make_runner, tmp_path):
    first = make_runner(template=False)
    first.start()
    note = tmp_path / "note"
    first.run(WaitTask(id="a", file=str(note)))
    pid = int(noted(note)[0].split()[0])
    os.kill(pid, signal.SIGSTOP)  # so that it does not notice anything by itself
    first._items["a"].abandoned = True  # as if the worker had been killed: nobody sees the peon's end …
    for claim in first._claims:  # … and the kernel has given the folder back
        claim.release()
    second = make_runner(template=False)
    second.start()
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert second.restore() == []
    assert list(TaskDirs(tmp_path / "tasks").existing()) == []


def test_a_runner_can_start_again(template_runner):
    template_runner.stop()
    template_runner.start()
    template_runner.restore()
    assert template_runner.run(NoopTask(id="a", run_time=1)).result(60).is_success


def test_restorable_tasks_run_again_in_their_folder(make_runner, tmp_path):
    first = make_runner(restore_tasks_on_restart=True)
    first.start()
    note = tmp_path / "note"
    first.run(WaitTask(id="a", file=str(note), restorable=True))
    noted(note)
    wait_for(lambda: TaskDirs(tmp_path / "tasks").read_restore() == ["a"])
    first.stop()
    second = make_runner(restore_tasks_on_restart=True)
    second.start()
    ((task, future),) = second.restore()
    assert task.id == "a"
    wait_for(lambda: "attempt 2" in note.read_text())
    second.shutdown("a", "because")
    assert future.result(30).is_failure


# ---- folders and settings


def test_end_orphan_gives_up_on_a_lock_that_it_cannot_break(tmp_path):
    directory = TaskDir(tmp_path)
    code = "\n".join(
        [
            "import fcntl, time",
            f"f = open({str(directory.lock_file)!r}, 'w')",
            "fcntl.lockf(f, fcntl.LOCK_EX)",
            "print(1, flush=True)",
            "time.sleep(60)",
        ]
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.read(1)
        with pytest.raises(TimeoutError, match="still holds the lock"):
            directory.end_orphan(deadline_s=0.1)
    finally:
        holder.kill()
        holder.wait()
    directory.end_orphan(deadline_s=5)


def test_peon_properties():
    found = peon_properties(
        {"druid.a": "1", "other": "2", "druid.indexer.fork.property.druid.b": "3", "druid.host": "h"},
        ForkingTaskRunnerConfig(),
        {"druid.indexer.fork.property.druid.b": "4", "priority": 5},
        {"druid.host": "p"},
    )
    assert found == {
        "druid.a": "1",
        "druid.b": "4",
        "druid.host": "p",
        "druid.indexer.fork.property.druid.b": "3",
    }


def test_settings_with_passwords_are_for_the_owner_only(make_runner, tmp_path):
    runner = make_runner()
    runner.start()
    note = tmp_path / "note"
    runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    (settings,) = (tmp_path / "tasks").glob("slot*/a/attempt/1/settings.json")
    assert settings.stat().st_mode & 0o077 == 0


def test_restore_file_that_is_broken_restores_nothing(tmp_path):
    (tmp_path / "restore.json").write_text("{")
    assert TaskDirs(tmp_path).read_restore() == []
    TaskDirs(tmp_path).write_restore(["b", "a"])
    assert TaskDirs(tmp_path).read_restore() == ["a", "b"]
    assert TaskStatus
