"""The runner ``httpRemote`` with workers over real HTTP: what it does, and Druid's words for what goes wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from nemeton.common.clock import ManualClock
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig
from nemeton.model import TaskLocation, TaskState, TaskStatus
from nemeton.spi.indexing import TaskResource
from nemeton.spi.runners import RunnerTaskState
from nemeton.testkit.suites.task_runner import RecordingListener
from nemeton.testkit.waiting import eventually

from .kit import lost, noop, result, runs

DISAPPEARED = "This task disappeared on the worker where it was assigned. See overlord logs for more details."


def cut(message):
    """As statuses hold it."""
    return TaskStatus.failure("any", message).error_msg


# ---- assigning


def test_a_task_is_posted_to_a_worker_once_and_runs_where_the_worker_says(start, fleet, cluster):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    listener = RecordingListener()
    runner.register_listener(listener)
    future = runner.run(noop("a"))
    assert runner.run(noop("a")) is future
    runs(runner, "a")
    here = TaskLocation("localhost", worker.port, -1)
    eventually(lambda: runner.get_task_location("a") == here, "the location is known")
    worker.move("a", 8100)
    eventually(lambda: ("a", TaskLocation("localhost", 8100, -1)) in listener.locations, "the listener hears of it")
    worker.finish("a")
    assert result(future).is_success
    assert worker.assigned == ["a"]
    eventually(lambda: listener.ended("a"), "the listener hears of the end")


def test_time_in_the_queue_is_a_metric(start, fleet, cluster):
    runner = start(fleet.add_worker())
    result(runner.run(noop("a", data_source="wiki")))
    [(name, value, dims)] = cluster.emitter.metrics
    assert name == "task/pending/time"
    assert 0 <= value < 20_000
    assert dims == {"taskId": "a", "taskType": "noop", "dataSource": "wiki", "groupId": "a"}


def test_tasks_that_find_no_room_wait_in_the_order_they_came(start, fleet):
    worker = fleet.add_worker(capacity=1, hold=True)
    runner = start(worker)
    for name in "abc":
        runner.run(noop(name))
    runs(runner, "a")
    assert [item.task_id for item in runner.get_pending_tasks()] == ["b", "c"]
    assert {task.id for task in runner.get_pending_task_payloads()} == {"b", "c"}
    for name in "abc":
        runs(runner, name)
        worker.finish(name)
    eventually(lambda: worker.assigned == ["a", "b", "c"], "all were assigned in order")


def test_a_worker_gets_no_second_task_before_it_has_acknowledged_the_first(start, fleet):
    silent, other = fleet.add_worker(capacity=9), fleet.add_worker(capacity=2, hold=True)
    silent.silent = True
    runner = start(silent, other)
    for name in "abcd":
        runner.run(noop(name))
    eventually(lambda: len(silent.assigned) == 1 and len(other.assigned) == 2, "three are assigned")
    (unsure,) = silent.assigned
    owed = {silent.host: unsure}
    eventually(lambda: runner.workers_with_unacknowledged_tasks() == owed, "the others are acknowledged")
    assert silent.host not in runner.workers_eligible_to_run_tasks()
    assert len(runner.get_pending_tasks()) == 2


class TestInTime:
    """By a clock that only the test moves."""

    @pytest.fixture
    def clock(self):
        return ManualClock()

    def test_a_task_that_is_never_acknowledged_fails_and_the_worker_is_free_again(self, start, fleet, cluster, clock):
        worker = fleet.add_worker()
        worker.silent = True
        runner = start(worker)
        first, second = runner.run(noop("a")), runner.run(noop("b"))
        eventually(lambda: worker.assigned == ["a"], "a is assigned")
        clock.advance(299)
        assert not first.done()
        worker.silent = False
        clock.advance(2)
        assert result(first).error_msg == cut(
            "The worker that this task is assigned did not start it in timeout[PT5M]. "
            "See overlord and middleManager/indexer logs for more details."
        )
        assert result(second).is_success
        assert [data["taskId"] for _, data in cluster.emitter.alerts] == ["a"]

    def test_a_late_acknowledgement_ends_the_task_on_the_worker(self, start, fleet, clock):
        worker = fleet.add_worker(hold=True)
        worker.silent = True
        runner = start(worker)
        future = runner.run(noop("a"))
        eventually(lambda: worker.assigned == ["a"], "a is assigned")
        clock.advance(301)
        assert result(future).is_failure
        worker.silent = False
        worker.run({"id": "a", "type": "noop"})
        eventually(lambda: set(worker.shut_down) == {"a"}, "the worker is asked to end it")

    def test_tasks_of_a_lost_worker_fail_when_it_does_not_come_back_in_time(self, start, fleet, cluster, clock):
        worker = fleet.add_worker(hold=True)
        runner = start(worker)
        future = runner.run(noop("a"))
        runs(runner, "a")
        cluster.hub.unannounce(worker.node)
        lost(runner, worker.host)
        clock.advance(15 * 60 - 1)
        assert runner.get_runner_task_state("a") is RunnerTaskState.RUNNING
        clock.advance(2)
        assert result(future).error_msg == cut(
            "The worker that this task was assigned disappeared and did not report cleanup within timeout[PT15M]. "
            "See overlord and middleManager/indexer logs for more details."
        )

    def test_tasks_of_a_worker_that_comes_back_in_time_go_on(self, start, fleet, cluster, clock):
        worker = fleet.add_worker(hold=True)
        runner = start(worker)
        future = runner.run(noop("a"))
        runs(runner, "a")
        cluster.hub.unannounce(worker.node)
        lost(runner, worker.host)
        clock.advance(14 * 60)
        cluster.hub.announce(worker.node)
        eventually(lambda: runner.workers_eligible_to_run_tasks(), "the worker is back")
        clock.advance(3600)
        worker.finish("a")
        assert result(future).is_success
        assert worker.assigned == ["a"]

    def test_start_does_not_wait_for_ever_for_a_worker_that_says_nothing(self, start, fleet, cluster, clock):
        worker = fleet.add_worker()
        worker.freeze()
        cluster.hub.announce(worker.node)
        runner = cluster.runner()
        starting = threading.Thread(target=runner.start)
        starting.start()
        eventually(lambda: worker.asked, "the worker is asked")
        assert starting.is_alive()
        eventually(lambda: clock.advance(10) or not starting.is_alive(), "it starts")
        assert cluster.emitter.alerts[0][1] == {"workers": [worker.host]}
        worker.thaw()
        assert result(runner.run(noop("a"))).is_success

    def test_a_worker_that_does_not_answer_for_long_is_followed_anew(self, start, fleet, cluster, clock):
        worker = fleet.add_worker(hold=True)
        runner = start(worker)
        future = runner.run(noop("a"))
        runs(runner, "a")
        holder = runner._holders()[0]
        holder.syncer._unstable_since = clock.monotonic()  # as if no poll had worked from now on
        clock.advance(2)
        eventually(lambda: not runner.workers_eligible_to_run_tasks(), "it gets no tasks")
        clock.advance(9 * 60)
        eventually(lambda: runner._holders()[0] is not holder, "it is followed anew")
        assert any("is not syncing properly" in alert for alert, _ in cluster.emitter.alerts)
        eventually(lambda: runner.workers_eligible_to_run_tasks(), "it gets tasks again")
        worker.finish("a")
        assert result(future).is_success

    def test_status_nodes_that_nobody_reads_are_cleared_away(self, zk_cluster, cluster, clock):
        zk_cluster.runner()
        zookeeper, path = zk_cluster.zookeepers[0], f"{zk_cluster.base}/indexer/status/gone:8091"
        for name in ("active", "ended", "unknown"):
            zk_cluster.client.create(f"{path}/{name}", b"{}", makepath=True)
        cluster.storage.statuses = {"active": TaskStatus.running("active"), "ended": TaskStatus.success("ended")}
        cluster.runner(zookeeper=zookeeper).start()
        clock.advance(61)
        assert zk_cluster.nodes("status", "gone:8091") == {"active", "ended", "unknown"}, "it connects to nothing"
        _ = zookeeper.client
        eventually(lambda: clock.advance(301) or zk_cluster.nodes("status", "gone:8091") == {"active"}, "cleared")


def test_a_disabled_worker_gets_no_tasks_until_it_is_enabled(start, fleet):
    worker = fleet.add_worker()
    worker.set_disabled(True)
    runner = start(worker)
    (info,) = runner.get_workers()
    assert info.worker.version == "", "which is how Druid shows it"
    future = runner.run(noop("a"))
    done, _ = wait([future], timeout=0.3)
    assert not done
    worker.set_disabled(False)
    assert result(future).is_success
    assert [info.worker.version for info in runner.get_workers()] == ["0"]


def test_a_task_that_a_worker_cannot_read_fails_at_once(start, fleet, cluster):
    worker = fleet.add_worker()
    worker.answer_assign = 400
    status = result(start(worker).run(noop("a")))
    assert status.error_msg == "Failed to assign this task. See overlord logs for more details."
    assert cluster.emitter.alerts == [("Exception while trying to assign task", {"taskId": "a"})]


def test_a_task_goes_elsewhere_when_its_worker_cannot_be_reached(start, fleet):
    dead, other = fleet.add_worker(capacity=9), fleet.add_worker(capacity=1)
    runner = start(dead, other)
    dead.kill()
    futures = [runner.run(noop(name)) for name in "abc"]
    assert all(result(future).is_success for future in futures)
    assert other.assigned == ["a", "b", "c"] or sorted(other.assigned) == ["a", "b", "c"]


def test_a_worker_that_is_too_busy_to_answer_is_left_alone_for_a_while(start, fleet):
    busy, other = fleet.add_worker(capacity=9), fleet.add_worker(capacity=1)
    runner = start(busy, other)
    busy.answer_assign = 503
    assert result(runner.run(noop("a"))).is_success
    assert other.assigned == ["a"]
    assert busy.host not in runner.workers_eligible_to_run_tasks()


def test_a_failed_answer_leaves_it_to_the_worker_to_say_that_it_has_the_task(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    worker.answer_assign = 500
    future = runner.run(noop("a"))
    eventually(lambda: len([1 for _, path in worker.asked if path.endswith("assignTask")]) == 3, "it is tried 3 times")
    worker.run({"id": "a", "type": "noop"})
    runs(runner, "a")
    worker.finish("a")
    assert result(future).is_success


# ---- what workers say


def test_a_task_that_its_worker_forgets_has_disappeared(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    future = runner.run(noop("a"))
    runs(runner, "a")
    worker.forget("a")
    assert result(future).error_msg == DISAPPEARED


def test_a_worker_that_restarts_without_its_tasks_has_lost_them(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    future = runner.run(noop("a"))
    runs(runner, "a")
    worker.restart()
    assert result(future).error_msg == DISAPPEARED
    worker.hold = False
    assert result(runner.run(noop("b"))).is_success


def test_a_worker_is_asked_to_end_what_the_overlord_has_no_use_for(start, fleet, cluster):
    worker = fleet.add_worker(hold=True)
    for name in ("unknown", "ended", "done"):
        worker.run({"id": name, "type": "noop"})
    worker.finish("done")
    cluster.storage.statuses["ended"] = TaskStatus.success("ended")
    runner = start(worker)
    eventually(lambda: set(worker.shut_down) == {"ended", "unknown"}, "both are ended")
    assert runner.get_known_tasks() == []


def test_no_worker_waits_for_what_the_store_says_of_the_task_of_another(start, fleet, cluster, monkeypatch):
    """The store may be away for long; the loop that follows all workers must not ask it."""
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    asked, ask = [], cluster.storage.get_statuses

    def get_statuses(task_ids):
        asked.append(threading.current_thread().name)
        return ask(task_ids)

    monkeypatch.setattr(cluster.storage, "get_statuses", get_statuses)
    for name in "ab":  # only the second comes as a change: the worker's history begins with the first
        cluster.storage.statuses[name] = TaskStatus.running(name)
        worker.run({"id": name, "type": "noop"})
        runs(runner, name)
    assert len(asked) == 2
    assert not [name for name in asked if name.startswith("httpRemote-workers")]


def test_a_task_runs_on_one_worker_only(start, fleet):
    workers = [fleet.add_worker(hold=True) for _ in range(2)]
    runner = start(*workers)
    future = runner.run(noop("a"))
    runs(runner, "a")
    first, second = sorted(workers, key=lambda worker: "a" not in worker.assigned)
    second.run({"id": "a", "type": "noop"})
    eventually(lambda: set(second.shut_down) == {"a"}, "the second is asked to end it")
    assert not future.done(), "the end on the second does not count"
    first.finish("a")
    assert result(future).is_success


def test_only_the_first_end_counts(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    listener = RecordingListener()
    runner.register_listener(listener)
    future = runner.run(noop("a"))
    runs(runner, "a")
    worker.finish("a", "FAILED", "why not")
    assert result(future).error_msg == "why not"
    item = runner._state.items.get("a")
    holder = runner._state.fleet.get(worker.host)
    assert not runner._complete(item, TaskStatus.success("a"), holder)
    assert result(future).is_failure
    assert holder.failures_in_a_row == 1
    eventually(lambda: listener.ended("a"), "the listener hears of the first")
    assert [status.status for _, status in listener.statuses] == [TaskState.FAILED]


def test_workers_are_shown_with_their_load(start, fleet, json):
    worker = fleet.add_worker(capacity=5, category="big", hold=True)
    runner = start(worker)
    runner.run(noop("a", resource=TaskResource(availability_group="g", required_capacity=2)))
    runs(runner, "a")
    (shown,) = [json.unstructure(info) for info in runner.get_workers()]
    assert shown.pop("lastCompletedTaskTime")
    assert shown == {
        "worker": {
            "scheme": "http",
            "host": worker.host,
            "ip": "localhost",
            "capacity": 5,
            "version": "0",
            "category": "big",
        },
        "currCapacityUsed": 2,
        "currParallelIndexCapacityUsed": 0,
        "currCapacityUsedByTaskType": {"noop": 1},
        "availabilityGroups": ["g"],
        "runningTasks": ["a"],
    }
    assert (runner.total_capacity(), runner.used_capacity()) == (5, 2)
    assert runner.total_task_slot_count() == {"big": 5}
    assert runner.used_task_slot_count() == {"big": 2}
    assert runner.idle_task_slot_count() == {"big": 3}
    worker.finish("a")
    eventually(lambda: runner.used_capacity() == 0, "it is free again")
    assert "currCapacityUsedByTaskType" not in json.unstructure(next(iter(runner.get_workers())))


# ---- a new leader


def test_a_new_leader_finds_what_workers_run_and_assigns_none_of_it_again(start, fleet, cluster):
    worker = fleet.add_worker(hold=True)
    former = start(worker)
    running, ended = former.run(noop("a")), former.run(noop("b"))
    runs(former, "a")
    runs(former, "b")
    former.stop()
    assert running.cancelled()
    assert ended.cancelled()
    worker.finish("b")
    cluster.storage.statuses = {name: TaskStatus.running(name) for name in "abc"}
    runner = start()
    assert {item.task_id: item.state.value for item in runner.get_known_tasks()} == {"a": "RUNNING", "b": "COMPLETE"}
    assert result(runner.run(noop("b"))).is_success
    future = runner.run(noop("a"))
    result_of_new = runner.run(noop("c"))
    runs(runner, "c")
    assert worker.assigned == ["a", "b", "c"]
    assert runner.get_task_location("a").port == worker.port
    for name in "ac":
        worker.finish(name)
    assert result(future).is_success
    assert result(result_of_new).is_success


def test_start_waits_until_every_worker_has_told_of_its_tasks(fleet, cluster):
    workers = [fleet.add_worker(hold=True) for _ in range(3)]
    workers[1].run({"id": "a", "type": "noop"})
    cluster.storage.statuses["a"] = TaskStatus.running("a")
    for worker in workers:
        cluster.hub.announce(worker.node)
    workers[1].freeze()
    workers[2].freeze()
    runner = cluster.runner()
    starting = threading.Thread(target=runner.start)
    starting.start()
    eventually(lambda: all(worker.asked for worker in workers), "all are asked")
    starting.join(0.2)
    assert starting.is_alive()
    cluster.hub.unannounce(workers[2].node)  # who goes is not waited for
    workers[1].thaw()
    starting.join(20)
    assert not starting.is_alive()
    assert [item.task_id for item in runner.get_running_tasks()] == ["a"]


def test_a_runner_can_be_stopped_while_it_starts(fleet, cluster):
    worker = fleet.add_worker()
    worker.freeze()
    cluster.hub.announce(worker.node)
    runner = cluster.runner()
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(runner.start)
        eventually(lambda: worker.asked, "the worker is asked")
        runner.stop()
        with pytest.raises(RuntimeError, match="stopped while it started|is shut down"):
            starting.result(20)
    with pytest.raises(RuntimeError, match="not started"):
        runner.run(noop("a"))


def test_a_runner_can_be_started_again(start, fleet, cluster):
    worker = fleet.add_worker()
    runner = start(worker)
    assert result(runner.run(noop("a"))).is_success
    runner.stop()
    runner.start()
    assert runner.get_known_tasks() == []
    assert result(runner.run(noop("b"))).is_success


# ---- shutting down


def test_shutdown_of_a_waiting_task_ends_it_here(start):
    runner = start()
    future = runner.run(noop("a"))
    runner.shutdown("a", "not wanted")
    assert result(future).error_msg == "not wanted"
    assert runner.get_known_tasks() == []


def test_shutdown_of_a_running_task_asks_its_worker(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    future = runner.run(noop("a: b c"))
    runs(runner, "a: b c")
    runner.shutdown("a: b c", "not wanted")
    assert result(future).is_failure
    assert set(worker.shut_down) == {"a: b c"}


def test_shutdown_of_an_ended_task_forgets_it(start, fleet):
    runner = start(fleet.add_worker())
    result(runner.run(noop("a")))
    assert runner.get_runner_task_state("a") is RunnerTaskState.NONE
    runner.shutdown("a", "recorded")
    assert runner.get_runner_task_state("a") is None


def test_shutdown_of_a_task_on_its_way_ends_it_when_the_worker_has_it(start, fleet):
    worker = fleet.add_worker(hold=True)
    worker.silent = True
    runner = start(worker)
    future = runner.run(noop("a"))
    eventually(lambda: worker.assigned, "it is assigned")
    runner.shutdown("a", "not wanted")
    worker.silent = False
    worker.run({"id": "a", "type": "noop"})
    eventually(lambda: set(worker.shut_down) == {"a"}, "it is ended")
    assert result(future).is_failure
    eventually(lambda: runner.get_known_tasks() == [], "nobody asks for it any more")


# ---- logs and reports


def test_logs_come_from_the_worker_and_reports_from_the_task(start, fleet):
    worker = fleet.add_worker(hold=True)
    runner = start(worker)
    runner.run(noop("a"))
    runs(runner, "a")
    eventually(lambda: runner.get_task_location("a").is_known, "its location is known")
    assert b"".join(runner.stream_task_log("a", -7)) == b"log of a offset=-7"
    assert b"".join(runner.stream_task_reports("a")) == b'{"reportOf": "a"}'
    worker.finish("a")
    eventually(lambda: runner.get_runner_task_state("a") is RunnerTaskState.NONE, "it ends")
    assert runner.stream_task_log("a", 0) is None
    assert runner.stream_task_reports("a") is None


def test_a_second_listener_of_the_same_id_is_an_error(start):
    runner = start()
    runner.register_listener(RecordingListener("x"))
    with pytest.raises(ValueError, match="registered already"):
        runner.register_listener(RecordingListener("x"))


def test_settings_are_checked():
    with pytest.raises(ValueError, match="worker_sync_num_threads"):
        HttpRemoteTaskRunnerConfig(worker_sync_num_threads=0)


def test_what_workers_tell_is_in_the_log_also_when_much_comes_at_once(start, fleet, caplog):
    workers = [fleet.add_worker() for _ in range(3)]
    runner = start(*workers)
    with caplog.at_level("INFO"):
        futures = [runner.run(noop(f"t{number}")) for number in range(12)]
        for future in futures:
            result(future)
        runner.stop()  # writes what waits
    for number in range(12):
        assert f"Task [t{number}] started RUNNING on worker [" in caplog.text
        assert f"completed task [t{number}] with status [SUCCESS]" in caplog.text
