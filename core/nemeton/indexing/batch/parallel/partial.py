"""What the sub tasks that read the input for partitioning by value have in common."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.allocators import SegmentAllocator
from nemeton.indexing.batch.build import SegmentsBuild, analyse
from nemeton.indexing.batch.locks import IntervalLocks
from nemeton.indexing.batch.parallel.messages import GeneratedPartitionsReport
from nemeton.indexing.batch.parallel.sub_task import ReadingSubTask, SubTask
from nemeton.indexing.batch.reports import SubTaskProgress
from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager
from nemeton.indexing.worker.shuffle.partitions import PartitionStat
from nemeton.model import DataSegment
from nemeton.spi.indexing import TaskToolbox
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.partitions.base import Plan
    from nemeton.ingest.partition.analysis import RowAnalysis
    from nemeton.ingest.partition.buckets import Bucketing


@frozen(kw_only=True, slots=False)
class PartialTask(ReadingSubTask):
    """Reads its split of the input (Druid: ``PerfectRollupWorkerTask``)."""

    def __attrs_post_init__(self) -> None:
        if not self.spec.tuning_config.force_guaranteed_rollup:
            raise invalid_input("forceGuaranteedRollup must be set")
        super().__attrs_post_init__()


@frozen(kw_only=True, slots=False)
class AnalysisTask(PartialTask):
    """Looks at the rows of its split."""

    def analyse(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> RowAnalysis:
        """Read the split."""
        from nemeton.ingest.memory import prepare

        prepare()
        return analyse(self.spec.bound(toolbox), toolbox, progress, self.check_stopped)


@frozen(kw_only=True, slots=False)
class GenerateTask(PartialTask):
    """Divides the rows of its split into partial segments, one for each interval and bucket that has rows."""

    def __attrs_post_init__(self) -> None:
        if not self.spec.data_schema.granularity_spec.intervals:
            raise invalid_input("Missing intervals in granularitySpec")
        super().__attrs_post_init__()

    @property
    @abstractmethod
    def plan(self) -> Plan | None:
        """What is known of each interval."""

    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> GeneratedPartitionsReport:
        """See :class:`SubTask`."""
        from nemeton.ingest.memory import prepare

        prepare()
        spec = self.spec.bound(toolbox)
        bucketing = spec.tuning_config.partitions.bucketing(spec.data_schema, self.plan)
        granularity = spec.data_schema.granularity_spec
        locks = IntervalLocks.of(
            self.surrogate(toolbox.action_client), granularity, self.context, appends=False, check=self.check_stopped
        )
        keeper = _Keeper(self, toolbox)
        folder = self.folder_of(toolbox)
        allocator = _BucketAllocator(self.data_source, locks, bucketing)
        SegmentsBuild(spec, toolbox, progress, allocator, keeper.keep, folder, self.check_stopped, bucketing).run()
        return GeneratedPartitionsReport(
            task_id=self.id, partition_stats=keeper.stats, task_report=self.final_report(progress)
        )


@define
class _BucketAllocator(SegmentAllocator):
    """Names partial segments by their bucket; the number of the final segment is for the supervisor task to give."""

    data_source: str
    locks: IntervalLocks
    bucketing: Bucketing

    def prepare(self, intervals: list[Interval]) -> None:
        """The supervisor task has locked them; a lock that was lost meanwhile is noticed."""
        self.locks.lock(intervals)

    def allocate(self, interval: Interval, bucket: int) -> DataSegment:
        """See :class:`SegmentAllocator`."""
        spec = self.bucketing.shard_spec(interval, bucket)
        return DataSegment(self.data_source, interval, self.locks.version(interval), shard_spec=spec)


@define
class _Keeper:
    """Gives partial segments to the intermediary data manager. Called by several threads."""

    task: SubTask
    toolbox: TaskToolbox
    stats: list[PartitionStat] = field(init=False, factory=list)

    def keep(self, folder: Path, segment: DataSegment) -> DataSegment:
        manager = self.toolbox.get(IntermediaryDataManager)  # type: ignore[type-abstract]
        worker = self.toolbox.task_executor_node
        self.stats.append(manager.add_segment(self.task.supervisor_task_id, self.task.id, segment, folder, worker))
        return segment
