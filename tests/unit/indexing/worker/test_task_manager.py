"""The worker's task manager (behaviours 24.2 to 24.8, 24.10, 26.1 of docs/design/coverage.md)."""

import asyncio
import threading

import pytest

from nemeton.http.change_history import Counter
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskLocation, TaskStatus
from nemeton.testkit.waiting import eventually

from .conftest import PLACE

NOWHERE = {"host": None, "port": -1, "tlsPort": -1}


def summary(items):
    """``a RUNNING``, ``a RUNNING 8100``, ``-a``, ``disabled``: one word for each item."""
    words = []
    for item in items:
        if item["type"] == "metadata":
            words.append("disabled" if item["disabled"] else "enabled")
        elif item["type"] == "taskRemoval":
            words.append(f"-{item['taskId']}")
        else:
            announced = item["taskAnnouncement"]
            port = announced["taskLocation"]["port"]
            words.append(f"{announced['id']} {announced['status']}" + (f" {port}" if port > 0 else ""))
    return words


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_task_goes_its_way_in_druids_order(manager, runner, told, listener, clock, tmp_path):
    begin = manager.snapshot().counter
    assert manager.assign_task(NoopTask(id="a", data_source="d")) is True
    runner.wait_for(lambda: "a" in runner.items)
    clock.advance(2)
    runner.place("a")
    eventually(lambda: manager.running_tasks["a"].task_location == PLACE, "placed")
    runner.end(TaskStatus.success("a"))
    eventually(lambda: manager.completed_tasks, "completed")
    assert summary(told(manager, begin)) == ["a RUNNING", "a RUNNING", "a RUNNING 8100", "a SUCCESS 8100"]
    eventually(lambda: len(listener.heard) == 4, "the listener has heard all")
    assert listener.heard == ["a RUNNING", "a started", "a RUNNING at 8100", "a SUCCESS at 8100"]
    last = told(manager)[-1]["taskAnnouncement"]
    assert last["taskStatus"] == {
        "id": "a",
        "status": "SUCCESS",
        "duration": 2000,  # by the worker's clock, whatever the peon said
        "errorMsg": None,
        "location": NOWHERE,
    }
    assert last["taskResource"] == {"availabilityGroup": "a", "requiredCapacity": 1}
    assert (last["type"], last["taskDataSource"]) == ("noop", "d")


def test_a_snapshot_names_the_worker_first_then_assigned_running_and_completed_tasks(manager, runner, told):
    for name in ("done", "runs"):
        manager.assign_task(NoopTask(id=name))
    runner.wait_for(lambda: {"done", "runs"} <= runner.items.keys())
    runner.place("runs")
    runner.end(TaskStatus.failure("done", "why"))
    eventually(lambda: manager.completed_tasks and manager.running_tasks["runs"].task_location.is_known, "there")
    manager.set_enabled(False)
    manager._notices.shutdown()  # what comes now stays assigned
    manager._notices = type("Deaf", (), {"schedule": lambda *_: None, "shutdown": lambda *_: None})()
    manager.assign_task(NoopTask(id="new"))
    assert summary(told(manager)) == ["disabled", "new RUNNING", "runs RUNNING 8100", "done FAILED"]


def test_assigning_again_changes_nothing(manager, runner, told):
    manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    place = manager.snapshot().counter
    assert manager.assign_task(NoopTask(id="a")) is False
    runner.end(TaskStatus.success("a"))
    eventually(lambda: manager.completed_tasks, "completed")
    assert manager.assign_task(NoopTask(id="a")) is False
    assert runner.ran == ["a"]
    assert summary(told(manager, place))[-1] == "a SUCCESS"


