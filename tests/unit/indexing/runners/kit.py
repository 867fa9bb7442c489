"""A runner with workers that only pretend."""

from __future__ import annotations

from typing import Any

from kazoo.client import KazooClient
from tests.servers.fake_worker import FakeFleet, FakeZkWorker
from tests.unit.recording_emitter import RecordingEmitter

from nemeton.common.clock import SystemClock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.local import LocalDiscoveryHub, LocalNodeDiscoveryProvider
from nemeton.discovery.zookeeper.config import CuratorConfig, IndexerZkConfig, ZkPathsConfig
from nemeton.discovery.zookeeper.connection import ZooKeeper
from nemeton.http.auth import NoopEscalator
from nemeton.http.client import HttpClient
from nemeton.indexing.overlord.provisioning.noop import NoopProvisioningStrategy
from nemeton.indexing.overlord.runners.base import RunnerParts
from nemeton.indexing.overlord.runners.config import HttpRemoteTaskRunnerConfig, RemoteTaskRunnerConfig
from nemeton.indexing.overlord.runners.http_remote.runner import HttpRemoteTaskRunner
from nemeton.indexing.overlord.runners.remote.runner import RemoteTaskRunner
from nemeton.indexing.overlord.runners.worker_client import WorkerClient
from nemeton.indexing.overlord.storage import TaskInfo
from nemeton.indexing.overlord.strategies import WorkerBehaviorConfig
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.model import TaskStatus
from nemeton.spi.discovery import DruidNodeDiscoveryProvider
from nemeton.spi.runners import RunnerTaskState, TaskRunner
from nemeton.testkit.waiting import eventually


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

    def get_active_infos(self) -> list[TaskInfo]:
        return [
            TaskInfo(id=task_id, created_time=0, data_source="ds", status=status)
            for task_id, status in self.statuses.items()
            if status.is_running
        ]

    def get_statuses(self, task_ids: Any) -> dict[str, TaskStatus]:
        return {task_id: self.statuses[task_id] for task_id in task_ids if task_id in self.statuses}


class Cluster:
    """An Overlord's half without the workers."""

    def __init__(self, json: Any, clock: Any) -> None:
        self.json = json
        self.clock = clock
        self.emitter = RecordingEmitter()
        self.behavior = FixedBehavior()
        self.provisioning = NoopProvisioningStrategy()
        self.http = HttpClient(json=json)
        self.runners: list[TaskRunner] = []

    def parts(self, **config: Any) -> RunnerParts:
        return RunnerParts(
            config=RemoteTaskRunnerConfig(**config),
            behavior=self.behavior,
            provisioning=self.provisioning,
            client=WorkerClient(self.http, self.clock),
            emitter=self.emitter,
            clock=self.clock,
        )

    def close(self) -> None:
        for runner in self.runners:
            runner.stop()
        self.http.close()


class HttpCluster(Cluster):
    """With discovery and storage, and runners ``httpRemote`` made over them."""

    def __init__(self, json: Any, clock: Any) -> None:
        super().__init__(json, clock)
        self.hub = LocalDiscoveryHub()
        self.storage = MemoryStorage()
        self._executors: list[ScheduledExecutor] = []

    def runner(
        self,
        http_config: HttpRemoteTaskRunnerConfig | None = None,
        discovery: DruidNodeDiscoveryProvider | None = None,
        zookeeper: ZooKeeper | None = None,
        **config: Any,
    ) -> HttpRemoteTaskRunner:
        executor = ScheduledExecutor("discovery")
        self._executors.append(executor)
        made = HttpRemoteTaskRunner(
            self.parts(**config),
            http_config or HttpRemoteTaskRunnerConfig(),
            discovery or LocalNodeDiscoveryProvider(self.hub, executor, self.clock),
            self.storage,
            zookeeper or ZooKeeper(CuratorConfig(), ZkPathsConfig(), IndexerZkConfig(), self.clock),
            NoopEscalator(),
            self.json,
        )
        self.runners.append(made)
        return made

    def close(self) -> None:
        super().close()
        for executor in self._executors:
            executor.shutdown()


class ZkCluster(Cluster):
    """With ZooKeeper below a base path of its own, and runners ``remote`` made over it."""

    def __init__(self, json: Any, clock: Any, connect_string: str, base: str) -> None:
        super().__init__(json, clock)
        self.base = base
        self._connect_string = connect_string
        self.zookeepers: list[ZooKeeper] = []
        self.client = KazooClient(connect_string, timeout=10)
        self.client.start(10)

    def runner(self, session_ms: int = 10_000, **config: Any) -> RemoteTaskRunner:
        settings = CuratorConfig(host=self._connect_string, session_timeout_ms=session_ms)
        zookeeper = ZooKeeper(settings, ZkPathsConfig(base=self.base), IndexerZkConfig(), SystemClock())
        self.zookeepers.append(zookeeper)
        made = RemoteTaskRunner(self.parts(**config), zookeeper, self.json)
        self.runners.append(made)
        return made

    def add_worker(self, fleet: FakeFleet, **settings: Any) -> FakeZkWorker:
        worker = FakeZkWorker(fleet.add_worker(**settings), self.client, f"{self.base}/indexer")
        worker.start()
        return worker

    def nodes(self, kind: str, host: str) -> set[str]:
        """The task ids with a node of this kind."""
        path = f"{self.base}/indexer/{kind}/{host}"
        return set(self.client.get_children(path)) if self.client.exists(path) else set()

    def close(self) -> None:
        super().close()
        for zookeeper in self.zookeepers:
            zookeeper.stop()
        self.client.stop()
        self.client.close()


def noop(task_id: str, run_time: int = 0, **more: Any) -> NoopTask:
    return NoopTask(id=task_id, run_time=run_time, **more)


def runs(runner: TaskRunner, task_id: str) -> None:
    eventually(lambda: runner.get_runner_task_state(task_id) is RunnerTaskState.RUNNING, f"{task_id} runs")


def lost(runner: TaskRunner, host: str) -> None:
    """Wait until the worker's clean-up is scheduled."""
    eventually(lambda: host in runner._life.cleanups.hosts and not runner.get_workers(), "the worker is gone")


def result(future: Any, patience_s: float = 20) -> Any:
    return future.result(patience_s)
