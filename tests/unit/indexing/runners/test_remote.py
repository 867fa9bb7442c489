"""The runner ``remote`` on a real ZooKeeper: Druid's nodes in Druid's order, and Druid's words for what goes wrong."""

from __future__ import annotations

import json as plain_json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.servers.fake_worker import FakeZkWorker

from nemeton.common.clock import ManualClock
from nemeton.model import TaskLocation, TaskStatus
from nemeton.spi.runners import RunnerTaskState
from nemeton.testkit.suites.task_runner import RecordingListener
from nemeton.testkit.waiting import eventually

from .kit import lost, noop, result, runs

DISAPPEARED = "The worker that this task was assigned disappeared. See overlord logs for more details."
CANCELED = "Canceled for worker cleanup. See overlord logs for more details."


@pytest.fixture
def start(zk_cluster):
    """Make a runner, and start it."""

    def make(**config):
        runner = zk_cluster.runner(**config)
        runner.start()
        return runner

    return make


@pytest.fixture
def add(zk_cluster, fleet):
    """Add a worker whose tasks run until they are finished."""

    def make(**settings):
        return zk_cluster.add_worker(fleet, **{"hold": True, **settings})

    return make


def write_status(worker, task_id, status="RUNNING", **more):
    """As a worker of an earlier time left it."""
    said = {"id": task_id, "status": status, "duration": -1, "errorMsg": None}
    node = {
        "id": task_id,
        "type": "noop",
        "status": status,
        "taskStatus": said,
        "taskResource": {"availabilityGroup": task_id, "requiredCapacity": 1},
        "taskLocation": {"host": "localhost", "port": 8100, "tlsPort": -1},
        "taskDataSource": "ds",
        **more,
    }
    worker.client.create(worker.path("status", task_id), plain_json.dumps(node).encode())


# ---- assigning (9.10 to 9.30)


def test_a_task_is_an_ephemeral_plain_node_until_the_worker_shows_its_status(start, add, zk_cluster, json):
    worker = add()
    worker.worker.silent = True
    runner = start()
    listener = RecordingListener()
    runner.register_listener(listener)
    task = noop("a", run_time=1)
    future = runner.run(task)
    eventually(lambda: zk_cluster.nodes("tasks", worker.worker.host) == {"a"}, "the node is there")
    data, stat = zk_cluster.client.get(worker.path("tasks", "a"))
    assert json.loads(data) == json.unstructure(task)
    assert stat.ephemeralOwner == zk_cluster.zookeepers[0].session_id
    runs(runner, "a")  # which means: it is assigned
    eventually(lambda: ("a", TaskStatus.running("a")) in listener.statuses, "the listener hears of that")
    assert runner.run(task) is future
    eventually(lambda: worker.worker.assigned == ["a"], "the worker sees the node")
    worker.worker.silent = False
    worker.worker.run(json.unstructure(task))
    here = TaskLocation("localhost", worker.worker.port, -1)
    eventually(lambda: runner.get_task_location("a") == here, "the location is known")
    eventually(lambda: ("a", here) in listener.locations, "the listener hears of it")
    assert zk_cluster.nodes("tasks", worker.worker.host) == set()
    worker.worker.finish("a")
    assert result(future).is_success
    eventually(lambda: listener.ended("a"), "the listener hears of the end")
    assert zk_cluster.nodes("status", worker.worker.host) == {"a"}, "until the queue has recorded the end"
    assert runner.get_runner_task_state("a") is RunnerTaskState.NONE
    runner.shutdown("a", "recorded")
    assert runner.get_runner_task_state("a") is None
    eventually(lambda: zk_cluster.nodes("status", worker.worker.host) == set(), "the status node is deleted")


def test_time_in_the_queue_is_a_metric(start, add, zk_cluster):
    add(hold=False)
    result(start().run(noop("a", data_source="wiki")))
    [(name, value, dims)] = zk_cluster.emitter.metrics
    assert (name, dims["taskId"], dims["dataSource"]) == ("task/pending/time", "a", "wiki")
    assert 0 <= value < 20_000


def test_a_worker_gets_no_second_task_before_its_status_node_shows_the_first(start, add):
    worker = add(capacity=3)
    worker.worker.silent = True
    runner = start()
    runner.run(noop("a"))
    eventually(lambda: worker.worker.assigned == ["a"], "the worker sees the node")
    runner.run(noop("b"))
    assert runner.get_runner_task_state("b") is RunnerTaskState.PENDING
    worker.worker.silent = False
    worker.worker.run({"id": "a", "type": "noop"})
    eventually(lambda: worker.worker.assigned == ["a", "a", "b"], "the second follows")


