"""The worker's side of the ``remote`` runner, with a ZooKeeper (behaviours 24.1 to 24.10, 25.1, 26.1)."""

import gzip
import itertools
import json as plain_json

import pytest

from nemeton.common.clock import SystemClock
from nemeton.discovery.local import LocalDiscovery, LocalDiscoveryHub
from nemeton.discovery.zookeeper.announcer import Announcer
from nemeton.discovery.zookeeper.config import (
    BatchDataSegmentAnnouncerConfig,
    CuratorConfig,
    CuratorDiscoveryConfig,
    IndexerZkConfig,
    ZkPathsConfig,
)
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.discovery.zookeeper.curator import CuratorDiscovery
from nemeton.indexing.announcements import TaskAnnouncement
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.curator_coordinator import WorkerCuratorCoordinator
from nemeton.indexing.worker.task_monitor import WorkerTaskMonitor
from nemeton.model import TaskStatus, Worker
from nemeton.testkit.waiting import eventually

_numbers = itertools.count(1)
W = "localhost:8091"


class Zk:
    """What an Overlord sees and does."""

    def __init__(self, server, base):
        self.paths = ZkPathsConfig(base=base)
        self.config = CuratorConfig(host=server.connect_string, session_timeout_ms=6000)
        self.clock = SystemClock()
        self.session = self.connect()
        self.client = self.session.client

    def connect(self):
        return ZooKeeper(self.config, self.paths, IndexerZkConfig(), self.clock)

    def path(self, kind, *names):
        return "/".join((f"{self.paths.base}/indexer/{kind}/{W}", *names))

    def read(self, kind, *names):
        """The node's JSON, None when there is none."""
        if self.client.exists(self.path(kind, *names)) is None:
            return None
        data, _ = self.client.get(self.path(kind, *names))
        return plain_json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)

    def status(self, task_id):
        found = self.read("status", task_id)
        return found and (found["status"], found["taskLocation"]["port"], found["taskStatus"]["errorMsg"])

    def names(self, kind):
        return sorted(self.client.get_children(self.path(kind)))

    def assign(self, name, data, ephemeral=True):
        self.client.create(self.path("tasks", name), data, ephemeral=ephemeral, makepath=True)


@pytest.fixture
def zk(zookeeper):
    made = Zk(zookeeper, f"/worker{next(_numbers)}")
    yield made
    made.session.stop()


@pytest.fixture
def make_monitor(zk, json, emitter):
    """The ZooKeeper side of a manager; each call is a session of its own."""
    made = []

    def make(manager, discovery=None):
        session = zk.connect()
        announcer = Announcer(session, zk.clock)
        coordinator = WorkerCuratorCoordinator(
            Worker("http", W, "127.0.0.1", 3, "7", "cat"), session, announcer, json, zk.clock
        )
        kind = discovery or CuratorDiscovery(
            session, announcer, CuratorDiscoveryConfig(), BatchDataSegmentAnnouncerConfig(), json, zk.clock
        )
        monitor = WorkerTaskMonitor(manager, coordinator, session, kind, json, zk.clock, emitter)
        made.append((monitor, announcer, session))
        return monitor

    yield make
    for monitor, announcer, session in made:
        monitor.stop()
        announcer.stop()
        session.stop()


@pytest.fixture
def worker(make_manager, make_monitor):
    manager = make_manager()
    monitor = make_monitor(manager)
    manager.start()
    monitor.start()
    return monitor


def test_it_makes_its_folders_and_announces_the_worker(worker, zk):
    for kind in ("tasks", "status"):
        assert list(zk.read(kind)) == ["created"]
        assert zk.client.exists(zk.path(kind)).ephemeralOwner == 0
    assert zk.client.exists(zk.path("announcements")).ephemeralOwner != 0
    assert zk.read("announcements") == {
        "scheme": "http",
        "host": W,
        "ip": "127.0.0.1",
        "capacity": 3,
        "version": "7",
        "category": "cat",
    }
    assert zk.client.get(zk.path("announcements"))[0][:2] == b"\x1f\x8b"


