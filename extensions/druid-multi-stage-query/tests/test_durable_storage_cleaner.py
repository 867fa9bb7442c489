"""Durable storage is cleaned of what belongs to no running task (behaviour 4.6)."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from nemeton.config import ConfigurationError, JsonConfigurator, Properties
from nemeton.spi import DutySchedule, OverlordDuty
from nemeton_msq.cleaner import DurableStorageCleaner
from nemeton_msq.config import DurableStorageCleanerConfig, DurableStorageConfig

PREFIX = "druid.msq.intermediate.storage"


class Runner:
    """`known` are running tasks and those that have ended lately."""

    def __init__(self, running=(), known=()):
        self.running = running
        self.known = [*running, *known]

    def get_running_tasks(self):
        return [SimpleNamespace(task_id=task) for task in self.running]

    def get_known_tasks(self):
        return [SimpleNamespace(task_id=task) for task in self.known]


@pytest.fixture
def clean(tmp_path):
    def run(runner, stopped=False):
        config = DurableStorageConfig(enable=True, base_path=str(tmp_path))
        cleaner = DurableStorageCleaner(
            config, DurableStorageCleanerConfig(enabled=True), SimpleNamespace(task_runner=runner)
        )
        event = threading.Event()
        if stopped:
            event.set()
        cleaner.run(event)
        return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())

    return run


@pytest.fixture
def files(tmp_path):
    names = [
        "controller_dead/stage_0/worker_0/taskId_w/part_0",
        "controller_dead/stage_0/worker_0/__success",
        "controller_lives/stage_0/worker_0/taskId_w/part_0",
        "controller_ended/stage_1/worker_0/part_0",
        "query-results/controller_dead/stage_1/worker_0/taskId_w/part_0",
        "query-results/controller_ended/stage_1/worker_0/taskId_w/part_0",
        "notes-of-the-operator.txt",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return names


def test_what_belongs_to_no_running_task_goes(clean, files, tmp_path):
    left = clean(Runner(running=["lives"], known=["ended"]))
    assert left == [
        "controller_lives/stage_0/worker_0/taskId_w/part_0",
        "notes-of-the-operator.txt",
        "query-results/controller_ended/stage_1/worker_0/taskId_w/part_0",
    ]
    assert not (tmp_path / "controller_dead").exists()


def test_the_results_of_a_task_go_when_it_is_forgotten(clean, files):
    assert clean(Runner()) == ["notes-of-the-operator.txt"]


@pytest.mark.parametrize(("runner", "stopped"), [(None, False), (Runner(), True)])
def test_nothing_goes_by_who_does_not_lead(clean, files, runner, stopped):
    assert clean(runner, stopped) == sorted(files)


def test_a_folder_that_is_not_there_is_no_fault(clean, tmp_path):
    tmp_path.rmdir()
    assert clean(Runner()) == []


@pytest.mark.parametrize(
    ("properties", "enabled"),
    [
        ({}, False),
        ({"enable": "true", "basePath": "/x"}, False),
        ({"cleaner.enabled": "true"}, False),
        ({"enable": "true", "basePath": "/x", "cleaner.enabled": "true", "cleaner.delaySeconds": "60"}, True),
    ],
)
def test_it_is_off_unless_storage_and_cleaner_are_on(properties, enabled):
    configurator = JsonConfigurator(Properties({f"{PREFIX}.{name}": value for name, value in properties.items()}))
    storage = configurator.configurate(PREFIX, DurableStorageConfig)
    config = configurator.configurate(f"{PREFIX}.cleaner", DurableStorageCleanerConfig)
    cleaner = DurableStorageCleaner(storage, config, SimpleNamespace(task_runner=None))
    assert cleaner.is_enabled == enabled
    delay = 60 if enabled else 86_400
    assert cleaner.schedule == DutySchedule(initial_delay_s=delay, period_s=delay)


@pytest.mark.parametrize(
    ("properties", "problem"),
    [({"enable": "true"}, "basePath"), ({"type": "s3"}, r"\[s3\] is not supported here; the only one is \[local\]")],
)
def test_what_is_not_supported_is_refused_at_start(properties, problem):
    named = {f"{PREFIX}.{name}": value for name, value in properties.items()}
    with pytest.raises(ConfigurationError, match=problem):
        JsonConfigurator(Properties(named)).configurate(PREFIX, DurableStorageConfig)


def test_it_is_a_duty_of_the_overlord_by_the_hook(nemeton_extensions):
    loaded = nemeton_extensions("druid-multi-stage-query")
    assert loaded.registry.get(OverlordDuty, "durableStorageCleaner") is DurableStorageCleaner


def test_an_overlord_starts_with_it(nemeton_cluster, tmp_path):
    cluster = nemeton_cluster(
        properties={
            "druid.extensions.loadList": '["druid-multi-stage-query"]',
            f"{PREFIX}.enable": "true",
            f"{PREFIX}.basePath": str(tmp_path),
            f"{PREFIX}.cleaner.enabled": "true",
        },
        roles=("overlord",),
    )
    made = cluster.process.injectors["overlord"].create(DurableStorageCleaner)
    assert made.is_enabled
    made.run(threading.Event())
