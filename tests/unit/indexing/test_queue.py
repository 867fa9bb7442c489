import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from nemeton.common.errors import DruidException
from nemeton.indexing.overlord.config import DefaultTaskConfig, TaskLockConfig, TaskQueueConfig
from nemeton.indexing.overlord.queue import TaskQueue
from nemeton.indexing.overlord.task_ends import TaskEnd
from nemeton.indexing.tasks.kill import KillUnusedSegmentsTask
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import DataSegment, TaskLockType, TaskState, TaskStatus
from nemeton.spi.indexing import TaskContextEnricher
from nemeton.time import Interval

DAY = Interval.parse("2030-01-01/2030-01-02")


class Enricher(TaskContextEnricher):
    def enrich(self, task):
        return {"enriched": task.type}


@pytest.fixture
def make_queue(storage, runner, lockbox, client_of, json, clock):
    queues = []

    def make(on_groups_end=lambda tasks: None, emitter=None, **config):
        queue = TaskQueue(
            on_groups_end=on_groups_end,
            config=TaskQueueConfig(**config),
            default_task_config=DefaultTaskConfig(context={"fromDefault": 1, "storeEmptyColumns": False}),
            lock_config=TaskLockConfig(),
            storage=storage,
            runner=runner,
            lockbox=lockbox,
            action_clients=client_of,
            json=json,
            clock=clock,
            enrichers=[Enricher()],
            emitter=emitter,
        )
        queues.append(queue)
        return queue

    yield make
    for queue in queues:
        queue.stop()


@pytest.fixture
def queue(make_queue):
    made = make_queue()
    made.start()
    return made


def wait_for(condition):
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen")


def kill(task_id):
    return KillUnusedSegmentsTask(id=task_id, data_source="ds", interval=DAY)


def test_a_task_is_stored_run_and_ends(queue, runner, storage):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    assert storage.get_status("a").is_running
    runner.finish(TaskStatus.success("a").with_duration(7))
    wait_for(lambda: storage.get_status("a").is_success)
    wait_for(lambda: not queue.get_tasks())
    status = storage.get_status("a")
    assert (status.duration, status.location.host) == (7, "host")
    assert ("a", "notified status change from task") in runner.shut_down
    assert list(queue.ended_tasks().values()) == [1]


class Emitted:
    def __init__(self):
        self.metrics = []

    def emit_metric(self, name, value, **dims):
        self.metrics.append((name, value, dims))


def test_how_long_a_task_waited_and_ran_is_told(make_queue, runner, storage, clock):
    emitted = Emitted()
    queue = make_queue(emitter=emitted)
    storage.insert(NoopTask(id="a", group_id="g"), TaskStatus.running("a"))
    clock.advance(3)
    queue.start()
    runner.wait_for(lambda: "a" in runner.ran)
    runner.finish(TaskStatus.success("a").with_duration(7))
    wait_for(lambda: len(emitted.metrics) == 2)
    dims = {"taskId": "a", "groupId": "g", "taskType": "noop", "dataSource": "none"}
    assert emitted.metrics == [
        ("task/waiting/time", 3000, dims),
        ("task/run/time", 7, dims | {"taskStatus": "SUCCESS"}),
    ]


def test_the_context_is_filled_up_but_never_overridden(queue, storage):
    queue.add(NoopTask(id="a", context={"fromDefault": 2}))
    assert storage.get_task("a").context == {
        "fromDefault": 2,
        "storeEmptyColumns": False,
        "forceTimeChunkLock": True,
        "useLineageBasedSegmentAllocation": True,
        "enriched": "noop",
    }


def test_stop_does_not_wait_for_the_restart_after_a_failure(make_queue, runner, monkeypatch, caplog):
    def fail():
        raise OSError("no disk")

    monkeypatch.setattr("nemeton.indexing.overlord.queue._STOP_TIMEOUT_S", 3.0)
    monkeypatch.setattr(runner, "restore", fail)
    queue = make_queue()
    queue.start()
    wait_for(lambda: "Managing the task queue failed" in caplog.text)
    thread = queue._thread
    queue.stop()
    assert not thread.is_alive()
    assert "still busy" not in caplog.text