def test_waiting_tasks_are_assigned_in_the_order_they_came(start, add):
    worker = add(capacity=1)
    runner = start()
    for name in "abc":
        runner.run(noop(name))
    for name in "abc":
        runs(runner, name)
        eventually(lambda name=name: name in worker.worker.tasks, "the worker has it")
        worker.worker.finish(name)
    eventually(lambda: worker.worker.assigned == ["a", "b", "c"], "all were assigned in order")


def test_a_task_that_is_too_large_for_a_node_fails(start, add, zk_cluster):
    add()
    status = result(start(max_znode_bytes=10 * 1024).run(noop("a", context={"x": "y" * 20_000})))
    assert status.error_msg == "Failed to assign this task. See overlord logs for more details."
    assert zk_cluster.emitter.alerts == [("Exception while trying to assign task", {"taskId": "a"})]


def test_a_task_node_that_is_there_already_is_as_good(start, add, zk_cluster):
    worker = add()
    worker.worker.silent = True
    zk_cluster.client.create(worker.path("tasks", "a"), b'{"id":"a","type":"noop"}')
    runner = start()
    future = runner.run(noop("a"))
    runs(runner, "a")
    worker.worker.silent = False
    worker.worker.run({"id": "a", "type": "noop"})
    worker.worker.finish("a")
    assert result(future).is_success


def test_a_disabled_worker_gets_no_tasks_until_it_is_enabled(start, add):
    worker = add()
    worker.update(version="")
    runner = start()
    assert [info.worker.version for info in runner.get_workers()] == [""]
    future = runner.run(noop("a"))
    worker.update(capacity=7)
    runs(runner, "a")
    assert runner.total_capacity() == 7
    worker.update(version="")
    eventually(lambda: [info.worker.version for info in runner.get_workers()] == [""], "it is disabled")
    eventually(lambda: "a" in worker.worker.tasks, "the worker has it")
    worker.worker.finish("a")
    assert result(future).is_success, "what runs there goes on"


# ---- status nodes (9.31 to 9.37)


def test_a_task_whose_status_node_goes_has_disappeared(start, add, zk_cluster):
    worker = add()
    runner = start()
    future = runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    zk_cluster.client.delete(worker.path("status", "a"))
    assert result(future).error_msg == TaskStatus.failure("a", DISAPPEARED).error_msg


def test_status_nodes_that_cannot_be_read_are_told_of_and_passed_over(start, add, zk_cluster):
    worker = add()
    runner = start()
    for name, data in (("bad", b"{"), ("empty", b"")):
        zk_cluster.client.create(worker.path("status", name), data)
    future = runner.run(noop("a"))
    runs(runner, "a")
    eventually(lambda: "a" in worker.worker.tasks, "the worker has it")
    worker.worker.finish("a")
    assert result(future).is_success
    details = [data for message, data in zk_cluster.emitter.alerts if message == "Failed to handle new worker status"]
    assert sorted(each["znode"] for each in details) == ["bad", "empty"]
    assert all(each["worker"] == worker.worker.host for each in details)


def test_a_task_that_ended_before_it_was_wanted_ends_when_it_is(start, add):
    worker = add()
    write_status(worker, "a", "SUCCESS")
    runner = start()
    assert runner.get_runner_task_state("a") is RunnerTaskState.NONE
    assert result(runner.run(noop("a"))).is_success
    assert worker.worker.assigned == []


def test_old_workers_say_less_of_their_tasks(start, add, zk_cluster):
    worker = add()
    zk_cluster.client.create(worker.path("status", "a"), b'{"id":"a","status":"RUNNING"}')
    runner = start()
    (item,) = runner.get_running_tasks()
    assert (item.task_id, item.task_type, item.location) == ("a", "", TaskLocation())


def test_what_runs_after_its_end_is_killed_and_its_node_deleted(start, add, zk_cluster):
    worker = add()
    runner = start()
    future = runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    zk_cluster.client.delete(worker.path("status", "a"))
    assert result(future).is_failure
    write_status(worker, "a")
    eventually(lambda: set(worker.worker.shut_down) == {"a"}, "the worker is asked to end it")
    runner.shutdown("a", "recorded")
    eventually(lambda: zk_cluster.nodes("status", worker.worker.host) == set(), "the node is deleted")


# ---- shutting down (26.4, 26.5)


def test_shutdown_of_a_running_task_asks_its_worker_and_cleans_up(start, add, zk_cluster):
    worker = add()
    runner = start()
    future = runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    runner.shutdown("a", "not wanted")
    assert result(future).is_failure
    assert set(worker.worker.shut_down) == {"a"}
    eventually(lambda: zk_cluster.nodes("status", worker.worker.host) == set(), "the status node is deleted")
    assert runner.get_known_tasks() == []


