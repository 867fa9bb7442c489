"""The end of a batch task: shard specs completed, tombstones, one publish, and the wait for Historicals."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import evolve

from nemeton.common.errors import defensive, runtime_failure
from nemeton.indexing.actions import (
    RetrieveUsedSegmentsAction,
    SegmentTransactionalAppendAction,
    SegmentTransactionalInsertAction,
    SegmentTransactionalReplaceAction,
)
from nemeton.indexing.batch import reports
from nemeton.indexing.batch.locks import is_true
from nemeton.indexing.task_dims import task_dims
from nemeton.ingest.schema import DimensionsSpec
from nemeton.model import (
    BuildingShardSpec,
    DataSegment,
    NumberedOverwriteShardSpec,
    TaskLockType,
    TombstoneShardSpec,
)
from nemeton.spi.indexing import TaskAction
from nemeton.spi.metadata import SegmentPublishResult
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.locks import IntervalLocks
    from nemeton.indexing.batch.partition_locks import PartitionLocks
    from nemeton.indexing.batch.reports import TaskProgress
    from nemeton.indexing.batch.spec import IndexIngestionSpec
    from nemeton.ingest.schema import DataSchema
    from nemeton.json import Json
    from nemeton.spi.indexing import Task, TaskActionClient, TaskToolbox

log = logging.getLogger(__name__)

_AVAILABILITY_POLL_S = 1.0
_NO_SCHEMAS = {"segmentIdToMetadataMap": {}, "schemaFingerprintToPayloadMap": {}, "schemaVersion": 1}


def segments_to_publish(
    pushed: list[DataSegment], spec: IndexIngestionSpec, task: Task, locks: IntervalLocks, toolbox: TaskToolbox
) -> list[DataSegment]:
    """The segments with shard specs fit to publish, the tombstones (``dropExisting``), and how they came to be.

    The latter is only told where the task's context asks for it (``storeCompactionState``), so that a later compaction
    knows what it need not do again.
    """
    segments = completed(pushed)
    if spec.io_config.drop_existing:
        segments += tombstones(toolbox.action_client, spec.data_schema, locks, segments)
    if not is_true(task.context.get("storeCompactionState")):
        return segments
    state = compaction_state(spec, toolbox.json)
    return [segment.with_(last_compaction_state=state) for segment in segments]


def compaction_state(spec: IndexIngestionSpec, json: Json) -> dict[str, Any]:
    """``lastCompactionState`` of the segments that the spec makes."""
    schema, tuning = spec.data_schema, spec.tuning_config
    dimensions = schema.dimensions_spec
    kept = DimensionsSpec(
        dimensions=dimensions.dimensions, force_segment_sort_by_time=dimensions.force_segment_sort_by_time
    )
    transform = schema.transform_spec
    state: dict[str, Any] = json.unstructure(
        {
            "partitionsSpec": tuning.partitions,
            "dimensionsSpec": kept,
            "metricsSpec": list(schema.metrics_spec),
            "transformSpec": None if transform.is_empty else {"filter": transform.filter},
            "indexSpec": tuning.index_spec,
            "granularitySpec": schema.granularity_spec,
        }
    )
    return state


def completed(segments: Iterable[DataSegment]) -> list[DataSegment]:
    """The segments with shard specs fit to publish: now that all are there, it is known how many each interval has.

    Appended segments stay as they were allocated. A gap in the numbers is refused: such an interval would never count.
    """
    by_interval: dict[Interval, list[DataSegment]] = defaultdict(list)
    for segment in sorted(segments):
        by_interval[segment.interval].append(segment)
    out: list[DataSegment] = []
    for interval, group in by_interval.items():
        building = [segment for segment in group if isinstance(segment.shard_spec, BuildingShardSpec)]
        if building and [segment.partition_num for segment in building] != list(range(len(building))):
            numbers = [segment.partition_num for segment in building]
            raise defensive(f"The segments of [{interval}] are numbered {numbers}, with a gap; they are not published")
        out += [_converted(segment, len(group)) for segment in group]
    return out


def _converted(segment: DataSegment, count: int) -> DataSegment:
    spec = segment.shard_spec
    if isinstance(spec, BuildingShardSpec):
        return segment.with_(shard_spec=spec.convert(count))
    if isinstance(spec, NumberedOverwriteShardSpec):  # they replace what they replace together, or not at all
        return segment.with_(shard_spec=evolve(spec, group_size=count))
    return segment


def tombstones(
    client: TaskActionClient, schema: DataSchema, locks: IntervalLocks, segments: list[DataSegment]
) -> list[DataSegment]:
    """Empty segments over what the new ones leave of the old in the intervals to replace (``dropExisting``)."""
    granularity = schema.granularity_spec
    given = granularity.segment_intervals(list(granularity.intervals))
    used = client.submit(RetrieveUsedSegmentsAction(data_source=schema.data_source, intervals=given))
    old = [segment.interval for segment in used]
    new = {segment.interval for segment in segments}
    if granularity.is_arbitrary:
        buckets: Iterable[Interval] = sorted(granularity.intervals)
    else:
        buckets = (bucket for whole in given for bucket in granularity.segment_granularity.buckets(whole))
    empty = [bucket for bucket in buckets if bucket not in new and any(bucket.overlaps(interval) for interval in old)]
    if empty:
        locks.lock(empty)
    return [
        DataSegment(
            schema.data_source,
            bucket,
            locks.version(bucket),
            load_spec={"type": "tombstone", "path": None},
            shard_spec=TombstoneShardSpec(),
            size=1,
        )
        for bucket in empty
    ]


def publish(
    client: TaskActionClient,
    segments: list[DataSegment],
    kind: TaskLockType,
    partitions: PartitionLocks | None = None,
    read: Iterable[DataSegment] = (),
) -> None:
    """Publish, in one action; nothing is done without segments. Raises when the Overlord refuses.

    ``kind`` of the task's locks: under APPEND and REPLACE others publish in the same intervals meanwhile.
    ``partitions``, where the locks are on single ones; ``read``: the data source's segments that were the input.
    """
    if not segments:
        log.info("No segments to publish")
        return
    if partitions is None:
        action = _ACTIONS.get(kind, _insert)(segments)
    else:
        action = _insert(segments, partitions.replaced_by(segments, read))
    result = client.submit(action)
    if not result.success:
        raise runtime_failure(f"Failed to publish segments. {result.error_msg or ''}".rstrip())
    log.info("Published [%d] segments", len(segments))


def _insert(segments: list[DataSegment], replaced: list[DataSegment] | None = None) -> TaskAction[SegmentPublishResult]:
    return SegmentTransactionalInsertAction(
        segments=segments, segments_to_be_overwritten=replaced, segment_schema_mapping=_NO_SCHEMAS
    )


def _append(segments: list[DataSegment]) -> TaskAction[SegmentPublishResult]:
    return SegmentTransactionalAppendAction(segments=segments, segment_schema_mapping=_NO_SCHEMAS)


def _replace(segments: list[DataSegment]) -> TaskAction[SegmentPublishResult]:
    return SegmentTransactionalReplaceAction(segments=segments, segment_schema_mapping=_NO_SCHEMAS)


_ACTIONS: dict[TaskLockType, Callable[[list[DataSegment]], TaskAction[SegmentPublishResult]]] = {
    TaskLockType.APPEND: _append,
    TaskLockType.REPLACE: _replace,
}


def await_availability(
    toolbox: TaskToolbox,
    progress: TaskProgress,
    segments: list[DataSegment],
    limit_ms: int,
    check: Callable[[], None],
) -> None:
    """Wait until Historicals serve the segments, as long as the spec allows; when that ends it is no failure."""
    client: Any = toolbox.coordinator_client
    waiting = [segment for segment in segments if not segment.is_tombstone]
    if limit_ms <= 0 or client is None or not waiting:
        return
    progress.state = reports.SEGMENT_AVAILABILITY_WAIT
    start = time.monotonic()
    while waiting and (time.monotonic() - start) * 1000 < limit_ms:
        check()
        waiting = [s for s in waiting if not client.is_handoff_complete(s.data_source, s.to_descriptor())]
        if waiting:
            toolbox.clock.sleep(min(_AVAILABILITY_POLL_S, limit_ms / 1000))
    progress.availability_wait_ms = int((time.monotonic() - start) * 1000)
    progress.availability_confirmed = not waiting
    if toolbox.emitter is not None:
        toolbox.emitter.emit_metric(
            "task/segmentAvailability/wait/time",
            progress.availability_wait_ms,
            segmentAvailabilityConfirmed=progress.availability_confirmed,
            **task_dims(toolbox.task),
        )
