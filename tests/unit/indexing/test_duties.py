"""Duties of the leading Overlord (behaviours 7.8 and 4.6), and the cleaner of task logs."""

import contextlib
import os
import threading

import pytest
from attrs import frozen
from tests.unit.recording_emitter import RecordingEmitter

from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.duties.executor import OverlordDutyExecutor
from nemeton.indexing.overlord.duties.task_log_cleaner import TaskLogAutoCleaner, TaskLogAutoCleanerConfig
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.inject import Injector, Module
from nemeton.model import TaskStatus
from nemeton.plugins import TypeRegistry, json_type
from nemeton.spi.duties import DutySchedule, OverlordDuty
from nemeton.storage.config import FileTaskLogsConfig
from nemeton.storage.task_logs import FileTaskLogs
from nemeton.testkit.waiting import eventually

HOUR_MS = 3600 * 1000


@frozen
class Diary:
    """What the duties of a test note, by name."""

    runs: list


class Duty(OverlordDuty):
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    schedule = DutySchedule(initial_delay_s=10, period_s=60)

    def run(self, stopped):
        self.diary.runs.append((type(self).__name__, threading.current_thread().name))


@json_type("first")
class First(Duty):
    pass


@json_type("failing")
class Failing(Duty):
    def run(self, stopped):
        super().run(stopped)
        raise OSError("always")


@json_type("off")
class Off(Duty):
    is_enabled = False


@json_type("unmakeable")
class Unmakeable(Duty):
    def __init__(self, diary: Diary) -> None:
        raise ValueError("cannot be made")


@pytest.fixture
def diary():
    return Diary([])


@pytest.fixture
def executor_of(diary, clock):
    made = []

    class DiaryModule(Module):
        def configure(self, binder):
            binder.bind(Diary, instance=diary)

    def make(*classes):
        registry = TypeRegistry()
        for cls in classes:
            registry.add("overlord_duties", cls)
        made.append(OverlordDutyExecutor(registry, Injector([DiaryModule()]), RecordingEmitter(), clock))
        return made[-1]

    yield make
    for executor in made:
        executor.stop()


def runs(diary):
    return [name for name, _ in diary.runs]


def test_duties_run_on_one_thread_from_the_leaderships_beginning_to_its_end(executor_of, diary, clock):
    executor = executor_of(First, Failing, Off)
    assert runs(diary) == []
    executor.start()
    clock.advance(10)
    eventually(lambda: len(diary.runs) == 2, "both have run")
    executor.stop()
    clock.advance(1000)
    assert sorted(runs(diary)) == ["Failing", "First"]
    executor.start()  # it leads again: the schedule begins anew
    clock.advance(9)
    assert len(diary.runs) == 2
    clock.advance(1)
    eventually(lambda: len(diary.runs) == 4, "both have run again")
    assert {thread for _, thread in diary.runs} == {"overlord-duties"}


def test_a_duty_that_fails_runs_again_at_its_time(executor_of, diary, clock, caplog):
    executor = executor_of(Failing)
    executor.start()
    for number in (1, 2, 3):
        clock.advance(61)
        eventually(lambda: len(diary.runs) == number, "it has run")  # noqa: B023
    assert "[failing] failed" in caplog.text


def test_a_duty_that_cannot_be_made_is_an_alert_and_no_obstacle(executor_of, diary, clock):
    executor = executor_of(First, Unmakeable)
    executor.start()
    assert executor._emitter.alerts == [("The Overlord duty [unmakeable] cannot be scheduled", {})]
    clock.advance(10)
    eventually(lambda: runs(diary) == ["First"], "the other has run")


def test_a_long_run_is_told_that_the_leadership_is_over(executor_of, diary, clock):
    @json_type("long")
    class Long(Duty):
        def run(self, stopped):
            diary.runs.append(("begun", ""))
            assert stopped.wait(20)
            diary.runs.append(("over", ""))

    executor = executor_of(Long)
    executor.start()
    clock.advance(10)
    eventually(lambda: runs(diary) == ["begun"], "it runs")
    executor.stop()
    assert runs(diary) == ["begun", "over"]


def test_stop_without_start_and_start_twice(executor_of, diary, clock):
    executor = executor_of(First)
    executor.stop()
    executor.start()
    executor.start()
    clock.advance(10)
    eventually(lambda: runs(diary) == ["First"], "once")