def test_logs_and_reports_come_over_http(start, add):
    add()
    runner = start()
    runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    assert b"".join(runner.stream_task_log("a", 3)) == b"log of a offset=3"
    assert b"".join(runner.stream_task_reports("a")) == b'{"reportOf": "a"}'


# ---- starting (9.4 to 9.8, 9.29, 9.30)


def test_start_returns_when_all_workers_and_their_tasks_are_known(start, add):
    workers = [add() for _ in range(3)]
    for number, worker in enumerate(workers):
        write_status(worker, f"t{number}")
    runner = start()
    assert {info.worker.host for info in runner.get_workers()} == {worker.worker.host for worker in workers}
    assert {item.task_id: item.host for item in runner.get_running_tasks()} == {
        f"t{number}": worker.worker.host for number, worker in enumerate(workers)
    }
    assert runner.restore() == []


def test_a_new_leader_goes_on_with_what_workers_run(start, add, zk_cluster):
    worker = add()
    former = start()
    for name in "ab":
        former.run(noop(name))
        eventually(lambda name=name: former.get_task_location(name).is_known, "it runs")
    former.stop()
    worker.worker.finish("b")
    runner = start()
    futures = {name: runner.run(noop(name)) for name in "ab"}
    assert result(futures["b"]).is_success
    worker.worker.finish("a")
    assert result(futures["a"]).is_success
    assert worker.worker.assigned == ["a", "b"]


def test_a_second_start_does_nothing_and_a_stopped_runner_starts_again(start, add):
    add(hold=False)
    runner = start()
    runner.start()
    assert result(runner.run(noop("a"))).is_success
    runner.stop()
    runner.start()
    assert result(runner.run(noop("b"))).is_success


def test_a_node_that_is_made_while_the_runner_starts_anew_is_no_task_of_the_new_term(start, add):
    add()
    runner = start()
    deliver, give, delivered = runner._deliver, runner._nodes.give, threading.Event()

    def start_anew():
        runner.stop()
        runner.start()

    def give_slowly(*_):
        runner._nodes.give = give
        with ThreadPoolExecutor() as other:
            other.submit(start_anew).result(20)

    def deliver_and_tell(item, holder):
        try:
            return deliver(item, holder)
        finally:
            delivered.set()

    runner._nodes.give, runner._deliver = give_slowly, deliver_and_tell
    runner.run(noop("a"))
    assert delivered.wait(20)
    assert runner.get_running_tasks() == []
    assert runner.get_known_tasks() == []


def test_without_zookeeper_the_start_fails(zk_cluster):
    runner = zk_cluster.runner()
    zk_cluster.zookeepers[0].stop()
    with pytest.raises(Exception, match="closed"):
        runner.start()
    runner.stop()


def test_a_worker_of_a_name_that_is_there_is_an_alert(start, add, zk_cluster):
    worker = add()
    runner = start()
    record = plain_json.dumps(worker.announcement()).encode()
    zk_cluster.client.create(f"{zk_cluster.base}/indexer/announcements/twin", record, ephemeral=True)
    eventually(lambda: zk_cluster.emitter.alerts, "it is told of")
    (message, data), *_ = zk_cluster.emitter.alerts
    assert message == f"This should not happen...tried to add already-existing worker[{worker.worker.host}]"
    assert data["workerHost"] == worker.worker.host
    zk_cluster.client.delete(f"{zk_cluster.base}/indexer/announcements/twin")
    assert len(runner.get_workers()) == 1


# ---- lost workers (9.43 to 9.46)


