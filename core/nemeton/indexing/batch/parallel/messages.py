"""What sub tasks report to the supervisor task (Druid: ``SubTaskReport``), by ``type``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.worker.shuffle.partitions import PartitionStat
from nemeton.model import DataSegment
from nemeton.time import Interval, format_datetime, parse_datetime


@frozen(kw_only=True)
class SubTaskReport:
    """A report. ``task_report``: the sub task's row counts and parse exceptions, as in its own report file."""

    type: ClassVar[str]

    task_id: str
    task_report: dict[str, Any] = field(factory=dict)

    @staticmethod
    def from_json(value: Any, json: Any) -> SubTaskReport:
        """From its object; Druid takes one without a type for pushed segments."""
        if not isinstance(value, Mapping) or not isinstance(value.get("taskId"), str):
            raise invalid_input("report: an object with [taskId] is expected")
        kind = value.get("type", PushedSegmentsReport.type)
        read = _READERS.get(str(kind))
        if read is None:
            raise invalid_input(f"report: unknown type[{kind}], known are {sorted(_READERS)}")
        return read(value, json)


@frozen(kw_only=True)
class PushedSegmentsReport(SubTaskReport):
    """Segments that lie in deep storage and wait to be published."""

    type: ClassVar[str] = "pushed_segments"

    segments: list[DataSegment]
    old_segments: list[DataSegment] = field(factory=list)

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "taskId": self.task_id,
            "oldSegments": json.unstructure(self.old_segments),
            "segments": json.unstructure(self.segments),
            "taskReport": json.unstructure(self.task_report),
            "segmentSchemaMapping": None,
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> PushedSegmentsReport:
        """From its object."""
        return cls(
            task_id=value["taskId"],
            segments=json.structure(value.get("segments") or [], list[DataSegment]),
            old_segments=json.structure(value.get("oldSegments") or [], list[DataSegment]),
            task_report=dict(value.get("taskReport") or {}),
        )


@frozen(kw_only=True)
class GeneratedPartitionsReport(SubTaskReport):
    """Partial segments that wait to be merged, and where."""

    type: ClassVar[str] = "generated_partitions_metadata"

    partition_stats: list[PartitionStat]

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": self.type,
            "taskId": self.task_id,
            "partitionStats": json.unstructure(self.partition_stats),
            "taskReport": json.unstructure(self.task_report),
        }

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> GeneratedPartitionsReport:
        """From its object."""
        return cls(
            task_id=value["taskId"],
            partition_stats=json.structure(value.get("partitionStats") or [], list[PartitionStat]),
            task_report=dict(value.get("taskReport") or {}),
        )


@frozen(kw_only=True)
class DimensionCardinalityReport(SubTaskReport):
    """About how many distinct rows each interval has: sketches of Apache DataSketches (HLL, lgK = 11)."""

    type: ClassVar[str] = "dimension_cardinality"

    cardinalities: dict[Interval, bytes]

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it: bytes in Smile, base64 in JSON."""
        shown = {str(interval): data for interval, data in self.cardinalities.items()}
        return {"type": self.type, "taskId": self.task_id, "cardinalities": shown}

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> DimensionCardinalityReport:
        """From its object."""
        found = interval_map(value.get("cardinalities"), lambda data: json.structure(data, bytes))
        return cls(task_id=value["taskId"], cardinalities=found)


@frozen(kw_only=True)
class DimensionDistributionReport(SubTaskReport):
    """How the partition dimensions' values are distributed: quantiles sketches of Apache DataSketches (k = 4096)."""

    type: ClassVar[str] = "dimension_distribution"

    distributions: dict[Interval, bytes]

    def to_json(self, json: Any) -> dict[str, Any]:
        """As Druid writes it: bytes in Smile, base64 in JSON."""
        shown = {str(interval): {"type": "sketch", "sketch": data} for interval, data in self.distributions.items()}
        return {"type": self.type, "taskId": self.task_id, "distributions": shown}

    @classmethod
    def read(cls, value: Mapping[str, Any], json: Any) -> DimensionDistributionReport:
        """From its object."""
        found = interval_map(value.get("distributions"), lambda item: json.structure(item["sketch"], bytes))
        return cls(task_id=value["taskId"], distributions=found)


_READERS: dict[str, Callable[[Mapping[str, Any], Any], SubTaskReport]] = {
    PushedSegmentsReport.type: PushedSegmentsReport.read,
    GeneratedPartitionsReport.type: GeneratedPartitionsReport.read,
    DimensionCardinalityReport.type: DimensionCardinalityReport.read,
    DimensionDistributionReport.type: DimensionDistributionReport.read,
}


@frozen(kw_only=True)
class SegmentAllocationRequest:
    """What ``segment/allocate`` is asked: a segment for rows at ``timestamp``, the one after ``prev_segment_id``."""

    timestamp: int
    sequence_name: str
    prev_segment_id: str | None = None

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> SegmentAllocationRequest:
        """From its object."""
        if not isinstance(value, Mapping) or not value.get("sequenceName") or value.get("timestamp") is None:
            raise invalid_input("segment/allocate: timestamp and sequenceName are required")
        return cls(
            timestamp=parse_datetime(value["timestamp"]),
            sequence_name=str(value["sequenceName"]),
            prev_segment_id=value.get("prevSegmentId"),
        )

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "timestamp": format_datetime(self.timestamp),
            "sequenceName": self.sequence_name,
            "prevSegmentId": self.prev_segment_id,
        }


def interval_map(value: Any, read: Callable[[Any], Any]) -> dict[Interval, Any]:
    """A JSON object whose keys are intervals."""
    if not isinstance(value, Mapping):
        raise invalid_input("report: an object by interval is expected")
    return {Interval.from_json(name): read(item) for name, item in value.items()}