# ---- the cleaner of task logs


@pytest.fixture
def logs(tmp_path):
    return FileTaskLogs(FileTaskLogsConfig(directory=str(tmp_path / "logs")))


@pytest.fixture
def cleaner_of(logs, storage, clock):
    return lambda **config: TaskLogAutoCleaner(TaskLogAutoCleanerConfig(**config), logs, storage, clock)


def submit(storage, task_id, ended=True):
    storage.insert(NoopTask(id=task_id), TaskStatus.running(task_id))
    if ended:
        storage.set_status(TaskStatus.success(task_id))


def push_log(logs, tmp_path, task_id, at_ms):
    source = tmp_path / "source"
    source.write_text("hello")
    logs.push_task_log(task_id, source)
    os.utime(tmp_path / "logs" / f"{task_id}.log", (at_ms / 1000, at_ms / 1000))


def test_old_logs_and_rows_of_ended_tasks_go_and_others_stay(cleaner_of, storage, logs, clock, tmp_path):
    submit(storage, "old")
    submit(storage, "old-and-running", ended=False)
    push_log(logs, tmp_path, "old", clock.now())
    clock.advance(3600)
    submit(storage, "new")
    push_log(logs, tmp_path, "new", clock.now())
    clock.advance(60)
    cleaner_of(enabled=True, duration_to_retain=HOUR_MS).run(threading.Event())
    assert storage.get_status("old") is None
    assert logs.stream_task_log("old") is None
    assert storage.get_status("old-and-running").is_running
    assert storage.get_status("new").is_success
    assert logs.stream_task_log("new") is not None


def test_rows_stay_when_the_leadership_ends_meanwhile(cleaner_of, storage, clock):
    submit(storage, "old")
    clock.advance(3601)
    stopped = threading.Event()
    stopped.set()
    cleaner_of(enabled=True, duration_to_retain=HOUR_MS).run(stopped)
    assert storage.get_status("old") is not None


def test_it_is_off_unless_asked_for_and_its_times_are_druids(cleaner_of):
    assert not cleaner_of().is_enabled
    schedule = cleaner_of().schedule
    assert 60 <= schedule.initial_delay_s < 300
    assert schedule.period_s == 6 * 3600
    given = cleaner_of(enabled=True, duration_to_retain=1, initial_delay=5, delay=2000)
    assert given.is_enabled
    assert given.schedule == DutySchedule(initial_delay_s=0.005, period_s=2)


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"enabled": "true"}, "'durationToRetain' must be provided"),
        ({"enabled": "true", "durationToRetain": "0"}, "durationToRetain|duration_to_retain"),
        ({"delay": "0"}, "delay"),
        ({"initialDelay": "-1"}, "initialDelay|initial_delay"),
    ],
)
def test_what_cannot_be_is_refused(properties, problem):
    named = {f"druid.indexer.logs.kill.{name}": value for name, value in properties.items()}
    with pytest.raises(ConfigurationError, match=problem):
        JsonConfigurator(Properties(named)).configurate("druid.indexer.logs.kill", TaskLogAutoCleanerConfig)


def test_core_brings_the_cleaner_through_the_hook(extensions):
    assert extensions.registry.get(OverlordDuty, "taskLogAutoCleaner") is TaskLogAutoCleaner


def test_a_leading_overlord_forgets_old_tasks_by_itself(nemeton_cluster):
    kill = {"enabled": "true", "initialDelay": "300", "delay": "300", "durationToRetain": "1500"}
    properties = {f"druid.indexer.logs.kill.{name}": value for name, value in kill.items()}
    cluster = nemeton_cluster(properties={"druid.extensions.loadList": "[]", **properties}, roles=("overlord",))
    tasks = f"{cluster.url('overlord')}/druid/indexer/v1/task"
    with contextlib.closing(HttpClient()) as http:
        noop = {"type": "noop", "id": "short", "dataSource": "ds", "runTime": 0}
        eventually(lambda: http.request("POST", tasks, json=noop).status == 200, "it leads, and takes the task")
        eventually(lambda: http.request("GET", f"{tasks}/short/status").status == 404, "the task is forgotten")
