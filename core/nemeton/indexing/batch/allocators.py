"""Who gives a new segment its id: the task itself, the Overlord, or the supervisor task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.common.errors import invalid_input, runtime_failure
from nemeton.indexing.actions import SegmentAllocateAction
from nemeton.model import BuildingNumberedShardSpec, DataSegment, ShardSpec, TaskLockType
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.locks import IntervalLocks
    from nemeton.indexing.batch.partition_locks import PartitionLocks
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.ingest.schema import DataSchema
    from nemeton.spi.indexing import TaskActionClient
    from nemeton.spi.metadata import SegmentIdWithShardSpec


class SegmentAllocator(ABC):
    """Gives segments their ids. Not thread-safe."""

    @abstractmethod
    def prepare(self, intervals: list[Interval]) -> None:
        """Called before segments of these intervals are allocated: the locks on them must be there."""

    @abstractmethod
    def allocate(self, interval: Interval, bucket: int) -> DataSegment:
        """The next segment of the interval (and of the bucket, where rows are divided by value), without files."""


@define
class ReplacingAllocator(SegmentAllocator):
    """Numbers the segments itself, under the version of the task's own lock. They count when all are published.

    ``bucketing``: how rows are divided by value, where they are; each bucket is one segment then.
    """

    data_source: str
    locks: IntervalLocks
    bucketing: Bucketing | None = None
    _partitions: Counter[Interval] = field(init=False, factory=Counter)

    def prepare(self, intervals: list[Interval]) -> None:
        """Lock what is not locked yet."""
        self.locks.lock(intervals)

    def allocate(self, interval: Interval, bucket: int) -> DataSegment:
        """See :class:`SegmentAllocator`."""
        number = self._partitions[interval]
        self._partitions[interval] += 1
        spec: ShardSpec = BuildingNumberedShardSpec(number)
        if self.bucketing is not None:
            spec = self.bucketing.shard_spec(interval, bucket).convert(number)
        return DataSegment(self.data_source, interval, self.locks.version(interval), shard_spec=spec)


@define
class AppendingAllocator(SegmentAllocator):
    """Asks the Overlord, which numbers across all tasks that append. ``sequence``: asked again, it gives the same.

    With ``partitions`` the locks are on the new partitions alone, which may replace others.
    """

    client: TaskActionClient
    schema: DataSchema
    lock_type: TaskLockType
    sequence: str
    partitions: PartitionLocks | None = None
    _last_id: str | None = field(init=False, default=None)

    def prepare(self, intervals: list[Interval]) -> None:
        """Nothing: the Overlord locks what it allocates."""

    def allocate(self, interval: Interval, bucket: int) -> DataSegment:
        """See :class:`SegmentAllocator`."""
        allocated = self.allocate_after(self._last_id, interval)
        self._last_id = str(allocated.segment_id)
        return segment_of(allocated)

    def allocate_after(self, previous_id: str | None, interval: Interval) -> SegmentIdWithShardSpec:
        """The id that follows in the sequence. Raises when there is none to be had."""
        granularity = self.schema.granularity_spec
        action = SegmentAllocateAction(
            data_source=self.schema.data_source,
            timestamp=interval.start,
            query_granularity=granularity.query_granularity,
            preferred_segment_granularity=granularity.segment_granularity,
            sequence_name=self.sequence,
            previous_segment_id=previous_id,
            skip_segment_lineage_check=False,
            **({"task_lock_type": self.lock_type} if self.partitions is None else self.partitions.request(interval)),
        )
        allocated = self.client.submit(action)
        if allocated is None:
            raise runtime_failure(f"Could not allocate a segment for the interval [{interval}]")
        if not allocated.interval.contains(interval):
            raise invalid_input(
                f"The interval [{interval}] has segments of a finer granularity, such as [{allocated.interval}]; "
                f"append with that segmentGranularity instead of [{granularity.segment_granularity}]"
            )
        return allocated


def segment_of(allocated: SegmentIdWithShardSpec) -> DataSegment:
    """The segment that an id was allocated for, without columns, size and load spec."""
    return DataSegment(allocated.data_source, allocated.interval, allocated.version, shard_spec=allocated.shard_spec)
