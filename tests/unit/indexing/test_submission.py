"""A task's way from HTTP to the runner and back, step by step (behaviours 22.1 to 22.5, 3.8, 14.6 to 14.11)."""

from __future__ import annotations

import sys
import threading
import types

import pytest
from tests.unit.indexing.conftest import FakeRunner

from nemeton.config import ConfigurationError
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.master import TaskMaster
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskStatus
from nemeton.plugins import hookimpl, json_type
from nemeton.server import process as process_module
from nemeton.server.embedded import EmbeddedCluster
from nemeton.testkit.waiting import eventually


@json_type("watched")
class WatchedRunner(FakeRunner):
    """Runs nothing, and tells when it is asked to."""

    steps: list  # set by the test

    def run(self, task):
        if task.id not in self.items:
            self.steps.append(f"runner runs {task.id}")
        return super().run(task)


@hookimpl
def task_runners():
    return [WatchedRunner]


@pytest.fixture
def steps(monkeypatch):
    """What happens to tasks, in order."""
    seen = []

    def watch(cls, method, told, name_of=lambda task: task.id):
        original = getattr(cls, method)

        def watched(self, *arguments, **options):
            seen.append(f"{told} {name_of(arguments[0])}")
            return original(self, *arguments, **options)

        monkeypatch.setattr(cls, method, watched)

    watch(TaskStorage, "insert", "store")
    watch(TaskLockbox, "add", "activate")
    watch(TaskLockbox, "unlock_all", "unlock")
    monkeypatch.setattr(WatchedRunner, "steps", seen, raising=False)
    ready = set()
    seen_ready = NoopTask.is_ready

    def is_ready(self, client):
        seen.append(f"ready? {self.id}")
        return (not self.id.startswith("waits") or self.id in ready) and seen_ready(self, client)

    monkeypatch.setattr(NoopTask, "is_ready", is_ready)
    return types.SimpleNamespace(seen=seen, ready=ready, of=lambda id_: [s for s in seen if s.endswith(f" {id_}")])


@pytest.fixture
def overlord(monkeypatch, tmp_path, steps):
    part = types.ModuleType("watched_runner_extension")
    part.task_runners = task_runners
    monkeypatch.setitem(sys.modules, part.__name__, part)
    monkeypatch.setattr(process_module, "BUILTIN_EXTENSIONS", (*process_module.BUILTIN_EXTENSIONS, part.__name__))
    properties = {
        "druid.extensions.loadList": "[]",
        "druid.indexer.runner.type": "watched",
        "druid.indexer.queue.restartDelay": "PT0.05S",
    }
    with EmbeddedCluster(tmp_path, router_port=0, roles=("overlord",), properties=properties) as cluster:
        master = cluster.process.injectors["overlord"].get(TaskMaster)
        eventually(lambda: master.is_leader, "it leads")
        yield types.SimpleNamespace(
            master=master, runner=master.task_runner, url=f"{cluster.url('overlord')}/druid/indexer/v1/task"
        )


@pytest.fixture
def http():
    return HttpClient()


def status_of(http, overlord, task_id):
    return http.request("GET", f"{overlord.url}/{task_id}/status").json()["status"]["status"]


def test_the_property_picks_the_runner(overlord):
    assert type(overlord.runner) is WatchedRunner


def test_a_runner_that_nobody_brings_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"druid\.indexer\.runner\.type\]: \[watched\].*known types are .*local"
    ):
        EmbeddedCluster(
            tmp_path,
            router_port=0,
            roles=("overlord",),
            properties={"druid.extensions.loadList": "[]", "druid.indexer.runner.type": "watched"},
        )


def test_the_walk_of_a_task(overlord, http, steps):
    answer = http.request("POST", overlord.url, json={"type": "noop", "id": "walk"})
    assert (answer.status, answer.json()) == (200, {"task": "walk"})
    overlord.runner.wait_for(lambda: "walk" in overlord.runner.ran)
    assert steps.of("walk") == ["store walk", "activate walk", "ready? walk", "runner runs walk"]
    assert overlord.master.task_queue.get_active_task("walk").context["forceTimeChunkLock"] is True
    assert status_of(http, overlord, "walk") == "RUNNING"
    overlord.runner.finish(TaskStatus.success("walk"))
    eventually(lambda: status_of(http, overlord, "walk") == "SUCCESS", "the end is told")
    end = ("walk", "notified status change from task")
    eventually(lambda: end in overlord.runner.shut_down, "the runner is told that the end is recorded")


