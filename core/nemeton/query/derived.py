"""Segments that are made of the rows of others: some of them, some of them twice, rows of two side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.query.inline import vector_column
from nemeton.query.source import TIME, RowBlock, SegmentSource, in_any
from nemeton.query.vectors import (
    AnyVector,
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
)

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.spi.query import DimFilter
    from nemeton.time import Interval


@frozen
class Part:
    """Rows of one segment. `rows` are their positions, -1 for a row of nulls; None stands for all as they are."""

    segment: Segment
    rows: Array | None
    prefix: str = ""

    def own_name(self, name: str) -> str | None:
        """What the part itself calls a column; None when the name is not one of its names."""
        if not self.prefix:
            return name
        return name[len(self.prefix) :] if len(name) > len(self.prefix) and name.startswith(self.prefix) else None

    def column(self, name: str) -> Any:
        """A column by its own name, at the rows of the part."""
        found = self.segment.column(name)
        if found is None or self.rows is None:
            return found
        whole = SegmentSource(self.segment).read(name, 0, self.segment.num_rows)
        taken = take_or_null(whole, self.rows)
        if name == TIME and isinstance(taken, NumericVector) and taken.nulls is not None:
            taken = _carried_on(taken)
        return vector_column(taken)


class DerivedSegment:
    """The parts side by side; of two columns of one name the first part's is seen. Implements `Segment`.

    Nothing is copied but the columns that are read, when they are read. Closing it closes no part.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        num_rows: int,
        computed: Mapping[str, AnyVector] | None = None,
        *,
        is_time_ordered: bool | None = None,
        is_in_intervals: bool = False,
    ) -> None:
        base = parts[-1].segment
        self.num_rows = num_rows
        self.interval = base.interval
        self.id = getattr(base, "id", None)
        self.metadata = None
        self.is_time_ordered = is_time_ordered
        self.is_in_intervals = is_in_intervals
        self._parts = parts
        self._computed = {name: vector_column(vector) for name, vector in (computed or {}).items()}

    @property
    def time_bounds(self) -> tuple[int, int] | None:
        """The first and last time of the segment that it was all made of: Druid's bounds, which rows may not reach."""
        return SegmentSource(self._parts[-1].segment).time_bounds

    @property
    def column_names(self) -> list[str]:
        """Those of the last part first, as of the table that was there before the others joined."""
        names = [part.prefix + name for part in reversed(self._parts) for name in part.segment.column_names]
        return list(dict.fromkeys([*names, *self._computed]))

    @property
    def dimensions(self) -> list[str]:
        """The dimensions of all parts, and what was computed."""
        names = [part.prefix + name for part in reversed(self._parts) for name in part.segment.dimensions]
        return list(dict.fromkeys([*names, *self._computed]))

    @property
    def metrics(self) -> list[str]:
        """The metrics of all parts."""
        return [part.prefix + name for part in reversed(self._parts) for name in part.segment.metrics]

    def column(self, name: str) -> Any:
        """The column or None."""
        if name in self._computed:
            return self._computed[name]
        for part in self._parts:
            own = part.own_name(name)
            if own is not None:
                return part.column(own)
        return None

    def close(self) -> None:
        """Nothing to give back."""


def take_or_null(vector: AnyVector, rows: Array) -> AnyVector:
    """The values at these positions, null for -1."""
    gone = rows < 0
    if not gone.any():
        return vector.take(rows)
    if len(vector) == 0:
        return _nulls_like(vector, len(rows))
    taken = vector.take(np.where(gone, 0, rows))
    if isinstance(taken, NumericVector):
        values = np.where(gone, taken.values.dtype.type(0), taken.values)
        return NumericVector(taken.type, values, gone if taken.nulls is None else taken.nulls | gone)
    if isinstance(taken, StringVector):
        return _with_nulls(taken, gone)
    if isinstance(taken, MultiStringVector):
        kept = np.where(gone, 0, taken.lengths)
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
        return MultiStringVector(offsets, taken.codes[np.repeat(~gone, taken.lengths)], taken.dictionary)
    objects = taken.values.copy()
    objects[gone] = None
    return ObjectVector(taken.type, objects)


def _carried_on(times: NumericVector) -> NumericVector:
    """Times of which rows without one count to the bucket of the row before them, as in Druid; they stay null."""
    assert times.nulls is not None
    last = np.maximum.accumulate(np.where(times.nulls, 0, np.arange(len(times))))
    return NumericVector(times.type, times.values[last], times.nulls)


def _with_nulls(taken: StringVector, gone: Array) -> StringVector:
    dictionary, code = taken.dictionary.with_null()
    return StringVector(np.where(gone, code, taken.codes.astype(np.int64)), dictionary)


def _nulls_like(vector: AnyVector, count: int) -> AnyVector:
    if isinstance(vector, NumericVector):
        return NumericVector(vector.type, np.zeros(count, dtype=vector.values.dtype), np.ones(count, dtype=bool))
    if isinstance(vector, ObjectVector):
        return ObjectVector(vector.type, np.full(count, None, dtype=object))
    return StringVector(np.zeros(count, dtype=np.int64), Dictionary([None], 1, is_sorted=True))


def selected(segment: Segment, rows: Array, *, is_in_intervals: bool = False) -> Segment:
    """The rows at these ascending positions (each any number of times)."""
    ordered = getattr(segment, "is_time_ordered", None) or None  # where it is not known to be, it may come to be
    return DerivedSegment([Part(segment, rows)], len(rows), is_time_ordered=ordered, is_in_intervals=is_in_intervals)


def filtered(segment: Segment, condition: DimFilter | None) -> Segment:
    """The rows that pass."""
    if condition is None or not segment.num_rows:
        return segment
    matches = condition.matches(RowBlock(SegmentSource(segment), 0, segment.num_rows))
    return segment if matches.all() else selected(segment, np.flatnonzero(matches))


def in_intervals(segment: Segment, intervals: Sequence[Interval]) -> Segment:
    """The rows whose time lies in the intervals."""
    source = SegmentSource(segment)
    inside = np.zeros(source.num_rows, dtype=bool)
    for start, stop in source.row_ranges(intervals):
        inside[start:stop] = True
    if source.column(TIME) is not None and not source.is_in_intervals and not source.sorted_by_time:
        inside &= in_any(source.times(0, source.num_rows), intervals)
    return segment if inside.all() else selected(segment, np.flatnonzero(inside), is_in_intervals=True)
