"""Bindings of the roles that run tasks for an Overlord."""

from __future__ import annotations

from pathlib import Path

from nemeton.config import Properties
from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.indexing.worker.chat import ChatHandlerRegistry, ChatResource, IndexerChatHandlers
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig, WorkerConfig
from nemeton.indexing.worker.curator_coordinator import WorkerCuratorCoordinator
from nemeton.indexing.worker.forking import ForkingTaskRunner
from nemeton.indexing.worker.monitors import WorkerTags
from nemeton.indexing.worker.parent_discovery import PeonParentModule
from nemeton.indexing.worker.resources import TaskManagementResource, WorkerResource
from nemeton.indexing.worker.shuffle.module import ShuffleModule
from nemeton.indexing.worker.stats import IndexerTaskCountStats, WorkerTaskCountStats
from nemeton.indexing.worker.task_files import WorkerTaskFiles
from nemeton.indexing.worker.task_manager import WorkerTaskManager
from nemeton.indexing.worker.task_monitor import WorkerTaskMonitor
from nemeton.indexing.worker.threading_runner import ThreadingTaskRunner
from nemeton.indexing.worker.toolboxes import TaskToolboxFactory
from nemeton.inject import Binder, Injector, Module
from nemeton.json import Json
from nemeton.lifecycle import Stage
from nemeton.lookups.module import LookupModule
from nemeton.model import DruidNode, DruidService, Worker, WorkerNodeService
from nemeton.spi.http import Resource
from nemeton.spi.indexing import TaskConfig, TaskRunner


class WorkerModule(Module):
    """What MiddleManagers and Indexers have in common: a task manager, its resources, their announcement."""

    def configure(self, binder: Binder) -> None:
        """``druid.worker.*`` and ``druid.indexer.task.*``; ``workerNodeService`` in the node's announcement."""
        binder.install(ShuffleModule())
        binder.bind(Worker, provider=_worker)
        binder.bind(WorkerTaskFiles, provider=_task_files)
        binder.bind(WorkerTaskManager)
        binder.manage_lifecycle(WorkerTaskManager)
        binder.bind(WorkerCuratorCoordinator)
        binder.bind(WorkerTaskMonitor)
        # when the server answers: an Overlord that gives it a task may ask for its log, or want to stop it
        binder.manage_lifecycle(WorkerTaskMonitor, stage=Stage.ANNOUNCEMENTS)
        binder.bind_set(HeartbeatTags).add(WorkerTags)
        binder.bind_set(Resource).add(TaskManagementResource).add(WorkerResource)
        binder.bind_map(DruidService).add(WorkerNodeService.NAME, provider=_worker_node_service)


class MiddleManagerModule(Module):
    """The role ``middleManager``: runs each task in a peon."""

    def configure(self, binder: Binder) -> None:
        """``druid.indexer.runner.*`` of the runner that forks; which runner the Overlord has makes no difference."""
        binder.install(WorkerModule())
        binder.install(PeonParentModule())
        binder.bind_config("druid.indexer.runner", ForkingTaskRunnerConfig)
        binder.declare_property("druid.indexer.runner.type")
        binder.declare_property("druid.indexer.fork.property.*")
        binder.bind(TaskRunner, to=ForkingTaskRunner)
        binder.bind(WorkerTaskCountStats)


class IndexerModule(Module):
    """The role ``indexer``: runs all tasks in its own process."""

    def configure(self, binder: Binder) -> None:
        """``druid.worker.*``; of ``druid.indexer.runner.*`` only how long a task may take to stop."""
        binder.install(WorkerModule())
        binder.install(LookupModule())
        binder.bind_config("druid.indexer.runner", ForkingTaskRunnerConfig)
        binder.declare_property("druid.indexer.runner.type")
        binder.declare_property("druid.indexer.fork.property.*")
        binder.bind(TaskRunner, to=ThreadingTaskRunner)
        binder.bind(TaskToolboxFactory, provider=_toolboxes)
        binder.bind(ChatHandlerRegistry)
        binder.bind(IndexerChatHandlers)
        binder.bind_set(Resource).add(ChatResource)
        binder.bind(IndexerTaskCountStats)


def _toolboxes(injector: Injector, config: TaskConfig, properties: Properties) -> TaskToolboxFactory:
    return TaskToolboxFactory(injector, config, dict(properties))


def _worker(node: DruidNode, config: WorkerConfig) -> Worker:
    return Worker(
        node.service_scheme,
        node.host_and_port_to_use,
        config.ip,
        config.capacity,
        config.version,
        config.category,
    )


def _worker_node_service(config: WorkerConfig) -> DruidService:
    return WorkerNodeService(config.ip, config.capacity, config.version, config.category)


def _task_files(config: TaskConfig, json: Json) -> WorkerTaskFiles:
    return WorkerTaskFiles(Path(config.task_dir_root), json)
