"""Window functions: ranks, values of other rows, aggregates over a frame (Druid: operator.window.Processor)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import extension_point, json_type
from nemeton.query.derived import take_or_null
from nemeton.query.source import RowBlock, SegmentSource
from nemeton.query.vectors import DTYPES, AnyVector, Array, NumericVector
from nemeton.query.windows.frames import RowsFrame, WindowFrame, over_frames
from nemeton.query.windows.rows import PartitionedRows
from nemeton.spi.query import AggregatorFactory


@extension_point(hook="window_processors", name="window processor")
class Processor(ABC):
    """A window function, computed for all partitions at a time. Immutable; threads share it."""

    sees_added: ClassVar[bool] = True
    """Whether it reads columns that earlier ones of the same composition added; in Druid aggregates do not."""

    @abstractmethod
    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """The columns that it adds, one value a row."""


def _longs(values: Array) -> NumericVector:
    return NumericVector(ColumnType.LONG, values.astype(np.int64))


@json_type("composing")
@frozen
class ComposingProcessor(Processor):
    """Several, one after another."""

    processors: tuple[Processor, ...]

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Those of all; later ones may see what earlier ones added."""
        added: dict[str, AnyVector] = {}
        for processor in self.processors:
            added |= processor.columns(rows.with_columns(added) if processor.sees_added else rows)
        return added


@json_type("rowNumber")
@frozen
class WindowRowNumberProcessor(Processor):
    """From 1 in each partition."""

    output_column: str

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Count."""
        return {self.output_column: _longs(np.arange(rows.num_rows) - rows.first_of + 1)}


@json_type("rank")
@frozen
class WindowRankProcessor(Processor):
    """The number of the first row with the same values in the group columns; `asPercent` from 0 to 1."""

    output_column: str
    grouping_columns: tuple[str, ...] = field(default=(), metadata=wire("group"))
    as_percent: bool = False

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Rank."""
        starts = rows.group_starts(self.grouping_columns)
        before = np.repeat(starts[:-1], np.diff(starts)) - rows.first_of
        if not self.as_percent:
            return {self.output_column: _longs(before + 1)}
        return {self.output_column: NumericVector(ColumnType.DOUBLE, before / np.maximum(rows.size_of - 1, 1))}


@json_type("denseRank")
@frozen
class WindowDenseRankProcessor(Processor):
    """How many different values of the group columns the partition has up to here."""

    output_column: str
    grouping_columns: tuple[str, ...] = field(default=(), metadata=wire("group"))

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Rank."""
        starts = rows.group_starts(self.grouping_columns)
        group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return {self.output_column: _longs(group - group[rows.first_of] + 1)}


@json_type("cumeDist")
@frozen
class WindowCumeDistProcessor(Processor):
    """The part of the partition's rows that are not behind the last one with the same values."""

    output_column: str
    grouping_columns: tuple[str, ...] = field(default=(), metadata=wire("group"))

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Divide."""
        starts = rows.group_starts(self.grouping_columns)
        upto = np.repeat(starts[1:], np.diff(starts)) - rows.first_of
        return {self.output_column: NumericVector(ColumnType.DOUBLE, upto / np.maximum(rows.size_of, 1))}


@json_type("percentile")
@frozen
class WindowPercentileProcessor(Processor):
    """The bucket of each row (from 1), of so many that differ in size by one at most (SQL: NTILE)."""

    output_column: str
    num_buckets: int

    def __attrs_post_init__(self) -> None:
        if self.num_buckets <= 0:
            raise invalid_input(f"numBuckets[{self.num_buckets}] must be greater than 0")

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Share out."""
        least, extra = np.divmod(rows.size_of, self.num_buckets)
        at = np.arange(rows.num_rows) - rows.first_of
        in_larger = extra * (least + 1)
        bucket = np.where(at < in_larger, at // (least + 1), extra + (at - in_larger) // np.maximum(least, 1))
        return {self.output_column: _longs(bucket + 1)}


@json_type("first")
@frozen
class WindowFirstProcessor(Processor):
    """The value of the partition's first row."""

    input_column: str
    output_column: str

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Look it up."""
        return {self.output_column: rows.existing(self.input_column).take(rows.first_of)}


@json_type("last")
@frozen
class WindowLastProcessor(Processor):
    """The value of the partition's last row."""

    input_column: str
    output_column: str

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Look it up."""
        return {self.output_column: rows.existing(self.input_column).take(rows.first_of + rows.size_of - 1)}


@json_type("offset")
@frozen
class WindowOffsetProcessor(Processor):
    """The value of the row so many behind (or before, if negative) in the partition; null where there is none."""

    input_column: str
    output_column: str
    offset: int

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Look it up."""
        at = np.arange(rows.num_rows) + self.offset
        inside = (at >= rows.first_of) & (at < rows.first_of + rows.size_of)
        return {self.output_column: take_or_null(rows.existing(self.input_column), np.where(inside, at, -1))}


@json_type("framedAgg")
@frozen
class WindowFramedAggregateProcessor(Processor):
    """Aggregates over the rows of each row's frame."""

    aggregations: tuple[AggregatorFactory, ...]
    frame: WindowFrame = field(factory=RowsFrame)

    sees_added = False

    def columns(self, rows: PartitionedRows) -> Mapping[str, AnyVector]:
        """Aggregate. Numbers are finished, other aggregates stay as they are merged, as in Druid."""
        block = RowBlock(SegmentSource(rows.segment()), 0, rows.num_rows)
        first, stop = self.frame.bounds(rows)
        found: dict[str, AnyVector] = {}
        for factory in self.aggregations:
            state = over_frames(factory, block, first, stop)
            is_number = str(factory.intermediate_type) in (*DTYPES, "STRING")
            found[factory.name] = factory.finalise(state) if is_number else factory.intermediate(state)  # type: ignore[assignment]
        return found
