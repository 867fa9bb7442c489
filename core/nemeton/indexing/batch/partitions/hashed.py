"""Rows by the hash of their values."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.indexing.batch.partitions.base import (
    DEFAULT_MAX_ROWS_PER_SEGMENT,
    PartitionsSpec,
    Plan,
    at_most_one,
    names,
    positive,
)
from nemeton.ingest.partition.buckets import MURMUR3_32_ABS
from nemeton.plugins import json_type
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.perfect import PerfectRollupTasks
    from nemeton.ingest.partition.analysis import CardinalityAnalysis
    from nemeton.ingest.partition.buckets import HashBucketing
    from nemeton.ingest.schema import DataSchema

log = logging.getLogger(__name__)


@json_type("hashed")
@frozen(kw_only=True)
class HashedPartitionsSpec(PartitionsSpec):
    """So many buckets for each interval, or as many as ``max_rows_per_segment`` make.

    Without ``partition_dimensions`` all of the row is hashed: then a Broker cannot tell what a filter leaves out.
    """

    num_shards: int | None = None
    max_rows_per_segment: int | None = None
    partition_dimensions: tuple[str, ...] = ()
    partition_function: str = field(default=MURMUR3_32_ABS)

    def __attrs_post_init__(self) -> None:
        if self.partition_function != MURMUR3_32_ABS:
            raise invalid_input(f"partitionFunction[{self.partition_function}] is unknown, known is [{MURMUR3_32_ABS}]")

    @property
    def hash_dimensions(self) -> tuple[str, ...]:
        """See :class:`PartitionsSpec`."""
        return self.partition_dimensions

    def needs_analysis(self, schema: DataSchema) -> bool:
        """See :class:`PartitionsSpec`."""
        return self.num_shards is None

    def analysis(self, schema: DataSchema) -> CardinalityAnalysis:
        """See :class:`PartitionsSpec`."""
        from nemeton.ingest.partition.analysis import CardinalityAnalysis

        return CardinalityAnalysis(schema.granularity_spec)

    def plan(self, sketches: Mapping[Interval, Any]) -> dict[Interval, int]:
        """The number of buckets of each interval."""
        if self.num_shards is not None:
            return dict.fromkeys(sketches, self.num_shards)
        rows = self.max_rows_per_segment or DEFAULT_MAX_ROWS_PER_SEGMENT
        counts = {i: max(1, math.floor(sketch.estimate() / rows + 0.5)) for i, sketch in sketches.items()}
        log.info("Buckets by interval for at most %d rows: %s", rows, {str(i): count for i, count in counts.items()})
        return counts

    def bucketing(self, schema: DataSchema, plan: Plan | None) -> HashBucketing:
        """See :class:`PartitionsSpec`."""
        from nemeton.ingest.partition.buckets import HashBucketing

        return HashBucketing(
            dimensions=self.partition_dimensions,
            query_granularity=schema.granularity_spec.query_granularity,
            counts=plan or {},
            default_count=(self.num_shards or 1) if plan is None else None,
        )

    def tasks(self) -> PerfectRollupTasks:
        """See :class:`PartitionsSpec`."""
        from nemeton.indexing.batch.parallel.hashed import HashedTasks

        return HashedTasks()

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> HashedPartitionsSpec:
        """From its object. Raises invalid_input when both a number of buckets and of rows are given."""
        rows = at_most_one(value, "targetRowsPerSegment", "targetPartitionSize", "maxRowsPerSegment")
        shards = positive(value.get("numShards"), "numShards")
        if rows is not None and shards is not None:
            raise invalid_input("At most one of [maxRowsPerSegment, numShards] must be present (partitionsSpec)")
        return cls(
            num_shards=shards,
            max_rows_per_segment=rows if rows is not None or shards is not None else DEFAULT_MAX_ROWS_PER_SEGMENT,
            partition_dimensions=names(value.get("partitionDimensions"), "partitionDimensions"),
            partition_function=str(value.get("partitionFunction") or MURMUR3_32_ABS).lower(),
        )

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": "hashed",
            "numShards": self.num_shards,
            "partitionDimensions": list(self.partition_dimensions),
            "partitionFunction": self.partition_function,
            "maxRowsPerSegment": self.max_rows_per_segment,
        }
