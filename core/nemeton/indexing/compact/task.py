"""The task ``compact``."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import DruidException, invalid_input, unsupported
from nemeton.indexing.actions import RetrieveUsedSegmentsAction
from nemeton.indexing.batch.job import emit_ingestion
from nemeton.indexing.batch.locks import lock_type_of, try_lock_all
from nemeton.indexing.batch.partition_locks import forces_time_chunks, replaceable, try_lock_partitions
from nemeton.indexing.batch.spec import BatchTuningConfig
from nemeton.indexing.batch.stoppable import StoppableTask
from nemeton.indexing.compact.runner import CompactionRunner, NativeCompactionRunner
from nemeton.indexing.compact.spec import (
    ClientCompactionTaskGranularitySpec,
    CompactionIOConfig,
    CompactionTransformSpec,
    checked_tuning,
    with_current_names,
)
from nemeton.ingest.schema import DimensionsSpec, GranularitySpec
from nemeton.model import DataSegment, TaskStatus
from nemeton.plugins import json_type
from nemeton.spi.indexing import COMPACTION_PRIORITY, TaskActionClient, TaskToolbox
from nemeton.spi.query import AggregatorFactory

log = logging.getLogger(__name__)


@json_type("compact")
@frozen(kw_only=True, slots=False)
class CompactionTask(StoppableTask):
    """Reads the used segments of an interval and writes them anew, in fewer segments or otherwise cut (Druid's name).

    What the spec does not give (dimensions, metrics, granularities, rollup) stays as the segments have it. Each
    interval is published by itself.
    """

    default_priority: ClassVar[int] = COMPACTION_PRIORITY

    data_source: str
    io_config: CompactionIOConfig
    dimensions_spec: DimensionsSpec | None = None
    transform_spec: CompactionTransformSpec | None = None
    metrics_spec: list[AggregatorFactory] | None = None
    granularity_spec: ClientCompactionTaskGranularitySpec | None = None
    projections: list[Any] | None = None
    tuning_config: BatchTuningConfig | None = field(default=None, converter=checked_tuning)
    compaction_runner: CompactionRunner = field(factory=NativeCompactionRunner)

    def __attrs_post_init__(self) -> None:
        if not self.data_source:
            raise invalid_input("dataSource is required (compact)")
        if self.projections:
            raise unsupported("projections are not supported yet (compact)")
        if self.transform_spec is None:
            object.__setattr__(self, "context", {"lookupLoadingMode": "NONE", **self.context})
        super().__attrs_post_init__()

    def is_ready(self, client: TaskActionClient) -> bool:
        """Lock the intervals of the segments. Raises when there are none, or other ones than the spec names."""
        segments = self._used(client)
        partitions = self._partitions(client, segments)
        if partitions is not None:
            return try_lock_partitions(client, partitions)
        limit = self.tuning_config.max_allowed_lock_count if self.tuning_config is not None else -1
        kind = lock_type_of(self.context, appends=False)
        return try_lock_all(client, self._lock_granularity(), kind, limit, [s.interval for s in segments])

    def _partitions(self, client: TaskActionClient, used: list[DataSegment]) -> list[DataSegment] | None:
        """The segments to lock, where it is not time chunks."""
        from nemeton.indexing.compact.schemas import granularity_of

        if forces_time_chunks(self.context) or self.io_config.drop_existing:
            return None
        if self.tuning_config is not None and self.tuning_config.force_guaranteed_rollup:
            return None
        given = self.granularity_spec and self.granularity_spec.segment_granularity
        try:
            return replaceable(client, used, given or granularity_of(used[0].interval))
        except DruidException as e:
            log.info("Locking time chunks: %s", e.message)
            return None

    def _lock_granularity(self) -> GranularitySpec:
        given = self.granularity_spec
        if given is None or given.segment_granularity is None:
            return GranularitySpec(type="arbitrary")  # the intervals as they are
        return GranularitySpec(segment_granularity=given.segment_granularity)

    def _used(self, client: TaskActionClient) -> list[DataSegment]:
        spec = self.io_config.input_spec
        interval = spec.find_interval(self.data_source)
        segments = client.submit(RetrieveUsedSegmentsAction(data_source=self.data_source, intervals=[interval]))
        spec.check(segments)
        return segments

    def run(self, toolbox: TaskToolbox) -> TaskStatus:
        """Compact. Failures of single intervals are in the reports, by the number of the interval."""
        from nemeton.indexing.compact.schemas import SchemaMaker

        mode = "REPLACE" if self.io_config.drop_existing else "REPLACE_LEGACY"
        emit_ingestion(self, toolbox, "ingest/count", 1, mode)
        schemas = SchemaMaker(self, toolbox).schemas(self._used(toolbox.action_client))
        if not schemas:
            spec = toolbox.json.unstructure(self.io_config.input_spec)
            return TaskStatus.failure(self.id, f"Can't find segments from inputSpec[{spec}], nothing to do.")
        return self.compaction_runner.run(self, schemas, toolbox)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> CompactionTask:
        """From its object, in which older names may stand."""
        task: CompactionTask = json.structure_fields(with_current_names(value, json), cls)
        return task

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        granularity = self.granularity_spec and self.granularity_spec.segment_granularity
        return {
            "type": self.type,
            "id": self.id,
            "groupId": self.group_id,
            "resource": json.unstructure(self.resource),
            "dataSource": self.data_source,
            "ioConfig": json.unstructure(self.io_config),
            "dimensionsSpec": json.unstructure(self.dimensions_spec),
            "transformSpec": json.unstructure(self.transform_spec),
            "metricsSpec": json.unstructure(self.metrics_spec),
            **({"segmentGranularity": granularity.to_json()} if granularity else {}),
            "granularitySpec": json.unstructure(self.granularity_spec),
            "projections": json.unstructure(self.projections),
            "tuningConfig": json.unstructure(self.tuning_config),
            "context": json.unstructure(self.context),
            "compactionRunner": json.unstructure(self.compaction_runner),
        }