def test_stop_is_heard_whenever_it_comes(make_queue, monkeypatch):
    """Also between the manager's look at whether it is wanted and its forgetting of earlier calls."""
    monkeypatch.setattr("nemeton.indexing.overlord.queue._STOP_TIMEOUT_S", 3.0)
    queue = make_queue()
    stopper = threading.Thread(target=queue.stop)

    class Wake(threading.Event):
        def clear(self):
            if queue._active and queue._thread is threading.current_thread() and not stopper.ident:
                stopper.start()
                wait_for(self.is_set)
            super().clear()

    queue._wake = Wake()
    queue.start()
    thread = queue._thread
    wait_for(lambda: stopper.ident)
    stopper.join(20)
    assert not thread.is_alive()


def test_ends_that_come_while_one_is_written_are_written_together(queue, runner, storage, monkeypatch):
    ids = [f"t{number}" for number in range(20)]
    for task_id in ids:
        queue.add(NoopTask(id=task_id))
    runner.wait_for(lambda: set(ids) <= set(runner.ran))
    together, gate, write = [], threading.Event(), storage.set_statuses

    def note(statuses):
        together.append(len(statuses))
        gate.wait(20)
        return write(statuses)

    monkeypatch.setattr(storage, "set_statuses", note)
    for task_id in ids:
        runner.finish(TaskStatus.success(task_id))
    gate.set()
    wait_for(lambda: not queue.get_tasks())
    assert all(storage.get_status(task_id).is_success for task_id in ids)
    assert sum(together) == 20
    assert len(together) <= 11  # five threads begin with one or more each, and then take what has come


def test_a_stop_waits_for_no_end_that_is_put_off(queue, runner, storage):
    queue.add(NoopTask(id="t"))
    runner.wait_for(lambda: "t" in runner.ran)
    queue._ends._next_at = time.monotonic() + 3600  # as if writing took that long
    runner.finish(TaskStatus.success("t"))
    queue.stop()
    assert storage.get_status("t").is_running  # the next leader hears of its end from the worker


def test_an_end_that_cannot_be_written_keeps_no_other(queue, runner, storage, monkeypatch, caplog):
    write = storage.set_statuses

    def refuse_one(statuses):
        if any(status.id == "bad" for status in statuses):
            raise TypeError("not JSON")
        return write(statuses)

    for task_id in ("good", "bad"):
        queue.add(NoopTask(id=task_id))
    runner.wait_for(lambda: {"good", "bad"} <= set(runner.ran))
    monkeypatch.setattr(storage, "set_statuses", refuse_one)
    ends = [TaskEnd(NoopTask(id=task_id), TaskStatus.success(task_id), "it ended") for task_id in ("bad", "good")]
    with pytest.raises(TypeError, match="not JSON"):
        queue._ends.record(ends)
    assert storage.get_status("good").is_success
    assert [task.id for task in queue.get_tasks()] == ["bad"]
    assert "Recording the end of task [bad] failed" in caplog.text


def test_a_queue_that_is_stopped_while_it_looks_kills_nothing(queue, runner, monkeypatch):
    """It knows no task then, and those of the runner are the next leader's."""
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    look = runner.get_known_tasks

    def look_and_stop():
        found = look()
        queue.stop()
        return found

    monkeypatch.setattr(runner, "get_known_tasks", look_and_stop)
    queue.manage()
    assert runner.shut_down == []


def test_an_id_is_used_once(queue, runner, storage):
    queue.add(NoopTask(id="a"))
    with pytest.raises(DruidException, match=r"Task\[a\] already exists") as caught:
        queue.add(NoopTask(id="a"))
    assert caught.value.error_code == "entryAlreadyExists"
    runner.wait_for(lambda: "a" in runner.ran)
    runner.finish(TaskStatus.success("a"))
    wait_for(lambda: storage.get_status("a").is_success)
    with pytest.raises(DruidException, match="already exists"):
        queue.add(NoopTask(id="a"))


