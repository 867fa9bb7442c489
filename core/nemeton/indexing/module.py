"""Bindings of the Overlord."""

from __future__ import annotations

from typing import Annotated

from nemeton.discovery.heartbeat import LeaderTags
from nemeton.emitter import ServiceEmitter
from nemeton.emitter.monitors.heartbeat import HeartbeatTags
from nemeton.http.redirect import LeaderRedirect
from nemeton.indexing.overlord.action_clients import OverlordActionToolbox
from nemeton.indexing.overlord.allocation_queue import SegmentAllocationQueue
from nemeton.indexing.overlord.config import DefaultTaskConfig, TaskLockConfig, TaskQueueConfig, TaskStorageConfig
from nemeton.indexing.overlord.duties.executor import OverlordDutyExecutor
from nemeton.indexing.overlord.duties.task_log_cleaner import TaskLogAutoCleanerConfig
from nemeton.indexing.overlord.duties.view import TaskMasterView
from nemeton.indexing.overlord.lockbox import TaskLockbox
from nemeton.indexing.overlord.master import TaskMaster, TaskMasterMember
from nemeton.indexing.overlord.provisioning.module import ProvisioningModule
from nemeton.indexing.overlord.queue_factory import TaskQueueFactory
from nemeton.indexing.overlord.resources.datasources import OverlordDataSourcesResource
from nemeton.indexing.overlord.resources.leader import OverlordLeaderResource
from nemeton.indexing.overlord.resources.locks import LockResource, TaskActionResource
from nemeton.indexing.overlord.resources.supervisors import SupervisorResource
from nemeton.indexing.overlord.resources.task_lists import TaskListResource
from nemeton.indexing.overlord.resources.tasks import TaskResource
from nemeton.indexing.overlord.resources.workers import WorkerConfigResource, WorkerResource
from nemeton.indexing.overlord.runners.module import FleetRunnersModule
from nemeton.indexing.overlord.storage import OVERLORD, TaskStorage
from nemeton.indexing.overlord.task_query import TaskQueryTool
from nemeton.indexing.sampler.resource import SamplerResource
from nemeton.indexing.sampler.sampler import InputSourceSampler
from nemeton.indexing.worker.config import ForkingTaskRunnerConfig
from nemeton.indexing.worker.parent_discovery import PeonParentModule
from nemeton.indexing.worker.shuffle.module import ShuffleModule
from nemeton.inject import Binder, Module, Named
from nemeton.json import Json
from nemeton.lifecycle import Stage
from nemeton.spi.discovery import DruidLeaderSelector
from nemeton.spi.duties import LeadingOverlord
from nemeton.spi.http import Resource
from nemeton.spi.indexing import TaskContextEnricher, TaskRunner
from nemeton.spi.metadata import IndexerMetadataStorageCoordinator

_RESOURCES = (
    TaskResource,
    SupervisorResource,
    TaskListResource,
    LockResource,
    TaskActionResource,
    WorkerResource,
    WorkerConfigResource,
    OverlordLeaderResource,
    OverlordDataSourcesResource,
    SamplerResource,
)


class TaskRunnerModule(Module):
    """``TaskRunner``, chosen by ``druid.indexer.runner.type``, and what the built-in ``local`` needs."""

    def configure(self, binder: Binder) -> None:
        """``druid.indexer.runner.*``, ``druid.worker.*`` and ``druid.indexer.task.*``."""
        binder.bind_config("druid.indexer.runner", ForkingTaskRunnerConfig)
        binder.install(ShuffleModule())
        binder.declare_property("druid.indexer.fork.property.*")
        binder.install(PeonParentModule())
        binder.bind_choice(TaskRunner, "druid.indexer.runner.type", default="local")


class OverlordModule(Module):
    """The role ``overlord``: task master, queue, lockbox, storage, HTTP API."""

    def configure(self, binder: Binder) -> None:
        """``druid.indexer.*`` of the Overlord; it enters the election when its server answers."""
        binder.install(TaskRunnerModule())
        binder.install(ProvisioningModule())
        binder.install(FleetRunnersModule())
        binder.bind_config("druid.indexer.queue", TaskQueueConfig)
        binder.bind_config("druid.indexer.task.default", DefaultTaskConfig)
        binder.bind_config("druid.indexer.tasklock", TaskLockConfig)
        binder.bind_config("druid.indexer.storage", TaskStorageConfig)
        binder.bind(TaskStorage)
        binder.bind(TaskLockbox)
        binder.bind(OverlordActionToolbox, provider=_action_toolbox)
        binder.bind_set(TaskContextEnricher)
        binder.bind_config("druid.indexer.logs.kill", TaskLogAutoCleanerConfig)
        binder.bind(SegmentAllocationQueue)
        members = binder.bind_set(TaskMasterMember)
        members.add(provider=_segment_allocation_member)
        members.add(OverlordDutyExecutor)
        binder.bind(LeadingOverlord, to=TaskMasterView)
        binder.bind(TaskQueryTool)
        binder.bind(InputSourceSampler)
        binder.bind(TaskQueueFactory)
        binder.bind(TaskMaster)
        # after SERVER: whoever leads must answer; before the node is announced, so that nobody asks in vain
        binder.manage_lifecycle(TaskMaster, stage=Stage.ANNOUNCEMENTS)
        binder.bind_set(LeaderRedirect).add(provider=_redirect)
        binder.bind_set(HeartbeatTags).add(provider=_heartbeat_tags)
        resources = binder.bind_set(Resource)
        for resource in _RESOURCES:
            resources.add(resource)


def _action_toolbox(
    lockbox: TaskLockbox,
    metadata: IndexerMetadataStorageCoordinator,
    segment_allocation: SegmentAllocationQueue,
    json: Json,
    emitter: ServiceEmitter,
) -> OverlordActionToolbox:
    acting = metadata.acting_for(OVERLORD)
    return OverlordActionToolbox(
        lockbox=lockbox, metadata=acting, segment_allocation=segment_allocation, json=json, emitter=emitter
    )


def _segment_allocation_member(queue: SegmentAllocationQueue) -> TaskMasterMember:
    """The queue that actions use; a member that is added by its class would be another one."""
    return queue


def _heartbeat_tags(selector: Annotated[DruidLeaderSelector, Named("overlord")]) -> HeartbeatTags:
    return LeaderTags(selector)


def _redirect(selector: Annotated[DruidLeaderSelector, Named("overlord")]) -> LeaderRedirect:
    return LeaderRedirect(
        prefix="/druid/indexer",
        is_leader=selector.is_leader,
        leader=selector.get_current_leader,
        local_paths=["/druid/indexer/v1/leader", "/druid/indexer/v1/isLeader"],
    )
