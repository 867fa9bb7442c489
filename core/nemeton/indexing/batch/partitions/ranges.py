"""Rows by ranges of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.partitions.base import PartitionsSpec, Plan, at_most_one, names
from nemeton.plugins import json_type
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.perfect import PerfectRollupTasks
    from nemeton.ingest.partition.analysis import DistributionAnalysis
    from nemeton.ingest.partition.buckets import PartitionBoundaries, RangeBucketing
    from nemeton.ingest.schema import DataSchema


@json_type("range")
@frozen(kw_only=True)
class DimensionRangePartitionsSpec(PartitionsSpec):
    """Ranges of the tuples of ``dimensions``, of about ``target_rows`` or at most ``max_rows`` rows.

    ``assume_grouped``: the input has no two rows that rollup would make one. Values are compared as strings.
    """

    target_rows: int | None = None
    max_rows: int | None = None
    dimensions: tuple[str, ...]
    assume_grouped: bool = False

    def __attrs_post_init__(self) -> None:
        if (self.target_rows is None) == (self.max_rows is None):
            raise invalid_input("Exactly one of targetRowsPerSegment or maxRowsPerSegment must be present")

    @property
    def max_rows_per_segment(self) -> int | None:
        """See :class:`PartitionsSpec`: with a target, half as many again."""
        return self.max_rows if self.target_rows is None else self.target_rows + self.target_rows // 2

    @property
    def rollup_problem(self) -> str | None:
        """See :class:`PartitionsSpec`."""
        return None if self.dimensions else "partitionDimensions must be specified"

    def needs_analysis(self, schema: DataSchema) -> bool:
        """See :class:`PartitionsSpec`."""
        return True

    def analysis(self, schema: DataSchema) -> DistributionAnalysis:
        """See :class:`PartitionsSpec`."""
        from nemeton.ingest.partition.analysis import DistributionAnalysis

        return DistributionAnalysis(schema.granularity_spec, self.dimensions, self.assume_grouped)

    def plan(self, sketches: Mapping[Interval, Any]) -> dict[Interval, PartitionBoundaries]:
        """The boundaries of each interval."""
        return {
            interval: sketch.even_boundaries(target_rows=self.target_rows, max_rows=self.max_rows)
            for interval, sketch in sketches.items()
        }

    def bucketing(self, schema: DataSchema, plan: Plan | None) -> RangeBucketing:
        """See :class:`PartitionsSpec`."""
        from nemeton.ingest.partition.buckets import RangeBucketing

        return RangeBucketing(dimensions=self.dimensions, boundaries=plan or {})

    def tasks(self) -> PerfectRollupTasks:
        """See :class:`PartitionsSpec`."""
        from nemeton.indexing.batch.parallel.ranges import RangeTasks

        return RangeTasks()

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> DimensionRangePartitionsSpec:
        """From its object."""
        if value.get("partitionDimensions") is None:
            raise invalid_input("partitionDimensions must be specified")
        return cls(
            target_rows=at_most_one(value, "targetRowsPerSegment"),
            max_rows=at_most_one(value, "maxRowsPerSegment"),
            dimensions=names(value["partitionDimensions"], "partitionDimensions"),
            assume_grouped=bool(value.get("assumeGrouped")),
        )

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": "range",
            "targetRowsPerSegment": self.target_rows,
            "maxRowsPerSegment": self.max_rows,
            "partitionDimensions": list(self.dimensions),
            "assumeGrouped": self.assume_grouped,
        }


@json_type("single_dim", "dimension")
@frozen(kw_only=True)
class SingleDimensionPartitionsSpec(DimensionRangePartitionsSpec):
    """Ranges of one dimension, in the older spelling."""

    @property
    def rollup_problem(self) -> str | None:
        """See :class:`PartitionsSpec`."""
        return None if self.dimensions else "partitionDimension must be specified"

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> SingleDimensionPartitionsSpec:
        """From its object."""
        dimension = value.get("partitionDimension")
        return cls(
            target_rows=at_most_one(value, "targetRowsPerSegment", "targetPartitionSize"),
            max_rows=at_most_one(value, "maxRowsPerSegment", "maxPartitionSize"),
            dimensions=() if dimension is None else (str(dimension),),
            assume_grouped=bool(value.get("assumeGrouped")),
        )

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": "single_dim",
            "targetRowsPerSegment": self.target_rows,
            "maxRowsPerSegment": self.max_rows,
            "partitionDimension": self.dimensions[0] if self.dimensions else None,
            "assumeGrouped": self.assume_grouped,
        }
