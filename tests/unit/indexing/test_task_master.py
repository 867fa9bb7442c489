"""What an Overlord does when it gains and loses the leadership (behaviours 7.1 to 7.6)."""

from __future__ import annotations

import threading
import time

import pytest
from tests.unit.recording_emitter import RecordingEmitter

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.config import DefaultTaskConfig, TaskLockConfig, TaskQueueConfig
from nemeton.indexing.overlord.master import TaskMaster, TaskMasterMember
from nemeton.indexing.overlord.queue_factory import TaskQueueFactory
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.testkit.waiting import eventually


class Selector:
    leads = False
    listener = None

    def is_leader(self):
        return self.leads

    def get_current_leader(self):
        return "http://me:1" if self.leads else None

    def local_term(self):
        return 1

    def register_listener(self, listener):
        self.listener = listener

    def unregister_listener(self):
        self.leads, self.listener = False, None


@pytest.fixture
def selector():
    return Selector()


@pytest.fixture
def emitter():
    return RecordingEmitter()


class Member(TaskMasterMember):
    def __init__(self, name, log, master):
        self.name, self.log, self.master = name, log, master

    def start(self):
        self.log.append((f"start {self.name}", self.master().is_leader))

    def stop(self):
        self.log.append((f"stop {self.name}", self.master().is_leader))


@pytest.fixture
def master(selector, emitter, runner, storage, lockbox, toolbox, json, clock):
    runner.log = []
    runner.start = lambda: runner.log.append(("start", made.is_leader))
    runner.stop = lambda: runner.log.append(("stop", made.is_leader))
    queues = TaskQueueFactory(
        TaskQueueConfig(), DefaultTaskConfig(), TaskLockConfig(), storage, lockbox, [], emitter, json, clock
    )
    members = [Member(name, runner.log, lambda: made) for name in ("allocation", "duties")]
    made = TaskMaster(selector, lambda: runner, queues, toolbox, members, emitter, SystemClock())
    made.start()
    yield made
    made.stop()


def lead(master, selector):
    selector.leads = True
    master.become_leader()


def test_nobody_is_answered_before_everything_has_started(master, selector, runner):
    selector.leads = True
    assert not master.is_leader
    with pytest.raises(DruidException) as caught:
        _ = master.task_queue
    assert caught.value.http_status == 503
    master.become_leader()
    assert master.is_leader
    assert master.task_queue.is_active
    assert master.task_runner is runner
    assert runner.log == [("start", False), ("start allocation", False), ("start duties", False)]


def test_a_leader_that_loses_is_hidden_first_and_then_stops(master, selector, runner):
    lead(master, selector)
    queue = master.task_queue
    master.stop_being_leader()
    assert runner.log[-3:] == [("stop duties", False), ("stop allocation", False), ("stop", False)]
    assert not queue.is_active
    with pytest.raises(DruidException):
        _ = master.task_runner
    master.become_leader()
    assert master.task_queue is not queue


def test_a_start_that_fails_propagates_and_leaves_nothing(master, selector, runner):
    def fail():
        raise OSError("no folder for tasks")

    runner.start = fail
    with pytest.raises(OSError, match="no folder"):
        lead(master, selector)
    assert not master.is_leader
    runner.start = lambda: None
    master.become_leader()
    assert master.is_leader


def test_a_leadership_that_is_lost_while_the_runner_starts_starts_nothing_more(
    master, selector, runner, storage, monkeypatch
):
    """A runner may wait for its workers for minutes; the queue's start ends tasks, perhaps another leader's."""
    asked = []
    monkeypatch.setattr(storage, "get_active_tasks", lambda: asked.append("tasks") or [])
    runner.start = lambda: setattr(selector, "leads", False)
    with pytest.raises(RuntimeError, match="lost while the task runner started"):
        lead(master, selector)
    assert asked == []
    assert [name for name, _ in runner.log] == ["stop"]
    assert not master.is_leader


@pytest.fixture
def waiting(runner):
    """A runner whose start waits for silent workers until it is stopped; set once it waits."""
    waits, stopped = threading.Event(), threading.Event()

    def start():
        waits.set()
        if stopped.wait(30):
            raise RuntimeError("The task runner was stopped while it started")

    def stop():
        runner.log.append(("stop", None))
        stopped.set()

    runner.start, runner.stop = start, stop
    yield waits
    stopped.set()


def test_a_leadership_that_is_lost_ends_the_start_that_waits_for_workers(
    master, selector, waiting, storage, monkeypatch
):
    """Whoever has told of the loss waits behind the start, on the thread of the selector."""
    monkeypatch.setattr(storage, "get_active_tasks", lambda: pytest.fail("the queue was started"))
    failed = []

    def gain():
        try:
            lead(master, selector)
        except RuntimeError as error:
            failed.append(str(error))

    gaining = threading.Thread(target=gain)
    gaining.start()
    assert waiting.wait(20)
    selector.leads = False
    gaining.join(20)
    assert failed == ["The leadership was lost while the task runner started"]
    assert not master.is_leader


def test_an_overlord_that_stops_does_not_wait_for_workers(master, selector, waiting, emitter):
    gaining = threading.Thread(target=lead, args=[master, selector])
    gaining.start()
    assert waiting.wait(20)
    began = time.monotonic()
    master.stop()
    gaining.join(20)
    assert time.monotonic() - began < 15
    assert selector.listener is None
    assert not master.is_leader
    assert emitter.messages == []


def test_a_runner_that_cannot_be_stopped_while_it_starts_is_stopped_afterwards(master, selector, runner):
    """One that starts without waiting for anybody, but slowly, in the eyes of the watch."""
    begun = threading.Event()

    def start():
        selector.leads = False
        begun.wait(0.6)

    runner.start = start
    with pytest.raises(RuntimeError, match="lost while the task runner started"):
        lead(master, selector)
    assert runner.log[-1][0] == "stop"


def test_a_lifecycle_of_an_earlier_term_is_an_alert(master, selector, emitter):
    lead(master, selector)
    queue = master.task_queue
    master.become_leader()
    assert emitter.messages == ["A task-master lifecycle of an earlier term is still there"]
    queue.stop()


def test_a_leader_that_stops_stops_everything(master, selector, runner):
    lead(master, selector)
    queue = master.task_queue
    master.stop()
    assert not queue.is_active
    assert runner.log[-1][0] == "stop"
    assert selector.listener is None
    selector.leads = True
    master.become_leader()  # a call that was under way
    assert not master.is_leader


def test_counts_of_tasks(master, selector, runner):
    assert master.stats() == {}
    lead(master, selector)
    master.task_queue.add(NoopTask(id="a"))
    master.task_queue.add(NoopTask(id="waits", is_ready_result="NO"))
    runner.wait_for(lambda: "a" in runner.ran)
    eventually(lambda: master.stats()["waiting"] == 1, "one waits")
    assert master.stats() == {"successful": 0, "failed": 0, "running": 1, "pending": 0, "waiting": 1}


def test_its_service_is_announced_when_everything_has_started_and_first_taken_back(master, selector, runner):
    """Behaviours 7.4 and 20.3."""

    class Service:
        def announce(self):
            runner.log.append(("announce", master.is_leader))

        def unannounce(self):
            runner.log.append(("unannounce", master.is_leader))

    master._service = Service()
    lead(master, selector)
    master.stop_being_leader()
    names = [name for name, _ in runner.log]
    assert names.index("announce") == len(names) // 2 - 1
    assert names.index("unannounce") == len(names) // 2
    assert ("announce", True) in runner.log
    assert ("unannounce", False) in runner.log
