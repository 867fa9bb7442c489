"""Rows in the order in which they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from nemeton.common.errors import defensive
from nemeton.indexing.batch.partitions.base import DEFAULT_MAX_ROWS_PER_SEGMENT, PartitionsSpec, Plan, positive
from nemeton.plugins import json_type
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.ingest.partition.analysis import RowAnalysis
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.ingest.schema import DataSchema

DEFAULT_MAX_TOTAL_ROWS = 20_000_000


@json_type("dynamic")
@frozen(kw_only=True)
class DynamicPartitionsSpec(PartitionsSpec):
    """In the order of arrival, each segment up to ``max_rows_per_segment``; pushed early beyond ``max_total_rows``."""

    by_value: ClassVar[bool] = False

    max_rows_per_segment: int = DEFAULT_MAX_ROWS_PER_SEGMENT
    max_total_rows: int | None = None

    @property
    def rows_before_push(self) -> int:
        """See :class:`PartitionsSpec`."""
        return DEFAULT_MAX_TOTAL_ROWS if self.max_total_rows is None else self.max_total_rows

    @property
    def rollup_problem(self) -> str:
        """See :class:`PartitionsSpec`."""
        return "dynamic partitions unsupported"

    def analysis(self, schema: DataSchema) -> RowAnalysis:
        """Never asked for."""
        raise defensive("Dynamic partitions need no analysis")

    def plan(self, sketches: Mapping[Interval, Any]) -> Plan:
        """Never asked for."""
        raise defensive("Dynamic partitions need no plan")

    def bucketing(self, schema: DataSchema, plan: Plan | None) -> Bucketing:
        """Never asked for."""
        raise defensive("Dynamic partitions are not by value")

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> DynamicPartitionsSpec:
        """From its object. Numbers that are not positive mean the default."""

        def lenient(name: str) -> int | None:
            number = value.get(name)
            return None if isinstance(number, int) and number <= 0 else positive(number, name)

        rows = lenient("maxRowsPerSegment") or DEFAULT_MAX_ROWS_PER_SEGMENT
        return cls(max_rows_per_segment=rows, max_total_rows=lenient("maxTotalRows"))

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "type": "dynamic",
            "maxRowsPerSegment": self.max_rows_per_segment,
            "maxTotalRows": self.max_total_rows,
        }