def test_a_task_is_on_disk_until_its_peon_is_there_and_its_end_until_it_is_confirmed(manager, runner, tmp_path):
    assigned, completed = tmp_path / "assignedTasks", tmp_path / "completedTasks"
    manager.assign_task(NoopTask(id="a"))
    assert files(assigned) == ["a"]
    runner.wait_for(lambda: "a" in runner.items)
    assert files(assigned) == ["a"]  # the runner may let it wait for a slot
    runner.place("a")
    eventually(lambda: files(assigned) == [], "the peon is there")
    for heard in runner.listeners.values():
        heard.status_changed("a", TaskStatus.success("a", PLACE))
    assert files(completed) == ["a"]  # while the runner still has the task's folder
    assert manager.completed_tasks == {}
    runner.items["a"].result.set_result(TaskStatus.success("a", PLACE))
    eventually(lambda: manager.completed_tasks, "completed")
    assert files(tmp_path / "workerTaskManagerTmp") == []


def test_a_status_that_is_not_complete_and_a_location_of_nobody_are_ignored(manager, runner, told):
    manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    place = manager.snapshot().counter
    runner.place("nobody")
    manager._complete("a", TaskStatus.running("a"))
    manager._complete("nobody", TaskStatus.success("nobody"))
    manager.assign_task(NoopTask(id="b"))
    runner.wait_for(lambda: "b" in runner.items)
    eventually(lambda: summary(told(manager, place)) == ["b RUNNING", "b RUNNING"], "nothing but the new task")


def test_the_same_location_is_told_once(manager, runner, told):
    manager.assign_task(NoopTask(id="a"))
    eventually(lambda: "a" in manager.running_tasks, "it runs")
    place = manager.snapshot().counter
    for port in (8100, 8100, 8101):
        runner.place("a", TaskLocation("localhost", port, -1))
    eventually(lambda: manager.running_tasks["a"].task_location.port == 8101, "placed")
    assert summary(told(manager, place)) == ["a RUNNING 8100", "a RUNNING 8101"]


def test_a_runner_that_raises_fails_the_task(manager, runner):
    manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    runner.items["a"].result.set_exception(RuntimeError("no"))
    eventually(lambda: manager.completed_tasks, "completed")
    assert manager.completed_tasks["a"].task_status.error_msg.startswith("Failed to run task with an exception.")


def test_a_failing_notice_is_an_alert_and_the_next_one_is_handled(manager, runner, emitter, monkeypatch):
    run = runner.run

    def fail_once(task):
        if task.id == "bad":
            raise RuntimeError("no")
        return run(task)

    monkeypatch.setattr(runner, "run", fail_once)
    manager.assign_task(NoopTask(id="bad"))
    manager.assign_task(NoopTask(id="good"))
    runner.wait_for(lambda: "good" in runner.items)
    ((message, data, _),) = emitter.alerts
    assert message == "Failed to handle notice"
    assert data["noticeTaskId"] == "bad"
    assert data["noticeClass"] == "_run"


def test_a_listener_that_fails_is_an_alert_and_the_end_counts_all_the_same(manager, runner, listener, emitter):
    listener.failure = OSError("ZooKeeper")
    manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    runner.end(TaskStatus.success("a"))
    eventually(lambda: manager.completed_tasks, "completed")
    assert manager.running_tasks == {}
    eventually(lambda: len(emitter.alerts) == 2, "two alerts")
    assert {message for message, _, _ in emitter.alerts} == {"Failed to update task announcement"}


def test_a_disk_that_is_full_refuses_tasks_and_still_tells_their_ends(manager, runner, told, emitter, monkeypatch):
    manager.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nemeton.indexing.worker.task_files.write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        manager.assign_task(NoopTask(id="b"))
    runner.end(TaskStatus.success("a"))
    eventually(lambda: manager.completed_tasks, "completed")
    assert summary(told(manager)) == ["enabled", "a SUCCESS"]
    assert any(message == "Cannot keep the end of a task on disk" for message, _, _ in emitter.alerts)


# ---- enabling


def test_disabling_is_told_once(manager, told, listener):
    place = manager.snapshot().counter
    for enabled in (True, False, False, True):
        manager.set_enabled(enabled)
        assert manager.is_enabled is enabled
    assert summary(told(manager, place)) == ["disabled", "enabled"]
    assert listener.heard == ["enabled True", "enabled False", "enabled False", "enabled True"]


