"""Dynamic partitioning: each sub task makes whole segments of its part of the input."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.indexing.batch import reports
from nemeton.indexing.batch.allocators import AppendingAllocator, SegmentAllocator, segment_of
from nemeton.indexing.batch.build import SegmentsBuild
from nemeton.indexing.batch.locks import lock_type_of
from nemeton.indexing.batch.parallel.messages import PushedSegmentsReport, SegmentAllocationRequest
from nemeton.indexing.batch.parallel.sub_task import ReadingSubTask
from nemeton.indexing.batch.parallel.supervisor import ParallelJob, pushed_segments
from nemeton.indexing.batch.parallel.supervisor_client import SupervisorTaskClient
from nemeton.indexing.batch.partition_locks import PartitionLocks
from nemeton.indexing.batch.reports import SubTaskProgress
from nemeton.indexing.batch.spec import IndexIngestionSpec
from nemeton.model import BuildingNumberedShardSpec, DataSegment
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.spi.metadata import SegmentIdWithShardSpec
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.spi.indexing import Task


@json_type("single_phase_sub_task")
@frozen(kw_only=True, slots=False)
class SinglePhaseSubTask(ReadingSubTask):
    """Reads its split, pushes segments and reports them (Druid: ``SinglePhaseSubTask``)."""

    def __attrs_post_init__(self) -> None:
        if self.spec.tuning_config.force_guaranteed_rollup:
            raise unsupported("Guaranteed rollup is not supported (single_phase_sub_task)")
        super().__attrs_post_init__()

    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> PushedSegmentsReport:
        """See :class:`SubTask`."""
        from nemeton.ingest.memory import prepare

        prepare()
        spec, push = self.spec.bound(toolbox), toolbox.data_segment_pusher.push
        build = SegmentsBuild(
            spec, toolbox, progress, self._allocator(toolbox), push, self.folder_of(toolbox), self.check_stopped
        )
        pushed = build.run()
        return PushedSegmentsReport(task_id=self.id, segments=pushed, task_report=self.final_report(progress))

    def _allocator(self, toolbox: TaskToolbox) -> SegmentAllocator:
        if not self.spec.io_config.append_to_existing:
            return SupervisedAllocator(self.supervisor(toolbox), self.sequence_name)
        client = self.surrogate(toolbox.action_client)
        kind = lock_type_of(self.context, appends=True)
        partitions = PartitionLocks.take(client, self, self.spec)
        return AppendingAllocator(client, self.spec.data_schema, kind, self.sequence_name, partitions)


@define
class SupervisedAllocator(SegmentAllocator):
    """Asks the supervisor task, which numbers the segments of all its sub tasks under its own locks."""

    supervisor: SupervisorTaskClient
    sequence: str
    _last_id: str | None = field(init=False, default=None)

    def prepare(self, intervals: list[Interval]) -> None:
        """Nothing: the supervisor task locks what it allocates."""

    def allocate(self, interval: Interval, bucket: int) -> DataSegment:
        """See :class:`SegmentAllocator`."""
        asked = SegmentAllocationRequest(
            timestamp=interval.start, sequence_name=self.sequence, prev_segment_id=self._last_id
        )
        allocated = self.supervisor.allocate(asked)
        self._last_id = str(allocated.segment_id)
        return segment_of(allocated)


@define
class SinglePhaseJob(ParallelJob):
    """One phase: segments are built and pushed by the sub tasks, numbered here, published together."""

    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _counts: Counter[Interval] = field(init=False, factory=Counter)
    _sequences: dict[str, list[SegmentIdWithShardSpec]] = field(init=False, factory=dict)

    def push_segments(self) -> list[DataSegment]:
        """See :class:`ParallelJob`."""
        self.progress.state = reports.BUILD_SEGMENTS
        phase = self.run_phase("segment generation", self.split_specs(self.spec, self._sub_task))
        self.progress.keep()
        return pushed_segments(phase.reports.values())

    def _sub_task(self, spec_id: str, attempt: int, own: IndexIngestionSpec) -> Task:
        return SinglePhaseSubTask(spec=own, **self.common_fields(spec_id, attempt))

    def allocate(self, request: SegmentAllocationRequest) -> SegmentIdWithShardSpec:
        """The id after ``prev_segment_id`` in the sequence: given before, or a new one. Thread-safe."""
        interval = self._interval(request.timestamp)
        if self.partitions is not None:
            client, schema, sequence = self.toolbox.action_client, self.spec.data_schema, request.sequence_name
            allocator = AppendingAllocator(client, schema, self.locks.kind, sequence, self.partitions)
            return allocator.allocate_after(request.prev_segment_id, interval)
        with self._lock:
            given = self._sequences.setdefault(request.sequence_name, [])
            place = _place_after(given, request)
            if place < len(given):
                return given[place]
            self.locks.lock([interval])
            number = self._counts[interval]
            self._counts[interval] += 1
            data_source = self.spec.data_schema.data_source
            version = self.locks.version(interval)
            new = SegmentIdWithShardSpec(data_source, interval, version, BuildingNumberedShardSpec(number))
            given.append(new)
            return new

    def _interval(self, timestamp: int) -> Interval:
        import numpy as np

        granularity = self.spec.data_schema.granularity_spec
        times = np.array([timestamp], dtype=np.int64)
        if granularity.inside(times) is not None:
            raise invalid_input(f"Could not find interval for timestamp [{timestamp}]")
        return granularity.bucket(int(granularity.bucket_starts(times)[0]))


def _place_after(given: list[SegmentIdWithShardSpec], request: SegmentAllocationRequest) -> int:
    if request.prev_segment_id is None:
        return 0
    for place, segment in enumerate(given):
        if str(segment) == request.prev_segment_id:
            return place + 1
    raise invalid_input(
        f"Can't find previously allocated segmentId[{request.prev_segment_id}] for sequence[{request.sequence_name}]"
    )