class TestInTime:
    """By a clock that only the test moves."""

    @pytest.fixture
    def clock(self):
        return ManualClock()

    def test_a_task_that_is_never_acknowledged_fails_and_the_worker_is_free_again(self, start, add, zk_cluster, clock):
        worker = add()
        worker.worker.silent = True
        runner = start()
        future = runner.run(noop("a"))
        runs(runner, "a")
        clock.advance(301)
        assert (
            result(future).error_msg
            == TaskStatus.failure(
                "a",
                "The worker that this task is assigned did not start it in timeout[PT5M]. "
                "See overlord logs for more details.",
            ).error_msg
        )
        runner.shutdown("a", "recorded")
        eventually(lambda: zk_cluster.nodes("tasks", worker.worker.host) == set(), "it is taken back")
        worker.worker.silent = False
        other = runner.run(noop("b"))
        eventually(lambda: "b" in worker.worker.tasks, "the worker has it")
        worker.worker.finish("b")
        assert result(other).is_success

    def test_tasks_of_a_lost_worker_fail_and_its_nodes_go(self, start, add, zk_cluster, clock):
        worker = add()
        runner = start()
        futures = {name: runner.run(noop(name)) for name in "ab"}
        for name in "ab":
            eventually(lambda name=name: runner.get_task_location(name).is_known, "it runs")
        write_status(worker, "unknown")
        worker.unannounce()
        lost(runner, worker.worker.host)
        worker.worker.finish("b")  # its last word
        eventually(lambda: b"SUCCESS" in zk_cluster.client.get(worker.path("status", "b"))[0], "it is written")
        clock.advance(15 * 60 - 1)
        assert runner.get_runner_task_state("a") is RunnerTaskState.RUNNING
        clock.advance(2)
        assert result(futures["a"]).error_msg == CANCELED
        assert result(futures["b"]).is_success
        eventually(lambda: not zk_cluster.client.exists(worker.path("status")), "its status folder is deleted")

    def test_tasks_of_a_worker_that_comes_back_in_time_go_on(self, start, add, zk_cluster, clock):
        worker = add()
        runner = start()
        futures = {name: runner.run(noop(name)) for name in "ab"}
        for name in "ab":
            eventually(lambda name=name: runner.get_task_location(name).is_known, "it runs")
        worker.unannounce()
        lost(runner, worker.worker.host)
        clock.advance(10 * 60)
        zk_cluster.client.delete(worker.path("status", "b"))
        worker.announce()
        eventually(lambda: runner.get_workers(), "the worker is back")
        clock.advance(3600)
        assert result(futures["b"]).error_msg == TaskStatus.failure("b", DISAPPEARED).error_msg
        worker.worker.finish("a")
        assert result(futures["a"]).is_success

    def test_what_workers_left_that_went_before_the_start_is_cleaned_up(self, start, add, zk_cluster, clock):
        worker = add()
        write_status(worker, "a")
        worker.unannounce()
        lost(start(), worker.worker.host)
        clock.advance(15 * 60 + 1)
        eventually(lambda: not zk_cluster.client.exists(worker.path("status")), "its status folder is deleted")


# ---- ZooKeeper's faults


def test_tasks_are_assigned_after_an_outage_of_zookeeper(zk_server_of_my_own, json, fleet, clock):
    server, cluster = zk_server_of_my_own
    worker = cluster.add_worker(fleet, hold=True)
    runner = cluster.runner()
    runner.start()
    first = runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    server.freeze()
    second = runner.run(noop("b"))
    threading.Event().wait(1.0)
    assert not second.done()
    server.thaw()
    eventually(lambda: "b" in worker.worker.tasks, "it is assigned", 40)
    for name in "ab":
        worker.worker.finish(name)
    assert result(first).is_success
    assert result(second).is_success
    assert worker.worker.assigned == ["a", "b"]


@pytest.fixture
def zk_server_of_my_own(json, clock):
    from tests.servers.zookeeper import ZooKeeperServer

    from .kit import ZkCluster

    with ZooKeeperServer() as server:
        cluster = ZkCluster(json, clock, server.connect_string, "/mine")
        yield server, cluster
        server.thaw()
        cluster.close()


def test_a_worker_that_loses_its_session_keeps_its_tasks(start, add, zk_cluster, fleet):
    from kazoo.client import KazooClient

    client = KazooClient(zk_cluster._connect_string, timeout=2)
    client.start(10)
    worker = FakeZkWorker(fleet.add_worker(hold=True), client, f"{zk_cluster.base}/indexer")
    worker.start()
    runner = start()
    future = runner.run(noop("a"))
    eventually(lambda: runner.get_task_location("a").is_known, "it runs")
    client.stop()
    eventually(lambda: not runner.get_workers(), "the worker is gone")
    assert runner.get_runner_task_state("a") is RunnerTaskState.RUNNING
    client.start(10)
    worker.announce()
    eventually(lambda: runner.get_workers(), "the worker is back")
    worker.worker.finish("a")
    assert result(future).is_success
    client.stop()


def test_stopping_while_starting_ends_the_start(zk_server_of_my_own):
    server, cluster = zk_server_of_my_own
    runner = cluster.runner()
    _ = cluster.zookeepers[0].client
    server.freeze()
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(runner.start)
        eventually(lambda: runner._life is not None, "it starts")
        runner.stop()
        with pytest.raises(RuntimeError, match="stopped while it started"):
            starting.result(20)
    server.thaw()
