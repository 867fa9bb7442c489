"""The folders of tasks: over several disks, and after a restart (behaviours 25.2, 25.6)."""

# ruff: noqa: F811 - fixtures of the module beside

import pytest

from nemeton.common.errors import DruidException
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.indexing.worker.task_dirs import TaskDir, TaskDirs
from nemeton.indexing.worker.task_slots import TaskSlots
from nemeton.model import TaskStatus

from ..peon_kit import WaitTask
from ..test_forking_runner import json, logs, make_runner, noted  # noqa: F401


def test_tasks_are_spread_over_the_disks(tmp_path):
    bases = [tmp_path / "a", tmp_path / "b"]
    slots = TaskSlots(bases, 3, 1000)
    with slots.taking() as one, slots.taking() as two, slots.taking() as three:
        assert [slot.directory for slot in (one, two, three)] == [
            tmp_path / "a/slot0",
            tmp_path / "b/slot0",
            tmp_path / "a/slot1",
        ]
        assert {slot.num_bytes for slot in (one, two, three)} == {500}
        assert slots.used == 3
        with pytest.raises(DruidException, match="All 3 slots"), slots.taking():
            pass
    assert slots.used == 0


def test_slots_are_given_in_turn_and_a_restored_task_gets_its_own(tmp_path):
    slots = TaskSlots([tmp_path], 3, 1000)
    taken = []
    for _ in range(4):
        with slots.taking() as slot:
            taken.append(slot.directory.name)
    assert taken == ["slot0", "slot1", "slot2", "slot0"]
    with slots.taking(tmp_path / "slot2") as slot:
        assert slot.directory == tmp_path / "slot2"
        with slots.taking(tmp_path / "slot2") as other:
            assert other.directory != slot.directory


def test_a_runner_uses_all_its_disks_and_cleans_all_of_them(make_runner, tmp_path):
    disks = [str(tmp_path / "disk0"), str(tmp_path / "disk1")]
    runner = make_runner(base_task_dirs=disks)
    runner.start()
    notes = [tmp_path / f"note{number}" for number in range(2)]
    for number, note in enumerate(notes):
        runner.run(WaitTask(id=f"t{number}", file=str(note)))
    for note in notes:
        noted(note)
    assert sorted(str(path.parent.parent) for path in tmp_path.glob("disk*/slot*/t*")) == disks
    assert (tmp_path / "tasks" / "restore.json").exists()
    runner.stop()
    second = make_runner(base_task_dirs=disks)
    ended = []
    second.tell_of_earlier_ends(lambda task, status: ended.append((task.id, status.error_msg)))
    second.start()
    assert second.restore() == []
    assert sorted(ended) == [
        (f"t{number}", "Canceled as unknown task. See middleManager or indexer logs for more details.")
        for number in range(2)
    ]
    assert list(tmp_path.glob("disk*/slot*/t*")) == []


def test_two_workers_do_not_share_a_disk(make_runner, tmp_path):
    disks = [str(tmp_path / "disk0"), str(tmp_path / "disk1")]
    first = make_runner(base_task_dirs=disks)
    first.start()
    for second in (make_runner(base_task_dirs=disks[1:], base_task_dir=str(tmp_path / "other")), make_runner()):
        with pytest.raises(DruidException, match="in use by process .*two folders"):
            second.start()
    first.stop()
    third = make_runner(base_task_dirs=disks)
    third.start()


# ---- what an earlier life left


def leave(tmp_path, json, task, *, status=None, locked=True):
    """A task's folder as a worker leaves it that is killed."""
    directory = TaskDir(tmp_path / "tasks" / "slot0" / task.id)
    directory.attempt_dir(1).mkdir(parents=True)
    directory.task_file.write_bytes(json.dumps(task))
    directory.log_file.write_text("what it said\n")
    if locked:
        directory.lock_file.write_text("1")
    if status is not None:
        (directory.attempt_dir(1) / "status.json").write_bytes(json.dumps(status))
    return directory


def test_an_end_that_was_never_told_is_told(make_runner, tmp_path, json, logs):
    directory = leave(tmp_path, json, NoopTask(id="done"), status=TaskStatus.success("done"))
    lost = leave(tmp_path, json, NoopTask(id="lost"))
    runner = make_runner()
    heard = []

    def hear(task, status):
        assert (tmp_path / "tasks" / "slot0" / task.id).exists(), "told before its folder goes"
        heard.append((task.id, status.status.value))

    runner.tell_of_earlier_ends(hear)
    runner.start()
    assert runner.restore() == []
    assert sorted(heard) == [("done", "SUCCESS"), ("lost", "FAILED")]
    assert not directory.path.exists()
    assert not lost.path.exists()
    assert b"".join(logs.stream_task_log("lost")) == b"what it said\n"


def test_a_task_whose_peon_had_not_begun_is_started(make_runner, tmp_path, json):
    leave(tmp_path, json, NoopTask(id="fresh", run_time=1), locked=False)
    runner = make_runner()
    runner.start()
    ((task, future),) = runner.restore()
    assert task.id == "fresh"
    assert future.result(60).is_success


def test_what_is_no_task_is_cleared_away(make_runner, tmp_path, json):
    directory = leave(tmp_path, json, NoopTask(id="a"))
    directory.task_file.write_text("{")
    other = leave(tmp_path, json, NoopTask(id="b"))
    other.task_file.write_bytes(json.dumps(NoopTask(id="c")))
    runner = make_runner()
    runner.start()
    assert runner.restore() == []
    assert list(TaskDirs(tmp_path / "tasks").existing()) == []
