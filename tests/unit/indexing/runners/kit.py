"""A runner with workers that only pretend."""

from __future__ import annotations

from typing import Any

from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.local import LocalDiscoveryHub, LocalNodeDiscoveryProvider
from nemeton.emitter import ServiceEmitter
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.runners.base import RunnerParts
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig, RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.http_remote.runner import HttpRemoteTaskRunner
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskStatus
from nemeton.spi.runners import RunnerTaskState, TaskRunner
from nemeton.testkit.waiting import eventually


class RecordingEmitter(ServiceEmitter):
    """Keeps what is emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[tuple[str, float, dict[str, Any]]] = []
        self.alerts: list[tuple[str, dict[str, Any]]] = []

    def emit_metric(self, name: str, value: float, **dims: Any) -> None:
        self.metrics.append((name, value, dims))

    def alert(self, message: str, severity: Any = None, data: Any = None, exception: Any = None) -> None:
        self.alerts.append((message, dict(data or {})))


class FixedBehavior:
    """The worker configuration as a test sets it."""

    def __init__(self, config: WorkerBehaviorConfig | None = None) -> None:
        self.config = config or WorkerBehaviorConfig()

    def current(self) -> WorkerBehaviorConfig:
        return self.config


class MemoryStorage:
    """What the runner asks the task storage."""

    def __init__(self) -> None:
        self.statuses: dict[str, TaskStatus] = {}

    def get_statuses(self, task_ids: Any) -> dict[str, TaskStatus]:
        return {task_id: self.statuses[task_id] for task_id in task_ids if task_id in self.statuses}


class HttpCluster:
    """An Overlord's half: discovery, storage, and runners made over them."""

    def __init__(self, json: Any, clock: Any) -> None:
        self.json = json
        self.clock = clock
        self.hub = LocalDiscoveryHub()
        self.storage = MemoryStorage()
        self.emitter = RecordingEmitter()
        self.behavior = FixedBehavior()
        self.provisioning = NoopProvisioningStrategy()
        self.http = HttpClient(json=json)
        self._executors: list[ScheduledExecutor] = []
        self._runners: list[TaskRunner] = []

    def parts(self, **config: Any) -> RunnerParts:
        return RunnerParts(
            config=RemoteTaskRunnerConfig(**config),
            behavior=self.behavior,
            provisioning=self.provisioning,
            client=WorkerClient(self.http, self.clock),
            emitter=self.emitter,
            clock=self.clock,
        )

    def runner(self, http_config: HttpRemoteTaskRunnerConfig | None = None, **config: Any) -> HttpRemoteTaskRunner:
        executor = ScheduledExecutor("discovery")
        self._executors.append(executor)
        made = HttpRemoteTaskRunner(
            self.parts(**config),
            http_config or HttpRemoteTaskRunnerConfig(),
            LocalNodeDiscoveryProvider(self.hub, executor, self.clock),
            self.storage,
            self.http,
            self.json,
        )
        self._runners.append(made)
        return made

    def close(self) -> None:
        for runner in self._runners:
            runner.stop()
        for executor in self._executors:
            executor.shutdown()
        self.http.close()


def noop(task_id: str, run_time: int = 0, **more: Any) -> NoopTask:
    return NoopTask(id=task_id, run_time=run_time, **more)


def runs(runner: TaskRunner, task_id: str) -> None:
    eventually(lambda: runner.get_runner_task_state(task_id) is RunnerTaskState.RUNNING, f"{task_id} runs")
