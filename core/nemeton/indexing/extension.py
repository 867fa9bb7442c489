"""Core's own task types, actions, runners and strategies; through the hooks, like anybody's."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy

_ALLOCATION = "nemeton.indexing.actions.allocation"
_LOCKS = "nemeton.indexing.actions.locks"
_SEGMENTS = "nemeton.indexing.actions.segments"
_SHUFFLE = "nemeton.indexing.worker.shuffle"
_PUBLISH = "nemeton.indexing.actions.publish"
_STATUS = "nemeton.indexing.actions.status"
_STREAMS = "nemeton.indexing.actions.streams"
_PARALLEL = "nemeton.indexing.batch.parallel"
_PARTITIONS = "nemeton.indexing.batch.partitions"
_PROVISIONING = "nemeton.indexing.overlord.provisioning"
_STRATEGIES = "nemeton.indexing.overlord.strategies"


@hookimpl
def task_types() -> list[type | LazyType]:
    """noop, those that clear up, and the batch tasks."""
    return [
        lazy("index", "nemeton.indexing.batch.task:IndexTask"),
        lazy("index_parallel", "nemeton.indexing.batch.task:ParallelIndexSupervisorTask"),
        lazy("compact", "nemeton.indexing.compact.task:CompactionTask"),
        lazy("noop", "nemeton.indexing.tasks.noop:NoopTask"),
        lazy("kill", "nemeton.indexing.tasks.kill:KillUnusedSegmentsTask"),
        lazy("move", "nemeton.indexing.tasks.moves:MoveTask"),
        lazy("archive", "nemeton.indexing.tasks.moves:ArchiveTask"),
        lazy("restore", "nemeton.indexing.tasks.moves:RestoreTask"),
        lazy("single_phase_sub_task", f"{_PARALLEL}.single_phase:SinglePhaseSubTask"),
        lazy("partial_dimension_cardinality", f"{_PARALLEL}.hashed:PartialDimensionCardinalityTask"),
        lazy("partial_index_generate", f"{_PARALLEL}.hashed:PartialHashSegmentGenerateTask"),
        lazy("partial_dimension_distribution", f"{_PARALLEL}.ranges:PartialDimensionDistributionTask"),
        lazy("partial_range_index_generate", f"{_PARALLEL}.ranges:PartialRangeSegmentGenerateTask"),
        lazy("partial_index_generic_merge", f"{_PARALLEL}.merge:PartialGenericSegmentMergeTask"),
    ]


@hookimpl
def partitions_specs() -> list[type | LazyType]:
    """Druid's partitionsSpecs."""
    return [
        lazy("dynamic", f"{_PARTITIONS}.dynamic:DynamicPartitionsSpec"),
        lazy("hashed", f"{_PARTITIONS}.hashed:HashedPartitionsSpec"),
        lazy("range", f"{_PARTITIONS}.ranges:DimensionRangePartitionsSpec"),
        lazy("single_dim", f"{_PARTITIONS}.ranges:SingleDimensionPartitionsSpec", "dimension"),
    ]


@hookimpl
def sampler_specs() -> list[type | LazyType]:
    """Inputs of batch ingestion."""
    return [lazy("index", "nemeton.indexing.sampler.spec:IndexTaskSamplerSpec")]


@hookimpl
def compaction_runners() -> list[type | LazyType]:
    """Batch ingestion."""
    return [lazy("native", "nemeton.indexing.compact.runner:NativeCompactionRunner")]


@hookimpl
def compaction_input_specs() -> list[type | LazyType]:
    """By interval, and by name."""
    return [
        lazy("interval", "nemeton.indexing.compact.inputs:CompactionIntervalSpec"),
        lazy("segments", "nemeton.indexing.compact.inputs:SpecificSegmentsSpec"),
    ]


@hookimpl
def task_actions() -> list[type | LazyType]:
    """All actions of Druid 33."""
    return [
        lazy("lockList", f"{_LOCKS}:LockListAction"),
        lazy("lockTryAcquire", f"{_LOCKS}:LockTryAcquireAction"),
        lazy("lockAcquire", f"{_LOCKS}:LockAcquireAction"),
        lazy("lockRelease", f"{_LOCKS}:LockReleaseAction"),
        lazy("segmentLockTryAcquire", f"{_LOCKS}:SegmentLockTryAcquireAction"),
        lazy("segmentLockAcquire", f"{_LOCKS}:SegmentLockAcquireAction"),
        lazy("segmentListUsed", f"{_SEGMENTS}:RetrieveUsedSegmentsAction"),
        lazy("segmentListUnused", f"{_SEGMENTS}:RetrieveUnusedSegmentsAction"),
        lazy("retrieveSegmentsById", f"{_SEGMENTS}:RetrieveSegmentsByIdAction"),
        lazy("segmentAllocate", f"{_ALLOCATION}:SegmentAllocateAction"),
        lazy("segmentTransactionalInsert", f"{_PUBLISH}:SegmentTransactionalInsertAction"),
        lazy("segmentTransactionalAppend", f"{_PUBLISH}:SegmentTransactionalAppendAction"),
        lazy("segmentTransactionalReplace", f"{_PUBLISH}:SegmentTransactionalReplaceAction"),
        lazy("segmentNuke", f"{_PUBLISH}:SegmentNukeAction"),
        lazy("segmentMetadataUpdate", f"{_PUBLISH}:SegmentMetadataUpdateAction"),
        lazy("markSegmentsAsUnused", f"{_SEGMENTS}:MarkSegmentsAsUnusedAction"),
        lazy("retrieveUpgradedFromSegmentIds", f"{_SEGMENTS}:RetrieveUpgradedFromSegmentIdsAction"),
        lazy("retrieveUpgradedToSegmentIds", f"{_SEGMENTS}:RetrieveUpgradedToSegmentIdsAction"),
        lazy("checkPointDataSourceMetadata", f"{_STREAMS}:CheckPointDataSourceMetadataAction"),
        lazy("resetDataSourceMetadata", f"{_STREAMS}:ResetDataSourceMetadataAction"),
        lazy("updateStatus", f"{_STATUS}:UpdateStatusAction"),
        lazy("updateLocation", f"{_STATUS}:UpdateLocationAction"),
        lazy("surrogateAction", f"{_STATUS}:SurrogateAction"),
    ]