def test_a_task_is_taken_acknowledged_placed_and_ended_in_druids_order(worker, zk, runner, json):
    """Plain JSON in, persistent plain JSON out; the task's node goes when the status is there."""
    seen = []
    write, remove = worker._coordinator.write_status, worker._coordinator.remove_task
    worker._coordinator.write_status = lambda each: (
        seen.append(f"{each.status} {each.task_location.port}"),
        write(each),
    )
    worker._coordinator.remove_task = lambda task_id: (seen.append("remove"), remove(task_id))
    zk.assign("a", json.dumps(NoopTask(id="a", data_source="d")))
    eventually(lambda: zk.status("a") == ("RUNNING", -1, None) and zk.names("tasks") == [], "acknowledged")
    runner.place("a")
    eventually(lambda: zk.status("a") == ("RUNNING", 8100, None), "placed")
    runner.end(TaskStatus.success("a"))
    eventually(lambda: zk.status("a") == ("SUCCESS", 8100, None), "ended")
    assert seen == ["RUNNING -1", "remove", "RUNNING 8100", "SUCCESS 8100"]
    data, stat = zk.client.get(zk.path("status", "a"))
    assert stat.ephemeralOwner == 0
    assert data[:1] == b"{"
    assert plain_json.loads(data)["taskDataSource"] == "d"
    zk.client.delete(zk.path("status", "a"))  # the Overlord's clean-up
    assert runner.ran == ["a"]


def test_tasks_that_came_over_http_are_told_here_too(worker, zk, runner):
    worker._manager.assign_task(NoopTask(id="h"))
    eventually(lambda: zk.status("h"), "told")


def test_disabling_rewrites_the_announcement_without_a_version(worker, zk):
    owner = zk.client.exists(zk.path("announcements")).ephemeralOwner
    worker._manager.set_enabled(False)
    assert zk.read("announcements")["version"] == ""
    assert zk.client.exists(zk.path("announcements")).ephemeralOwner == owner
    worker._manager.set_enabled(True)
    assert zk.read("announcements")["version"] == "7"


def test_a_task_that_it_has_already_is_only_acknowledged(worker, zk, runner, json):
    for name in ("runs", "ended"):
        worker._manager.assign_task(NoopTask(id=name))
    runner.wait_for(lambda: len(runner.items) == 2)
    runner.end(TaskStatus.success("ended"))
    eventually(lambda: zk.status("ended") == ("SUCCESS", -1, None), "told")
    for name in ("runs", "ended"):
        zk.client.delete(zk.path("status", name))
        zk.assign(name, json.dumps(NoopTask(id=name)))
    eventually(lambda: zk.names("tasks") == [], "acknowledged")
    assert (zk.status("runs")[0], zk.status("ended")[0]) == ("RUNNING", "SUCCESS")
    assert sorted(runner.ran) == ["ended", "runs"]


def test_a_task_whose_node_was_made_anew_unseen_is_acknowledged_again(worker, zk, runner, json):
    worker._manager.assign_task(NoopTask(id="runs"))
    eventually(lambda: zk.status("runs"), "told")
    zk.client.delete(zk.path("status", "runs"))
    worker.child_updated("runs", json.dumps(NoopTask(id="runs")))
    eventually(lambda: zk.status("runs") and zk.status("runs")[0] == "RUNNING", "said again")
    assert runner.ran == ["runs"]


@pytest.mark.parametrize("data", [b'{"type":"bogus","dataSource":"d"}', b"{"])
def test_a_task_that_cannot_be_taken_fails_at_once(worker, zk, emitter, data):
    zk.assign("bad", data)
    eventually(lambda: zk.status("bad") and zk.names("tasks") == [], "refused")
    status, _, message = zk.status("bad")
    assert status == "FAILED"
    assert message.startswith("The worker cannot take the task")
    assert emitter.alerts[0][:2] == ("Cannot take a task", {"task": "bad"})


