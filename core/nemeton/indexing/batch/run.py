"""One run of a batch task that does all of its work itself: read, build, push, publish."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from nemeton.indexing.batch.allocators import AppendingAllocator, ReplacingAllocator, SegmentAllocator
from nemeton.indexing.batch.build import SegmentsBuild, analyse
from nemeton.indexing.batch.job import BatchJob
from nemeton.indexing.batch.locks import IntervalLocks
from nemeton.indexing.batch.partition_locks import PartitionLocks
from nemeton.indexing.batch.publish import await_availability, publish, segments_to_publish
from nemeton.indexing.batch.reports import (
    DETERMINE_PARTITIONS,
    IngestionChatHandler,
    IngestionProgress,
    SubTaskProgress,
)

if TYPE_CHECKING:
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.model import DataSegment
    from nemeton.spi.indexing import Task, TaskToolbox


@define
class IngestionRun(BatchJob):
    """Reads the input, locks its intervals (where the spec gives none), pushes segments, publishes them at once."""

    task: Task
    spec: IndexIngestionSpec
    toolbox: TaskToolbox
    check: Callable[[], None]
    base_name: str = ""
    _progress: IngestionProgress = field(init=False)
    _locks: IntervalLocks = field(init=False)
    _partitions: PartitionLocks | None = field(init=False, default=None)
    _folder: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        determines = not self.spec.data_schema.granularity_spec.intervals
        self._progress = IngestionProgress.start(self.spec.tuning_config, determines, self.toolbox.clock)
        self._locks = IntervalLocks.of_spec(self.spec, self.task, self.toolbox.action_client, self.check)
        self._folder = Path(self.toolbox.work_dir) / "indexing-tmp"

    @property
    def progress(self) -> IngestionProgress:
        """See :class:`BatchJob`."""
        return self._progress

    def chat_handler(self) -> IngestionChatHandler:
        """See :class:`BatchJob`."""
        return IngestionChatHandler(self.task.id, self._progress)

    def run(self) -> None:
        """Do it all; raises when something fails. The work folder is removed either way."""
        from nemeton.ingest.memory import prepare

        prepare()
        self._partitions = PartitionLocks.take(self.toolbox.action_client, self.task, self.spec)
        bucketing = self._bucketing()
        allocator, push = self._allocator(bucketing), self.toolbox.data_segment_pusher.push
        build = SegmentsBuild(
            self.spec, self.toolbox, self._progress, allocator, push, self._folder, self.check, bucketing
        )
        try:
            published = self._publish(build.run())
            limit_ms = self.spec.tuning_config.await_segment_availability_timeout_millis
            await_availability(self.toolbox, self._progress, published, limit_ms, self.check)
            self._progress.note_published(published)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _bucketing(self) -> Bucketing | None:
        """What divides the rows by value, if that is wanted; an analysis reads the input first."""
        partitions, schema = self.spec.tuning_config.partitions, self.spec.data_schema
        if not partitions.by_value:
            return None
        if not partitions.needs_analysis(schema):
            return partitions.bucketing(schema, None)
        self._progress.state = DETERMINE_PARTITIONS
        self._progress.analysis = SubTaskProgress.start(self.spec.tuning_config, self.toolbox.clock)
        analysis = analyse(self.spec, self.toolbox, self._progress.analysis, self.check)
        return partitions.bucketing(schema, partitions.plan(analysis.sketches))

    def _allocator(self, bucketing: Bucketing | None) -> SegmentAllocator:
        schema = self.spec.data_schema
        if self._partitions is None and not self.spec.io_config.append_to_existing:
            return ReplacingAllocator(schema.data_source, self._locks, bucketing)
        sequence = self.base_name or self.task.id
        return AppendingAllocator(self.toolbox.action_client, schema, self._locks.kind, sequence, self._partitions)

    def _publish(self, pushed: list[DataSegment]) -> list[DataSegment]:
        segments = segments_to_publish(pushed, self.spec, self.task, self._locks, self.toolbox)
        self.check()
        read = self.spec.io_config.input_source.segments_of(self.task.data_source)
        publish(self.toolbox.action_client, segments, self._locks.kind, self._partitions, read)
        return segments