@hookimpl
def discoveries() -> list[type | LazyType]:
    """How peons find the masters."""
    return [lazy("parent", "nemeton.indexing.worker.parent_discovery:ParentDiscovery")]


@hookimpl
def input_sources() -> list[type | LazyType]:
    """What data sources hold already."""
    return [lazy("druid", "nemeton.indexing.input.druid:DruidInputSource")]


@hookimpl
def intermediary_data_managers() -> list[type | LazyType]:
    """On the workers' disks, or in deep storage."""
    return [
        lazy("local", f"{_SHUFFLE}.local:LocalIntermediaryDataManager"),
        lazy("deepstore", f"{_SHUFFLE}.deep:DeepStorageIntermediaryDataManager"),
    ]


@hookimpl
def task_runners() -> list[type | LazyType]:
    """The runner that needs no other process to be there, and those whose workers are other processes."""
    return [
        lazy("local", "nemeton.indexing.worker.forking:ForkingTaskRunner"),
        lazy("remote", "nemeton.indexing.overlord.runners.remote.runner:RemoteTaskRunner"),
        lazy("httpRemote", "nemeton.indexing.overlord.runners.http_remote.runner:HttpRemoteTaskRunner"),
    ]


@hookimpl
def worker_select_strategies() -> list[type | LazyType]:
    """Druid's strategies; ``javascript`` only to refuse it."""
    spread, fill = f"{_STRATEGIES}.distribution:EqualDistribution", f"{_STRATEGIES}.distribution:FillCapacity"
    return [
        lazy("equalDistribution", f"{spread}WorkerSelectStrategy"),
        lazy("equalDistributionWithAffinity", f"{spread}WithAffinityWorkerSelectStrategy"),
        lazy("equalDistributionWithCategorySpec", f"{spread}WithCategorySpecWorkerSelectStrategy"),
        lazy("fillCapacity", f"{fill}WorkerSelectStrategy"),
        lazy("fillCapacityWithAffinity", f"{fill}WithAffinityWorkerSelectStrategy"),
        lazy("fillCapacityWithCategorySpec", f"{fill}WithCategorySpecWorkerSelectStrategy"),
        lazy("javascript", f"{_STRATEGIES}.javascript:JavaScriptWorkerSelectStrategy"),
    ]


@hookimpl
def provisioning_strategies() -> list[type | LazyType]:
    """Druid's strategies."""
    return [
        lazy("noop", f"{_PROVISIONING}.noop:NoopProvisioningStrategy"),
        lazy("simple", f"{_PROVISIONING}.simple:SimpleWorkerProvisioningStrategy"),
        lazy("pendingTaskBased", f"{_PROVISIONING}.pending_tasks:PendingTaskBasedWorkerProvisioningStrategy"),
    ]


@hookimpl
def autoscalers() -> list[type | LazyType]:
    """The one that only logs, and the one that starts workers on the Overlord's machine."""
    return [
        lazy("noop", f"{_PROVISIONING}.noop:NoopAutoScaler", "NoopAutoScaler"),
        lazy("local", f"{_PROVISIONING}.local.autoscaler:LocalAutoScaler"),
    ]


@hookimpl
def monitors() -> list[type | LazyType]:
    """Those of tasks and slots; the second names are Druid's."""
    overlord, worker = "nemeton.indexing.overlord.monitors", "nemeton.indexing.worker.monitors"
    return [
        lazy("taskCount", f"{overlord}:TaskCountStatsMonitor", "TaskCountStatsMonitor"),
        lazy("taskSlotCount", f"{overlord}:TaskSlotCountStatsMonitor", "TaskSlotCountStatsMonitor"),
        lazy("shuffle", f"{_SHUFFLE}.metrics:ShuffleMonitor", "ShuffleMonitor"),
        lazy("workerTaskCount", f"{worker}:WorkerTaskCountStatsMonitor", "WorkerTaskCountStatsMonitor"),
    ]


@hookimpl
def overlord_duties() -> list[type | LazyType]:
    """The cleaner of task logs."""
    return [lazy("taskLogAutoCleaner", "nemeton.indexing.overlord.duties.task_log_cleaner:TaskLogAutoCleaner")]
