"""Faults while tasks are started and stopped: nothing that was taken may stay taken."""

# ruff: noqa: F401, F811 - fixtures of the module beside
import fcntl
import os
import signal
import socket
import threading
import time

import psutil
import pytest

from nemeton.common.errors import DruidException, capacity_exceeded
from nemeton.indexing.actions import LockListAction
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker import processes
from nemeton.indexing.worker.peon_context import PeonContext
from nemeton.indexing.worker.peon_settings import PeonSettingsMaker
from nemeton.indexing.worker.processes import PlainPeonLauncher, TemplatePeonLauncher
from nemeton.indexing.worker.task_dirs import TaskDir, TaskDirs
from nemeton.indexing.worker.template import Template

from .peon_kit import WaitTask, make_injector
from .test_forking_runner import ROOT, json, logs, make_runner, noted, template_pid, template_runner, wait_for


def test_without_a_free_port_a_task_fails_and_its_slot_comes_back(make_runner, monkeypatch):
    runner = make_runner(capacity=1)
    runner.start()

    def no_port():
        raise capacity_exceeded("No free port for a task")

    with monkeypatch.context() as patch:
        patch.setattr(runner._ports, "take", no_port)
        for number in range(2):
            assert "No free port" in runner.run(NoopTask(id=f"a{number}")).result(30).error_msg
    assert runner.run(NoopTask(id="b", run_time=1)).result(60).is_success


def test_a_task_whose_folder_cannot_be_filled_leaves_nothing(make_runner, monkeypatch, tmp_path):
    runner = make_runner()
    runner.start()

    def disk_full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PeonSettingsMaker, "make", disk_full)
    assert "No space left on device" in runner.run(NoopTask(id="a")).result(30).error_msg
    assert list(TaskDirs(tmp_path / "tasks").existing()) == []


def test_a_closed_launcher_starts_nothing():
    launcher = TemplatePeonLauncher()
    launcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        launcher.warm_up()
    assert launcher.pid is None


def test_a_launcher_that_is_closed_while_it_forks_starts_no_plain_peon(tmp_path, monkeypatch):
    launcher = TemplatePeonLauncher()
    monkeypatch.setattr(launcher._plain, "launch", lambda *args: pytest.fail("a plain peon after the end"))

    class Closing:
        is_lost = False
        pid = 0

        def fork(self, *args):
            launcher.close()
            raise RuntimeError("The peon template has ended")

        def close(self):
            pass

    launcher._connection = Closing()
    with pytest.raises(RuntimeError, match="ended"):
        launcher.launch(TaskDir(tmp_path), 1, {})


def test_a_template_that_hangs_is_left_alone_from_then_on(template_runner, monkeypatch, tmp_path):
    note = tmp_path / "note"
    running = template_runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    hung = template_pid(template_runner)
    os.kill(hung, signal.SIGSTOP)
    try:
        monkeypatch.setattr(processes, "_START_TIMEOUT_S", 0.3)
        assert template_runner.run(NoopTask(id="b", run_time=1)).result(60).is_success
        monkeypatch.setattr(processes, "_START_TIMEOUT_S", 60.0)
        began = time.monotonic()
        assert template_runner.run(NoopTask(id="c", run_time=1)).result(60).is_success
        assert time.monotonic() - began < 30
        assert template_pid(template_runner) != hung
    finally:
        os.kill(hung, signal.SIGCONT)
    template_runner.shutdown("a", "because")
    assert running.result(30).error_msg == "because"
    template_runner.stop()
    wait_for(lambda: not psutil.pid_exists(hung))


def test_a_runner_that_starts_again_hands_out_each_slot_once(template_runner, monkeypatch):
    """A thread of the earlier life that comes late must not give back a slot of the new one."""
    late = threading.Event()
    run_process = template_runner._run_process

    def end_late(*args):
        code = run_process(*args)
        late.wait(30)
        return code

    monkeypatch.setattr(template_runner, "_run_process", end_late)
    first = template_runner.run(NoopTask(id="a", run_time=60_000))
    wait_for(lambda: template_runner.get_running_tasks())
    threading.Timer(0.5, late.set).start()
    template_runner.stop()
    slots = template_runner._slots
    template_runner.start()
    with template_runner._slots.taking():
        late.set()
        wait_for(first.done)
        wait_for(lambda: slots.used == 0)
        assert first.cancelled()
        assert template_runner._slots.used == 1


