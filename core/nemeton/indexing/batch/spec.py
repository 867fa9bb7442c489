"""The spec of a batch ingestion task: what to read, into which schema, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input, unsupported
from nemeton.indexing.batch.partitions import DynamicPartitionsSpec, HashedPartitionsSpec, PartitionsSpec
from nemeton.ingest.schema import DataSchema
from nemeton.spi.ingest import InputFormat, InputSource, InputToolbox
from nemeton.time import Period

_INDEX_SPEC: dict[str, Any] = {
    "bitmap": {"type": "roaring"},
    "dimensionCompression": "lz4",
    "stringDictionaryEncoding": {"type": "utf8"},
    "metricCompression": "lz4",
    "longEncoding": "longs",
}
_ONLY_PARALLEL = (
    "splitHintSpec", "maxNumConcurrentSubTasks", "maxRetry", "taskStatusCheckPeriodMs", "chatHandlerTimeout",
    "chatHandlerNumRetries", "maxNumSegmentsToMerge", "totalNumMergeTasks", "maxAllowedLockCount",
)  # fmt: skip
UNLIMITED = 2**31 - 1


def _index_spec(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**_INDEX_SPEC, **(value or {})}


def _appendable(value: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(value or {"type": "onheap", "preserveExistingMetrics": False})


@frozen(kw_only=True)
class IndexIOConfig:
    """Where rows come from, and what becomes of the segments that are there."""

    type: str = "index"
    input_source: InputSource
    input_format: InputFormat | None = None
    append_to_existing: bool = False
    drop_existing: bool = False

    def __attrs_post_init__(self) -> None:
        if self.append_to_existing and self.drop_existing:
            raise invalid_input(
                "Cannot both drop existing segments and append to existing segments. "
                "Either dropExisting or appendToExisting should be set to false"
            )
        if self.input_format is None and self.input_source.needs_format:
            raise invalid_input("inputFormat is required for this inputSource (ioConfig)")

    @property
    def ingestion_mode(self) -> str:
        """What becomes of the segments that are there, as metrics name it."""
        if self.append_to_existing:
            return "APPEND"
        return "REPLACE" if self.drop_existing else "REPLACE_LEGACY"


@frozen(kw_only=True)
class BatchTuningConfig:
    """How to build segments (Druid: ``IndexTuningConfig``, ``ParallelIndexTuningConfig``), times in milliseconds.

    What only matters where sub tasks run, or where rows lie in a Java heap, is accepted and kept.
    """

    type: str = "index"
    max_rows_per_segment: int | None = None
    appendable_index_spec: dict[str, Any] = field(default=None, converter=_appendable)
    max_rows_in_memory: int = 1_000_000
    max_bytes_in_memory: int = 0
    skip_bytes_in_memory_overhead_check: bool = False
    max_total_rows: int | None = None
    num_shards: int | None = None
    split_hint_spec: dict[str, Any] | None = None
    partitions_spec: PartitionsSpec | None = None
    index_spec: dict[str, Any] = field(default=None, converter=_index_spec)
    index_spec_for_intermediate_persists: dict[str, Any] = field(default=None, converter=_index_spec)
    max_pending_persists: int = 0
    force_guaranteed_rollup: bool = False
    report_parse_exceptions: bool = False
    push_timeout: int = 0
    segment_write_out_medium_factory: dict[str, Any] | None = None
    max_num_concurrent_sub_tasks: int = 1
    max_retry: int = 3
    task_status_check_period_ms: int = 1000
    chat_handler_timeout: Period = field(factory=lambda: Period.parse("PT10S"))
    chat_handler_num_retries: int = 5
    max_num_segments_to_merge: int = 100
    total_num_merge_tasks: int = 10
    log_parse_exceptions: bool = False
    max_parse_exceptions: int = UNLIMITED
    max_saved_parse_exceptions: int = 0
    max_columns_to_merge: int = -1
    await_segment_availability_timeout_millis: int = 0
    max_allowed_lock_count: int = -1
    num_persist_threads: int = 1
    partition_dimensions: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        if self.force_guaranteed_rollup and self.partitions.rollup_problem is not None:
            problem = self.partitions.rollup_problem
            raise invalid_input(f"forceGuaranteedRollup is incompatible with partitionsSpec: {problem} (tuningConfig)")
        if self.partitions.by_value and not self.force_guaranteed_rollup:
            raise invalid_input("DynamicPartitionsSpec must be used for best-effort rollup (tuningConfig)")
        if self.max_parse_exceptions < 0:
            raise invalid_input("maxParseExceptions must not be negative (tuningConfig)")
        if self.max_num_concurrent_sub_tasks <= 0:
            raise invalid_input("maxNumConcurrentSubTasks must be positive (tuningConfig)")

    @property
    def partitions(self) -> PartitionsSpec:
        """The partitioning that counts: ``partitionsSpec``, or the older properties beside it."""
        if self.partitions_spec is not None:
            return self.partitions_spec
        if self.force_guaranteed_rollup:
            given = {
                "maxRowsPerSegment": self.max_rows_per_segment,
                "numShards": self.num_shards,
                "partitionDimensions": self.partition_dimensions or None,
            }
            return HashedPartitionsSpec.from_json(given)
        return DynamicPartitionsSpec.from_json(
            {"maxRowsPerSegment": self.max_rows_per_segment, "maxTotalRows": self.max_total_rows}
        )

    @property
    def allowed_parse_exceptions(self) -> int:
        """How many records may be wrong before the task fails."""
        return 0 if self.report_parse_exceptions else self.max_parse_exceptions

    @property
    def saved_parse_exceptions(self) -> int:
        """How many samples the report holds."""
        return (
            max(self.max_saved_parse_exceptions, 1) if self.report_parse_exceptions else self.max_saved_parse_exceptions
        )

    def with_defaults(self) -> BatchTuningConfig:
        """As Druid shows it: the partitioning spelled out."""
        spec = self.partitions
        return evolve(
            self,
            partitions_spec=spec,
            max_rows_per_segment=spec.max_rows_per_segment,
            max_total_rows=spec.max_total_rows,
            num_shards=spec.num_shards,
            partition_dimensions=list(spec.hash_dimensions),
        )


@frozen(kw_only=True)
class IndexIngestionSpec:
    """``spec`` of the tasks ``index`` and ``index_parallel``."""

    data_schema: DataSchema
    io_config: IndexIOConfig
    tuning_config: BatchTuningConfig = field(factory=BatchTuningConfig)

    def __attrs_post_init__(self) -> None:
        granularity = self.data_schema.granularity_spec
        if self.io_config.append_to_existing and self.tuning_config.force_guaranteed_rollup:
            raise invalid_input("Perfect rollup cannot be guaranteed when appending to existing dataSources")
        if self.io_config.drop_existing and not granularity.intervals:
            raise invalid_input("GranularitySpec's intervals cannot be empty for replace.")
        if granularity.is_arbitrary and self.io_config.append_to_existing:
            raise unsupported("appendToExisting with an arbitrary granularitySpec is not supported")
        if self.data_schema.timestamp_spec is None:
            raise invalid_input("timestampSpec is required (dataSchema)")

    def for_task(self, kind: str) -> IndexIngestionSpec:
        """With the ``type`` of its parts set to the task's."""
        return evolve(
            self,
            io_config=evolve(self.io_config, type=kind),
            tuning_config=evolve(self.tuning_config.with_defaults(), type=kind),
        )

    def bound(self, toolbox: InputToolbox) -> IndexIngestionSpec:
        """With an input source that can be read here."""
        source = self.io_config.input_source.for_task(toolbox)
        schema = self.data_schema.timed_by(source.time_column)
        return evolve(self, io_config=evolve(self.io_config, input_source=source), data_schema=schema)

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        tuning = json.unstructure(self.tuning_config)
        if self.tuning_config.type == "index":
            tuning = {key: value for key, value in tuning.items() if key not in _ONLY_PARALLEL}
        return {
            "dataSchema": json.unstructure(self.data_schema),
            "ioConfig": json.unstructure(self.io_config),
            "tuningConfig": tuning,
        }
