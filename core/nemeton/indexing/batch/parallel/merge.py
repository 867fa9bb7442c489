"""The sub task that merges partial segments."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.common.errors import defensive, invalid_input
from nemeton.indexing.batch.locks import IntervalLocks
from nemeton.indexing.batch.parallel.messages import PushedSegmentsReport
from nemeton.indexing.batch.parallel.sub_task import SubTask
from nemeton.indexing.batch.reports import BUILD_SEGMENTS, SubTaskProgress
from nemeton.indexing.batch.spec import BatchTuningConfig
from nemeton.indexing.worker.shuffle.partitions import PartitionLocation
from nemeton.ingest.schema import DataSchema
from nemeton.model import BuildingShardSpec, DataSegment
from nemeton.plugins import json_type
from nemeton.spi.indexing import TaskToolbox
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.segment import IndexSpec

log = logging.getLogger(__name__)

Bucket = tuple[Interval, int]


@frozen(kw_only=True)
class PartialSegmentMergeIOConfig:
    """Which partial segments to merge."""

    type: str = "partial_index_generic_merge"
    partition_locations: list[PartitionLocation] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        if not self.partition_locations:
            raise invalid_input("Empty partition locations (ioConfig.partitionLocations)")


@frozen(kw_only=True)
class PartialSegmentMergeIngestionSpec:
    """``spec`` of the task."""

    data_schema: DataSchema
    io_config: PartialSegmentMergeIOConfig
    tuning_config: BatchTuningConfig


@json_type("partial_index_generic_merge")
@frozen(kw_only=True, slots=False)
class PartialGenericSegmentMergeTask(SubTask):
    """Fetches the partial segments of its buckets and makes one segment of each bucket."""

    spec: PartialSegmentMergeIngestionSpec

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._shard_specs()

    @property
    def data_source(self) -> str:
        """The data source that is written."""
        return self.spec.data_schema.data_source

    @property
    def tuning(self) -> BatchTuningConfig:
        """See :class:`SubTask`."""
        return self.spec.tuning_config

    def work(self, toolbox: TaskToolbox, progress: SubTaskProgress) -> PushedSegmentsReport:
        """See :class:`SubTask`."""
        from nemeton.ingest.memory import prepare
        from nemeton.segment import IndexSpec

        prepare()
        progress.state = BUILD_SEGMENTS
        specs, locks = self._shard_specs(), self._locks(toolbox)
        index_spec = toolbox.json.structure(self.tuning.index_spec, IndexSpec).check()
        pushed = []
        for bucket, locations in self._by_bucket().items():
            self.check_stopped()
            interval, number = bucket
            segment = DataSegment(self.data_source, interval, locks.version(interval), shard_spec=specs[bucket])
            folder = self.folder_of(toolbox) / f"{interval.start}-{number}"
            pushed.append(self._merge(toolbox, segment, locations, folder, index_spec))
        return PushedSegmentsReport(task_id=self.id, segments=pushed)

    def _locks(self, toolbox: TaskToolbox) -> IntervalLocks:
        """Those of the supervisor task, for their versions."""
        locks = IntervalLocks.of(
            self.surrogate(toolbox.action_client),
            self.spec.data_schema.granularity_spec,
            self.context,
            appends=False,
            check=self.check_stopped,
        )
        locks.lock({location.interval for location in self.spec.io_config.partition_locations})
        return locks

    def _by_bucket(self) -> dict[Bucket, list[PartitionLocation]]:
        out: dict[Bucket, list[PartitionLocation]] = defaultdict(list)
        for location in self.spec.io_config.partition_locations:
            out[location.interval, location.bucket].append(location)
        return out

    def _shard_specs(self) -> dict[Bucket, BuildingShardSpec]:
        out: dict[Bucket, BuildingShardSpec] = {}
        for location in self.spec.io_config.partition_locations:
            bucket = (location.interval, location.bucket)
            if out.setdefault(bucket, location.shard_spec) != location.shard_spec:
                raise defensive(
                    f"interval {bucket[0]}, bucketId {bucket[1]} mismatched shard specs: "
                    f"{out[bucket]} and {location.shard_spec}"
                )
        return out

    def _merge(
        self,
        toolbox: TaskToolbox,
        segment: DataSegment,
        locations: list[PartitionLocation],
        folder: Path,
        index_spec: IndexSpec,
    ) -> DataSegment:
        from nemeton.ingest.index.merge import merge_segments

        parts = []
        try:
            for i, location in enumerate(locations):
                self.check_stopped()
                part = folder / f"part-{i:05d}"
                part.mkdir(parents=True)
                location.fetch(toolbox, self.supervisor_task_id, part)
                parts.append(part)
            written = merge_segments(
                parts,
                folder / "merged",
                segment.interval,
                schema=self.spec.data_schema,
                index_spec=index_spec,
                json=toolbox.json,
            )
            done = segment.with_(
                dimensions=written.dimensions, metrics=written.metrics, size=written.size, binary_version=9
            )
            self.check_stopped()
            done = toolbox.data_segment_pusher.push(folder / "merged", done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        log.info("Merged %d partial segments into [%s]: %d rows", len(parts), done.id, written.num_rows)
        return done

    def json_fields(self, json: Any) -> dict[str, Any]:
        """See :class:`SubTask`."""
        return {"spec": json.unstructure(self.spec), "context": json.unstructure(self.context)}