def test_a_full_queue_and_a_large_payload_are_refused(make_queue):
    queue = make_queue(max_size=1, max_task_payload_size=1000)
    queue.start()
    with pytest.raises(DruidException, match="payload of size"):
        queue.add(NoopTask(context={"x": "y" * 1000}))
    queue.add(NoopTask(id="a"))
    with pytest.raises(DruidException, match=r"druid\.indexer\.queue\.maxSize"):
        queue.add(NoopTask(id="b"))


def test_a_task_whose_is_ready_throws_fails(queue, storage, runner):
    queue.add(NoopTask(id="a", is_ready_result="EXCEPTION"))
    wait_for(lambda: storage.get_status("a").is_failure)
    status = storage.get_status("a")
    assert status.error_msg.startswith("Encountered error[Not ready. Never will be ready. Go away!]")
    assert status.duration == -1
    assert "a" not in runner.ran


def test_a_task_that_is_not_ready_waits_without_blocking_others(queue, runner, storage):
    queue.add(NoopTask(id="never", is_ready_result="NO"))
    queue.add(NoopTask(id="b"))
    runner.wait_for(lambda: "b" in runner.ran)
    assert queue.waiting_task_ids() == {"never"}
    queue.shutdown("never", "Shutdown request from user")
    assert storage.get_status("never").error_msg == "Shutdown request from user"


def test_a_second_task_for_a_locked_interval_waits_and_then_runs(queue, runner, storage, lockbox):
    queue.add(kill("first"))
    runner.wait_for(lambda: "first" in runner.ran)
    queue.add(kill("second"))
    wait_for(lambda: queue.waiting_task_ids() == {"second"})
    assert len(storage.get_locks("first")) == 1
    runner.finish(TaskStatus.success("first"))
    runner.wait_for(lambda: "second" in runner.ran)
    assert storage.get_locks("first") == []
    assert len(storage.get_locks("second")) == 1


def test_shutdown_ends_a_running_task_in_the_store_first(queue, runner, storage):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    seen = []
    runner.shutdown = lambda task_id, reason: seen.append((task_id, reason, storage.get_status(task_id).status))
    queue.shutdown("a", "Shutdown request from user")
    assert seen == [("a", "Shutdown request from user", TaskState.FAILED)]
    assert not queue.get_tasks()
    queue.shutdown("a", "again")
    assert storage.get_status("a").error_msg == "Shutdown request from user"


def test_a_runner_that_fails_to_clean_up_does_not_keep_the_task(queue, runner, storage):
    def fail(task_id, reason):
        raise RuntimeError("no")

    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    runner.shutdown = fail
    runner.finish(TaskStatus.success("a"))
    wait_for(lambda: not queue.get_tasks())


def test_a_runner_whose_future_fails_fails_the_task(queue, runner, storage):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    runner.items["a"].result.set_exception(OSError("disk full"))
    wait_for(lambda: storage.get_status("a").is_failure)
    assert "disk full" in storage.get_status("a").error_msg


def test_tasks_of_the_runner_that_nobody_knows_are_shut_down(queue, runner):
    runner.run(NoopTask(id="stranger"))
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: ("stranger", "Task is not in knownTaskIds") in runner.shut_down)


# ---- restart


def test_active_tasks_run_again_after_a_restart_with_their_locks(storage, lockbox, client_of, make_queue, runner):
    task = kill("a")
    storage.insert(task, TaskStatus.running("a"))
    lockbox.add(task)
    assert task.is_ready(client_of(task))
    (lock,) = storage.get_locks("a")
    queue = make_queue()
    queue.start()
    runner.wait_for(lambda: "a" in runner.ran)
    assert lockbox.find_locks_for_task(task) == [lock]