def test_what_cannot_be_announced_does_not_count(manager, listener):
    listener.failure = OSError("ZooKeeper")
    with pytest.raises(OSError, match="ZooKeeper"):
        manager.set_enabled(False)
    assert manager.is_enabled


def test_tasks_do_not_wait_while_it_is_announced(manager, runner, told, listener):
    """ZooKeeper may take as long as a session to answer; two who switch at once are told one after the other."""
    asked, answer = threading.Event(), threading.Event()
    listener.enabled_changed = lambda enabled: (asked.set(), answer.wait(20))
    switching = [threading.Thread(target=manager.set_enabled, args=[enabled]) for enabled in (False, True)]
    switching[0].start()
    assert asked.wait(20)
    switching[1].start()
    try:
        assert manager.assign_task(NoopTask(id="a"))
        runner.wait_for(lambda: "a" in runner.items)
        runner.end(TaskStatus.success("a"))
        eventually(lambda: manager.completed_tasks, "completed")
        assert manager.is_enabled
        assert summary(told(manager))[0] == "enabled"
        place = manager.snapshot().counter
    finally:
        answer.set()
        for each in switching:
            each.join(20)
    assert [each for each in summary(told(manager, place)) if "abled" in each] == ["disabled", "enabled"]
    assert manager.is_enabled


# ---- the next life


def test_a_restarted_worker_goes_on_with_what_it_has_on_disk(make_manager, runner, json, tmp_path, told):
    runner.restored = [NoopTask(id="restored")]
    runner.ended_earlier = [
        (NoopTask(id="left"), TaskStatus.success("left")),
        (NoopTask(id="kept"), TaskStatus.failure("kept", "said later")),
    ]
    for folder in ("assignedTasks", "completedTasks", "workerTaskManagerTmp"):
        (tmp_path / folder).mkdir()
    for name in ("assigned", "restored"):
        (tmp_path / "assignedTasks" / name).write_bytes(json.dumps(NoopTask(id=name)))
    (tmp_path / "assignedTasks" / "broken").write_text("{")
    (tmp_path / "assignedTasks" / "renamed").write_bytes(json.dumps(NoopTask(id="other")))
    (tmp_path / "workerTaskManagerTmp" / "half").write_text("{")
    kept = '{"id":"kept","type":"noop","status":"SUCCESS","taskStatus":{"id":"kept","status":"SUCCESS","duration":5}}'
    (tmp_path / "completedTasks" / "kept").write_text(kept)
    manager = make_manager()
    manager.start()
    assert runner.life == ["start"]
    runner.wait_for(lambda: "assigned" in runner.items)
    eventually(lambda: "assigned" in manager.running_tasks, "taken up")
    assert sorted(summary(told(manager))) == [
        "assigned RUNNING",
        "enabled",
        "kept SUCCESS",
        "left SUCCESS",
        "restored RUNNING",
    ]
    assert sorted(runner.ran) == ["assigned", "restored"]
    assert files(tmp_path / "completedTasks") == ["kept", "left"]
    assert files(tmp_path / "assignedTasks") == ["assigned", "broken", "renamed"]
    assert files(tmp_path / "workerTaskManagerTmp") == []


def test_a_task_whose_end_is_kept_is_not_run_again(make_manager, runner, json, tmp_path, told):
    """The worker died after it had kept the end, and before the task's folder was gone."""
    runner.restored = [NoopTask(id="ended")]
    (tmp_path / "completedTasks").mkdir()
    kept = '{"id":"ended","type":"noop","status":"FAILED","taskStatus":{"id":"ended","status":"FAILED","duration":5}}'
    (tmp_path / "completedTasks" / "ended").write_text(kept)
    manager = make_manager()
    manager.start()
    assert [task_id for task_id, _ in runner.shut_down] == ["ended"]
    assert sorted(summary(told(manager))) == ["enabled", "ended FAILED"]


