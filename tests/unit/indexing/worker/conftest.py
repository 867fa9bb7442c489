import json as plain_json

import pytest

from nemeton.common.clock import ManualClock
from nemeton.emitter import ServiceEmitter
from nemeton.indexing.worker.task_files import WorkerTaskFiles
from nemeton.indexing.worker.task_listener import WorkerTaskListener
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.model import TaskLocation

from ..conftest import FakeRunner

NOW = 1_763_600_000_000
PLACE = TaskLocation("localhost", 8100, -1)


class WorkersRunner(FakeRunner):
    """Runs nothing; a test places and ends tasks. Tells its listeners as a real one does."""

    def __init__(self):
        super().__init__()
        self.listeners = {}
        self.ended_earlier = []
        self.life = []

    def start(self):
        self.life.append("start")

    def stop(self):
        self.life.append("stop")

    def tell_of_earlier_ends(self, tell):
        self.tell = tell

    def restore(self):
        for task, status in self.ended_earlier:
            self.tell(task, status)
        return super().restore()

    def register_listener(self, listener, executor=None):
        self.listeners[listener.listener_id] = listener

    def unregister_listener(self, listener_id):
        self.listeners.pop(listener_id, None)

    def place(self, task_id, location=PLACE):
        for listener in self.listeners.values():
            listener.location_changed(task_id, location)

    def end(self, status):
        """The end as a runner tells it: to the listeners, then through the future."""
        for listener in list(self.listeners.values()):
            listener.status_changed(status.id, status)
        self.items[status.id].result.set_result(status)


class FakeOverlord:
    """Answers ``taskStatus``."""

    def __init__(self):
        self.known = {}
        self.asked = []
        self.failure = None

    def with_policy(self, policy):
        return self

    def task_statuses(self, ids):
        self.asked.append(list(ids))
        if self.failure is not None:
            raise self.failure
        return {task_id: self.known[task_id] for task_id in ids if task_id in self.known}


class HeardEmitter(ServiceEmitter):
    """Keeps the alerts."""

    def __init__(self):
        super().__init__()
        self.alerts = []

    def alert(self, message, severity=None, data=None, exception=None):
        self.alerts.append((message, dict(data or {}), exception))


class HeardListener(WorkerTaskListener):
    """Keeps what it was told, as text."""

    def __init__(self):
        self.heard = []
        self.failure = None

    def task_changed(self, announcement):
        place = f" at {announcement.task_location.port}" if announcement.task_location.is_known else ""
        self.heard.append(f"{announcement.id} {announcement.status}{place}")
        if self.failure is not None:
            raise self.failure

    def task_started(self, task_id):
        self.heard.append(f"{task_id} started")

    def task_forgotten(self, task_id):
        self.heard.append(f"{task_id} forgotten")

    def enabled_changed(self, enabled):
        if self.failure is not None:
            raise self.failure
        self.heard.append(f"enabled {enabled}")


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def overlord():
    return FakeOverlord()


@pytest.fixture
def emitter():
    return HeardEmitter()


@pytest.fixture
def listener():
    return HeardListener()


@pytest.fixture
def runner():
    return WorkersRunner()


@pytest.fixture
def make_manager(tmp_path, json, clock, overlord, emitter, runner, listener):
    """Managers over one folder, one after the other: each is a life of the worker."""
    made = []

    def make(runner=runner):
        manager = WorkerTaskManager(runner, WorkerTaskFiles(tmp_path, json), overlord, clock, emitter)
        manager.add_listener(listener)
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.stop()


@pytest.fixture
def manager(make_manager):
    manager = make_manager()
    manager.start()
    return manager


@pytest.fixture
def told(json):
    """What an Overlord is told: the whole state, or the changes since a place in the history."""

    def told(manager, since=None):
        snapshot = manager.snapshot() if since is None else manager._history.since(since)
        return [] if snapshot is None else plain_json.loads(json.dumps(snapshot))["requests"]

    return told
