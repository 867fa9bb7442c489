"""The parts of a compaction's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.partitions import DynamicPartitionsSpec
from nemeton.indexing.batch.spec import BatchTuningConfig
from nemeton.indexing.compact.inputs import CompactionInputSpec
from nemeton.json import wire
from nemeton.model import DataSegment
from nemeton.spi.query import DimFilter
from nemeton.time import Granularity

_UNLIMITED_ROWS = 2**63 - 1


@frozen(kw_only=True)
class CompactionIOConfig:
    """Which segments are read; with ``drop_existing`` what the new ones leave of the interval becomes empty."""

    type: str = "compact"
    input_spec: CompactionInputSpec
    allow_non_aligned_interval: bool = field(default=False, metadata=wire(omit_default=True))
    drop_existing: bool = False


@frozen(kw_only=True)
class CompactionTransformSpec:
    """Which rows are kept."""

    filter: DimFilter | None = None


@frozen(kw_only=True)
class ClientCompactionTaskGranularitySpec:
    """What is given here holds; the rest stays as the segments have it."""

    segment_granularity: Granularity | None = None
    query_granularity: Granularity | None = None
    rollup: bool | None = None


def compaction_tuning(given: BatchTuningConfig | None) -> BatchTuningConfig:
    """The tuning of the ingestion that does the work: all rows of an interval are cut into segments at the end."""
    tuning = given or BatchTuningConfig(type="compaction")
    partitions = tuning.partitions
    if isinstance(partitions, DynamicPartitionsSpec) and partitions.max_total_rows is None:
        partitions = evolve(partitions, max_total_rows=_UNLIMITED_ROWS)
    return evolve(tuning, partitions_spec=partitions)


def checked_tuning(given: BatchTuningConfig | None) -> BatchTuningConfig | None:
    """A compaction's tuning, of whatever type it was written as."""
    if given is None:
        return None
    if given.await_segment_availability_timeout_millis != 0:
        raise invalid_input("awaitSegmentAvailabilityTimeoutMillis is not supported for Compaction Task")
    return evolve(given.with_defaults(), type="compaction")


def with_current_names(value: Mapping[str, Any], json: Any) -> dict[str, Any]:
    """A task's JSON with what older versions of Druid named otherwise under today's names."""
    named = [name for name in ("ioConfig", "interval", "segments") if value.get(name)]
    if len(named) != 1:
        problem = "At most" if named else "At least"
        raise invalid_input(f"{problem} one of properties[[ioConfig, interval, segments]] must be present")
    out = dict(value)
    interval, segments, dimensions = out.pop("interval", None), out.pop("segments", None), out.pop("dimensions", None)
    if interval:
        out["ioConfig"] = {"type": "compact", "inputSpec": {"type": "interval", "interval": interval}}
    if segments:
        ids = [str(segment.id) for segment in json.structure(segments, list[DataSegment])]
        out["ioConfig"] = {"type": "compact", "inputSpec": {"type": "segments", "segments": ids}}
    if out.get("dimensionsSpec") is None:
        out["dimensionsSpec"] = dimensions
    return _with_granularity(out, out.pop("segmentGranularity", None))


def _with_granularity(value: dict[str, Any], segment_granularity: Any) -> dict[str, Any]:
    spec = value.get("granularitySpec")
    if segment_granularity is None:
        return value
    if spec is None:
        return {**value, "granularitySpec": {"segmentGranularity": segment_granularity}}
    inner = spec.get("segmentGranularity")
    if inner is None or Granularity.parse(inner) != Granularity.parse(segment_granularity):
        raise invalid_input(
            f"Conflicting segment granularities found {segment_granularity}(segmentGranularity) and "
            f"{inner}(granularitySpec.segmentGranularity).\nRemove `segmentGranularity` and set the "
            "`granularitySpec.segmentGranularity` to the expected granularity"
        )
    return value