def test_a_worker_that_cannot_start_says_so_and_holds_nothing(make_manager, runner, emitter, tmp_path):
    (tmp_path / "assignedTasks").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="assignedTasks"):
        make_manager().start()
    assert emitter.alerts[0][0] == "Exception starting WorkerTaskManager"
    assert runner.life == ["stop"]


def test_stop_leaves_everything_for_the_next_life(make_manager, runner, tmp_path):
    first = make_manager()
    first.start()
    first.assign_task(NoopTask(id="a"))
    runner.wait_for(lambda: "a" in runner.items)
    first.stop()
    assert runner.life == ["start", "stop"]
    assert runner.listeners == {}
    runner.items["a"].result.set_result(TaskStatus.failure("a", "killed while stopping"))
    with pytest.raises(RuntimeError, match="not started"):
        first.assign_task(NoopTask(id="b"))
    assert first.completed_tasks == {}
    assert files(tmp_path / "completedTasks") == []
    assert files(tmp_path / "assignedTasks") == ["a"]


# ---- what is over


@pytest.fixture
def ended(manager, runner):
    for name in ("running", "failed", "unknown"):
        manager.assign_task(NoopTask(id=name))
    runner.wait_for(lambda: len(runner.items) == 3)
    for name in ("running", "failed", "unknown"):
        runner.end(TaskStatus.success(name))
    eventually(lambda: len(manager.completed_tasks) == 3, "completed")
    return manager


def test_ends_that_the_overlord_knows_are_forgotten(ended, overlord, clock, told, listener, tmp_path):
    overlord.known = {"running": TaskStatus.running("running"), "failed": TaskStatus.failure("failed", "")}
    place = ended.snapshot().counter
    clock.advance(59)
    assert overlord.asked == []
    clock.advance(2)
    eventually(lambda: list(ended.completed_tasks) == ["running"], "cleaned up after a minute")
    assert sorted(overlord.asked[0]) == ["failed", "running", "unknown"]
    assert sorted(summary(told(ended, place))) == ["-failed", "-unknown"]
    assert files(tmp_path / "completedTasks") == ["running"]
    eventually(lambda: {"failed forgotten", "unknown forgotten"} <= set(listener.heard), "told")
    overlord.known = {}
    clock.advance(301)
    eventually(lambda: ended.completed_tasks == {}, "and every five minutes")


def test_an_overlord_that_does_not_answer_is_asked_again(ended, overlord, clock):
    overlord.failure = OSError("nobody there")
    ended.clean_up_completed()
    assert len(ended.completed_tasks) == 3
    overlord.failure = None
    ended.clean_up_completed()
    assert ended.completed_tasks == {}


def test_many_ends_are_asked_about_in_parts(manager, overlord, monkeypatch):
    monkeypatch.setattr("nemeton.indexing.worker.task_manager._CLEANUP_BATCH", 2)
    for name in "abc":
        manager._add_ended(NoopTask(id=name), TaskStatus.success(name))
    manager.clean_up_completed()
    assert [len(ids) for ids in overlord.asked] == [2, 1]


# ---- polling


def test_who_polls_is_woken_by_an_assignment(manager):
    async def poll():
        place = manager.snapshot().counter
        waiting = asyncio.create_task(manager.changes_since(place, 20))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(manager.assign_task, NoopTask(id="a"))
        return await waiting

    assert asyncio.run(poll()).requests[0].task_announcement.id == "a"
    assert asyncio.run(manager.changes_since(Counter(-5, 0), 1)).requests[0].disabled is False
    assert asyncio.run(manager.changes_since(Counter(99, 0), 1)).reset_counter


def test_a_task_whose_id_is_no_file_name_is_refused(manager):
    for name in ("../a", "..", "a/b"):
        with pytest.raises(Exception, match="(?i)task id|cannot"):
            manager.assign_task(NoopTask(id=name))