def test_leftovers_of_an_earlier_life_are_concluded(make_manager, make_monitor, zk, runner, json, tmp_path):
    """RUNNING and not here: failed in Druid's words, or as it is known to have ended. All others are left alone."""
    for name, status in (("lost", "RUNNING"), ("kept", "RUNNING"), ("restored", "RUNNING"), ("over", "SUCCESS")):
        announced = TaskAnnouncement.of(NoopTask(id=name), TaskStatus(name, status))
        zk.client.create(zk.path("status", name), json.dumps(announced), makepath=True)
    zk.client.create(zk.path("status", "broken"), b"{")
    runner.restored = [NoopTask(id="restored")]
    runner.ended_earlier = [(NoopTask(id="kept"), TaskStatus.success("kept"))]
    manager = make_manager()
    monitor = make_monitor(manager)
    manager.start()
    monitor.start()
    assert {name: zk.status(name) for name in ("lost", "kept", "restored", "over")} == {
        "lost": ("FAILED", -1, "Canceled as unknown task. See middleManager or indexer logs for more details."),
        "kept": ("SUCCESS", -1, None),
        "restored": ("RUNNING", -1, None),
        "over": ("SUCCESS", -1, None),
    }


def test_stop_takes_the_announcement_back_and_leaves_the_rest(worker, zk, runner, json):
    zk.assign("a", json.dumps(NoopTask(id="a")))
    eventually(lambda: zk.status("a"), "taken")
    worker.stop()
    assert zk.read("announcements") is None
    zk.assign("b", json.dumps(NoopTask(id="b")))
    assert zk.status("a")[0] == "RUNNING"
    assert zk.names("tasks") == ["b"]


def test_what_the_overlord_has_confirmed_is_removed(worker, zk, runner):
    """With httpRemote nobody else would remove the status nodes."""
    worker._manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    runner.end(TaskStatus.success("a"))
    eventually(lambda: zk.status("a") == ("SUCCESS", -1, None), "told")
    worker._manager.clean_up_completed()
    eventually(lambda: zk.names("status") == [], "removed")


def test_a_zookeeper_that_fails_holds_nobody_up_and_gets_everything_later(worker, zk, runner, emitter):
    write, away = worker._coordinator.write_status, [True]

    def write_or_fail(announcement):
        if away:
            raise OSError("ZooKeeper is away")
        write(announcement)

    worker._coordinator.write_status = write_or_fail
    for name in "ab":
        worker._manager.assign_task(NoopTask(id=name))
    runner.wait_for(lambda: len(runner.items) == 2)
    runner.place("a")
    runner.end(TaskStatus.success("a"))
    eventually(lambda: emitter.alerts and worker._manager.completed_tasks, "the manager goes on")
    away.clear()
    eventually(lambda: zk.status("a") == ("SUCCESS", 8100, None) and zk.status("b"), "told in the end")
    assert [message for message, _, _ in emitter.alerts] == ["Failed to update task announcement"]


def test_after_a_lost_session_everything_is_said_again(worker, zk, runner):
    for name in "ab":
        worker._manager.assign_task(NoopTask(id=name))
    runner.wait_for(lambda: len(runner.items) == 2)
    runner.end(TaskStatus.success("b"))
    eventually(lambda: zk.status("b") == ("SUCCESS", -1, None), "told")
    zk.client.delete(zk.path("status"), recursive=True)  # an Overlord has cleaned up after a dead worker
    worker.reconnected()  # after a mere interruption nothing needs to be said
    worker.lost()
    worker.reconnected()
    eventually(lambda: zk.status("a") and zk.status("b"), "said again")
    assert (zk.status("a")[0], zk.status("b")[0]) == ("RUNNING", "SUCCESS")


def test_without_zookeeper_it_does_nothing(make_manager, make_monitor, zk, clock):
    manager = make_manager()
    monitor = make_monitor(manager, LocalDiscovery(LocalDiscoveryHub(), clock))
    assert not monitor.is_active
    manager.start()
    monitor.start()
    monitor.stop()
    assert zk.read("announcements") is None