def test_stop_resolves_tasks_that_had_not_begun(make_runner, tmp_path):
    runner = make_runner(capacity=1)
    runner.start()
    note = tmp_path / "note"
    runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    pending = runner.run(NoopTask(id="b"))
    runner.stop()
    wait_for(pending.done, timeout=5)
    assert pending.cancelled()


def test_a_peon_that_waits_for_its_folder_ends_with_its_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    directory = TaskDir(tmp_path / "slot0" / "a")
    directory.attempt_dir(1).mkdir(parents=True)
    note = tmp_path / "note"
    directory.task_file.write_text(f'{{"type": "testWait", "id": "a", "file": "{note}"}}')
    settings = '{"properties": {}, "injector": "tests.unit.indexing.peon_kit:make_injector"}'
    (directory.attempt_dir(1) / "settings.json").write_text(settings)
    with directory.lock_file.open("w") as holder:
        fcntl.lockf(holder, fcntl.LOCK_EX)
        peon = PlainPeonLauncher().launch(directory, 1, {})
        peon.ask_to_stop()
        try:
            assert peon.exit.result(30) == 2
        finally:
            peon.kill()
    assert not note.exists()


def test_restore_file_survives_writers_at_once(tmp_path, caplog):
    dirs = TaskDirs(tmp_path)
    failures = []

    def write(number):
        try:
            for _ in range(50):
                dirs.write_restore([f"task{number}" * 50])
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert [p.name for p in tmp_path.iterdir()] == ["restore.json"]


def test_repeated_shutdowns_wait_once(template_runner, tmp_path):
    note = tmp_path / "note"
    future = template_runner.run(WaitTask(id="a", file=str(note)))
    noted(note)
    before = threading.active_count()
    for _ in range(10):
        template_runner.shutdown("a", "because")
    assert threading.active_count() <= before + 1
    assert future.result(30).is_failure


def test_a_peon_that_loses_its_worker_while_it_gets_ready_never_acts(tmp_path):
    """The watcher may see the end of the pipe before there is an action client to close."""
    directory = TaskDir(tmp_path / "a")
    directory.attempt_dir(1).mkdir(parents=True)
    context = PeonContext(directory, 1, make_injector({"druid.indexer.task.baseTaskDir": str(tmp_path)}), {})
    context.begin_closing(may_still_act=False)
    toolbox = context.make_toolbox(NoopTask(id="a"))
    with pytest.raises(DruidException, match="being stopped"):
        toolbox.action_client.submit(LockListAction())


def test_a_template_that_cannot_fork_keeps_the_peons_that_it_has(monkeypatch, tmp_path):
    ours, theirs = socket.socketpair()
    template = Template(theirs)
    answers = ours.makefile("rb")

    def no_process():
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_process)
    with ours, theirs, (tmp_path / "log").open("wb") as log_file:
        open_before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(ours, [b'{"id": 1, "task_dir": "x", "attempt": 1}\n'], [log_file.fileno(), log_file.fileno()])
        assert template._receive()
        assert b"Resource temporarily unavailable" in answers.readline()
        assert len(os.listdir("/proc/self/fd")) == open_before
    answers.close()


def test_what_the_template_cannot_fork_is_started_plainly(template_runner, monkeypatch):
    pid = template_pid(template_runner)
    connection = template_runner._launcher._connection

    def fork(*args):
        raise OSError("No fork: Resource temporarily unavailable")

    monkeypatch.setattr(connection, "fork", fork)
    assert template_runner.run(NoopTask(id="a", run_time=1)).result(60).is_success
    assert template_pid(template_runner) == pid