def test_a_task_that_is_not_ready_gives_its_locks_back_and_is_asked_again(overlord, http, steps):
    http.request("POST", overlord.url, json={"type": "noop", "id": "waits"})
    eventually(lambda: "unlock waits" in steps.seen, "its locks go")
    assert "waits" not in overlord.runner.ran
    steps.ready.add("waits")
    http.request("POST", overlord.url, json={"type": "noop", "id": "other"})
    overlord.runner.wait_for(lambda: "waits" in overlord.runner.ran)
    assert steps.of("waits")[-2:] == ["ready? waits", "runner runs waits"]


def test_later_rounds_leave_a_running_task_alone_and_kill_what_nobody_knows(overlord, http, steps):
    http.request("POST", overlord.url, json={"type": "noop", "id": "runs"})
    overlord.runner.wait_for(lambda: "runs" in overlord.runner.ran)
    FakeRunner.run(overlord.runner, NoopTask(id="stranger"))
    overlord.master.task_queue.manage()
    assert overlord.runner.shut_down == [("stranger", "Task is not in knownTaskIds")]
    assert overlord.runner.ran.count("runs") == 1
    http.request("POST", f"{overlord.url}/runs/shutdown")
    assert overlord.runner.shut_down[-1] == ("runs", "Shutdown request from user")
    assert status_of(http, overlord, "runs") == "FAILED"


def test_a_stranger_that_cannot_be_killed_does_not_save_the_next(overlord, monkeypatch):
    for name in ("one", "two"):
        FakeRunner.run(overlord.runner, NoopTask(id=name))
    tried = []

    def fail(task_id, _reason):
        tried.append(task_id)
        raise RuntimeError("it will not die")

    monkeypatch.setattr(overlord.runner, "shutdown", fail)
    overlord.master.task_queue.manage()
    assert sorted(tried) == ["one", "two"]


def test_a_task_whose_end_is_being_recorded_is_neither_run_nor_killed(overlord, http, monkeypatch):
    http.request("POST", overlord.url, json={"type": "noop", "id": "ends"})
    overlord.runner.wait_for(lambda: "ends" in overlord.runner.ran)
    queue, seen = overlord.master.task_queue, []
    record = TaskStorage.set_statuses

    def record_while_managing(self, statuses):
        queue.manage()
        seen.append((list(overlord.runner.shut_down), overlord.runner.ran.count("ends")))
        return record(self, statuses)

    monkeypatch.setattr(TaskStorage, "set_statuses", record_while_managing)
    overlord.runner.finish(TaskStatus.success("ends"))
    eventually(lambda: not queue.get_tasks(), "the end")
    assert seen == [([], 1)]


def test_managing_goes_on_after_a_failure(overlord, http, monkeypatch):
    queue, manage, failures = overlord.master.task_queue, overlord.master.task_queue.manage, []

    def fail_once():
        if not failures:
            failures.append(True)
            raise OSError("the store is away")
        manage()

    monkeypatch.setattr(queue, "manage", fail_once)
    http.request("POST", overlord.url, json={"type": "noop", "id": "later"})
    overlord.runner.wait_for(lambda: "later" in overlord.runner.ran)
    assert failures


def test_many_requests_to_manage_become_one_round(overlord, monkeypatch):
    queue, rounds = overlord.master.task_queue, []
    entered, go_on = threading.Event(), threading.Event()

    def slow():
        rounds.append(True)
        entered.set()
        go_on.wait(20)

    monkeypatch.setattr(queue, "manage", slow)
    queue._request_management()
    assert entered.wait(20)
    for _ in range(50):
        queue._request_management()
    go_on.set()
    eventually(lambda: len(rounds) == 2, "one more round")
    assert not threading.Event().wait(0.1)
    assert len(rounds) == 2
