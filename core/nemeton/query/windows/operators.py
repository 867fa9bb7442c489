"""The operators of a `windowOperator` query: partitioning, sorting, scanning, windows (Druid: OperatorFactory)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

import numpy as np
from attrs import evolve, frozen

from nemeton.common.errors import invalid_input, resource_limit
from nemeton.plugins import extension_point, json_type
from nemeton.query.derived import filtered, in_intervals
from nemeton.query.source import RowBlock, SegmentSource
from nemeton.query.windows.processors import Processor
from nemeton.query.windows.rows import PartitionedRows
from nemeton.spi.query import DimFilter, VirtualColumn
from nemeton.time import Interval


@extension_point(hook="window_operators", name="window operator")
class WindowOperator(ABC):
    """One step over the rows of a `windowOperator` query. Immutable; threads share it."""

    @abstractmethod
    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """The rows after this step."""


class Direction(Enum):
    """Of a sort."""

    ASC = "ASC"
    DESC = "DESC"


@frozen
class ColumnWithDirection:
    """A column to sort by."""

    column: str
    direction: Direction = Direction.ASC

    @property
    def key(self) -> tuple[str, bool]:
        """The column, and whether it descends."""
        return self.column, self.direction is Direction.DESC


@json_type("naivePartition")
@frozen
class NaivePartitioningOperator(WindowOperator):
    """A partition for each run of rows with equal values in the columns."""

    partition_columns: tuple[str, ...]

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Cut."""
        return evolve(rows, starts=rows.group_starts(self.partition_columns))


@json_type("glueingPartition")
@frozen
class GlueingPartitioningOperator(WindowOperator):
    """As `naivePartition`, over the borders of the partitions that there were, and with a limit on their size."""

    partition_columns: tuple[str, ...]
    max_rows_materialized: int | None = None

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Cut anew."""
        whole = PartitionedRows.whole(rows.columns, rows.num_rows)
        found = evolve(whole, starts=whole.group_starts(self.partition_columns))
        most = self.max_rows_materialized
        largest = int(found.sizes.max(initial=0))
        if most is not None and largest > most:
            raise resource_limit(f"Too many rows to process (requested = {largest}, max = {most}).")
        return found


@json_type("naiveSort")
@frozen
class NaiveSortOperator(WindowOperator):
    """All rows in order, as one partition."""

    columns: tuple[ColumnWithDirection, ...]

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Sort."""
        return rows.take(rows.order([each.key for each in self.columns]))


@json_type("partitionSort")
@frozen
class PartitionSortOperator(WindowOperator):
    """The rows of each partition in order."""

    columns: tuple[ColumnWithDirection, ...]

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Sort within the partitions."""
        order = rows.order([each.key for each in self.columns])
        order = order[np.argsort(rows.partition_of[order], kind="stable")]
        return evolve(rows.take(order), starts=rows.starts)


@frozen
class OffsetLimit:
    """How many rows are left out at the start, and how many follow; none is negative but a limit without bound."""

    offset: int = 0
    limit: int = -1

    def __attrs_post_init__(self) -> None:
        if self.offset < 0:
            raise invalid_input(f"offset must be >= 0, got [{self.offset}]")


@json_type("scan")
@frozen
class ScanOperator(WindowOperator):
    """Rows that pass a filter, in order, cut and projected, with virtual columns."""

    time_range: Interval | None = None
    filter: DimFilter | None = None
    offset_limit: OffsetLimit | None = None
    projected_columns: tuple[str, ...] | None = None
    virtual_columns: tuple[VirtualColumn, ...] = ()
    ordering: tuple[ColumnWithDirection, ...] | None = None

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Scan."""
        rows = self._passing(self._with_virtual(rows))
        if self.ordering:
            rows = rows.take(rows.order([each.key for each in self.ordering]))
        if self.offset_limit is not None:
            stop = rows.num_rows
            if self.offset_limit.limit >= 0:
                stop = min(stop, self.offset_limit.offset + self.offset_limit.limit)
            rows = rows.take(np.arange(min(self.offset_limit.offset, stop), stop))
        if self.projected_columns is not None:
            rows = evolve(rows, columns={name: rows.column(name) for name in self.projected_columns})
        return rows

    def _with_virtual(self, rows: PartitionedRows) -> PartitionedRows:
        if not self.virtual_columns:
            return rows
        block = RowBlock(SegmentSource(rows.segment(), self.virtual_columns), 0, rows.num_rows)
        return rows.with_columns({column.name: block.vector(column.name) for column in self.virtual_columns})

    def _passing(self, rows: PartitionedRows) -> PartitionedRows:
        if self.time_range is None and self.filter is None:
            return rows
        segment = filtered(rows.segment(), self.filter)
        if self.time_range is not None:
            segment = in_intervals(segment, [self.time_range])
        return PartitionedRows.of_segment(segment)


@json_type("window")
@frozen
class WindowProcessorOperator(WindowOperator):
    """Columns computed by a processor over each partition."""

    processor: Processor

    def apply(self, rows: PartitionedRows) -> PartitionedRows:
        """Compute them."""
        return rows.with_columns(self.processor.columns(rows))