def test_restored_tasks_are_not_run_again(storage, make_queue, runner):
    task = NoopTask(id="a")
    storage.insert(task, TaskStatus.running("a"))
    runner.restored = [task]
    queue = make_queue()
    queue.start()
    runner.wait_for(lambda: runner.ran)
    runner.finish(TaskStatus.success("a"))
    wait_for(lambda: storage.get_status("a").is_success)
    assert runner.ran == ["a"]


def test_a_task_that_its_worker_still_runs_is_neither_asked_nor_run_again(storage, make_queue, runner, monkeypatch):
    """Another Overlord began with it; the runner of this one has found it on its worker (behaviour 14.8)."""
    asked = []
    monkeypatch.setattr(NoopTask, "is_ready", lambda self, client: asked.append(self.id))
    task = NoopTask(id="goes-on")
    storage.insert(task, TaskStatus.running(task.id))
    runner.run(task)
    queue = make_queue()
    queue.start()
    wait_for(lambda: queue.handed_over_task_ids() == {"goes-on"})
    assert (asked, runner.ran) == ([], ["goes-on"])
    runner.finish(TaskStatus.success(task.id))
    wait_for(lambda: storage.get_status("goes-on").is_success)


def test_a_task_of_an_unknown_type_in_the_store_does_not_keep_others_from_being_taken_up(
    queue, runner, storage, connector
):
    for name in ("strange", "known"):
        storage.insert(NoopTask(id=name), TaskStatus.running(name))
    tasks = connector.tables.tasks
    connector.retry_transaction(
        lambda c: c.execute(tasks.update().where(tasks.c.id == "strange").values(payload=b'{"type":"acme","id":"x"}'))
    )
    queue.sync_with_storage()
    runner.wait_for(lambda: "known" in runner.ran)
    assert [task.id for task in queue.get_tasks()] == ["known"]
    assert storage.get_status("strange").is_running


def test_a_task_that_had_published_is_a_success_after_the_restart(storage, metadata, make_queue, runner, connector):
    storage.insert(NoopTask(id="a"), TaskStatus.running("a"))
    storage.insert(NoopTask(id="b"), TaskStatus.running("b"))
    assert metadata.commit_segments_and_metadata([DataSegment("ds", DAY, "v")], completes_task="a").success
    assert storage.get_status("a").is_running  # to readers, until its log and reports are there
    make_queue().start()
    runner.wait_for(lambda: "b" in runner.ran)
    assert storage.get_status("a").is_success
    assert "a" not in runner.ran


def test_pending_segments_go_with_the_last_task_of_their_group(make_queue, runner, storage):
    ended = []
    queue = make_queue(on_groups_end=lambda tasks: ended.extend(task.group_id for task in tasks))
    queue.start()
    for task_id in ("a", "b"):
        queue.add(NoopTask(id=task_id, group_id="g"))
    runner.wait_for(lambda: {"a", "b"} <= set(runner.ran))
    runner.finish(TaskStatus.success("a"))
    wait_for(lambda: [task.id for task in queue.get_tasks()] == ["b"])
    assert ended == []
    runner.finish(TaskStatus.success("b"))
    wait_for(lambda: ended == ["g"])


def test_a_task_that_has_published_cannot_fail_any_more(queue, runner, storage, metadata):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    metadata.commit_segments_and_metadata([DataSegment("ds", DAY, "v")], completes_task="a")
    runner.finish(TaskStatus.failure("a", "killed while it wrote its report"))
    wait_for(lambda: storage.get_status("a").is_complete)
    assert storage.get_status("a").is_success


def test_a_task_that_was_shut_down_cannot_publish_any_more(queue, runner, storage, metadata):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    queue.shutdown("a", "Shutdown request from user")
    assert not metadata.commit_segments_and_metadata([DataSegment("ds", DAY, "v")], completes_task="a").success
    assert metadata.retrieve_used_segments("ds") == []


def test_a_task_of_an_unknown_type_fails_at_restart_and_its_locks_go(storage, make_queue, connector, lockbox):
    task = kill("a")
    storage.insert(task, TaskStatus.running("a"))
    lockbox.add(task)
    from nemeton.model import TaskLockType

    lockbox.try_lock_time_chunk(task, TaskLockType.EXCLUSIVE, DAY)
    tasks = connector.tables.tasks
    connector.retry_transaction(
        lambda c: c.execute(tasks.update().values(payload=b'{"type":"acme","id":"a"}', type="acme"))
    )
    make_queue().start()
    assert storage.get_status("a").error_msg == "Task type [acme] is not known here"
    assert storage.get_all_locks() == {}


def test_memory_follows_the_store(queue, runner, storage):
    queue.add(NoopTask(id="gone"))
    runner.wait_for(lambda: "gone" in runner.ran)
    storage.set_status(TaskStatus.failure("gone", "by another hand"))
    storage.insert(NoopTask(id="new"), TaskStatus.running("new"))
    queue.sync_with_storage()
    runner.wait_for(lambda: "new" in runner.ran)
    assert [task.id for task in queue.get_tasks()] == ["new"]
    runner.wait_for(lambda: ("gone", "Task is not in knownTaskIds") in runner.shut_down)


def test_a_stopped_queue_takes_nothing(queue):
    queue.stop()
    with pytest.raises(DruidException, match="not active"):
        queue.add(NoopTask())


# ---- a store that cannot be written


@pytest.fixture
def full_disk(connector, monkeypatch):
    """Call it to fill the disk; leaving its ``with`` makes room again."""

    def refuse(*args, **kwargs):
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))

    @contextmanager
    def fill():
        with monkeypatch.context() as patch:
            patch.setattr(type(connector), "retry_transaction", refuse)
            yield

    return fill


def test_an_end_that_cannot_be_stored_is_stored_when_there_is_room(queue, runner, storage, full_disk, caplog):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    with full_disk():
        runner.finish(TaskStatus.success("a"))
        wait_for(lambda: "Recording the end of tasks ['a'] failed" in caplog.text)
        queue.sync_with_storage()
        assert queue.get_active_task("a") is not None
    queue.sync_with_storage()
    wait_for(lambda: storage.get_status("a").is_success)
    wait_for(lambda: not queue.get_tasks())


def test_a_shutdown_that_cannot_be_stored_is_refused_and_changes_nothing(queue, runner, storage, full_disk):
    queue.add(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.ran)
    with full_disk(), pytest.raises(OperationalError):
        queue.shutdown("a", "because")
    assert storage.get_status("a").is_running
    queue.shutdown("a", "because")
    assert storage.get_status("a").error_msg == "because"


def test_locks_that_cannot_be_stored_are_not_held(queue, runner, storage, lockbox, full_disk):
    with full_disk(), pytest.raises(OperationalError):
        queue.add(kill("a"))
    with full_disk():
        task = kill("b")
        lockbox.add(task)
        with pytest.raises(OperationalError):
            lockbox.try_lock_time_chunk(task, TaskLockType.EXCLUSIVE, DAY)
    assert lockbox.find_valid_locks("ds") == []
    lockbox.remove(task)
    queue.add(kill("a"))
    runner.wait_for(lambda: "a" in runner.ran)


def test_a_revocation_that_cannot_be_stored_leaves_no_second_lock(lockbox, storage, full_disk):
    low, high = kill("low"), kill("high").with_context({"priority": 99})
    for task in (low, high):
        storage.insert(task, TaskStatus.running(task.id))
        lockbox.add(task)
    assert lockbox.try_lock_time_chunk(low, TaskLockType.EXCLUSIVE, DAY)
    with full_disk(), pytest.raises(OperationalError):
        lockbox.try_lock_time_chunk(high, TaskLockType.EXCLUSIVE, DAY)
    (lock,) = lockbox.find_valid_locks("ds")
    assert lock.group_id == "low"
    assert not storage.get_locks("low")[0].revoked
