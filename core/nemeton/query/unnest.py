"""Rows by the values of an array."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from nemeton.query.derived import DerivedSegment, Part
from nemeton.query.source import RowBlock, SegmentSource
from nemeton.query.vectors import (
    AnyVector,
    Array,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    null_vector,
    vector_from_list,
)

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.spi.query import VirtualColumn


def unnested(segment: Segment, virtual_column: VirtualColumn) -> Segment:
    """The segment with each row as often as the virtual column has values there, and these under its name."""
    source = SegmentSource(segment, [virtual_column])
    vector = RowBlock(source, 0, source.num_rows).vector(virtual_column.name)
    kind = source.column_type(virtual_column.name)
    if isinstance(vector, StringVector) and str(kind).startswith("ARRAY"):  # of a column that is not there
        vector = null_vector(0)
    rows, values = _explode(vector)
    ordered = getattr(segment, "is_time_ordered", None) or None
    return DerivedSegment(
        [Part(segment, rows)],
        len(rows),
        {virtual_column.name: values},
        is_time_ordered=ordered,
        is_in_intervals=source.is_in_intervals,
    )


def _explode(vector: AnyVector) -> tuple[Array, AnyVector]:
    """The row of each value, and the values."""
    if isinstance(vector, MultiStringVector):
        return vector.explode()
    if isinstance(vector, StringVector):  # a null string is a value, other nulls are none: as in Druid
        return np.arange(len(vector)), vector
    if isinstance(vector, NumericVector):
        rows = np.arange(len(vector)) if vector.nulls is None else np.flatnonzero(~vector.nulls)
        return rows, vector.take(rows)
    return _explode_objects(vector)


def _explode_objects(vector: ObjectVector) -> tuple[Array, AnyVector]:
    lists = [item if isinstance(item, list) else () if item is None else (item,) for item in vector.to_list()]
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    kind = str(vector.type)
    element = kind[len("ARRAY<") : -1] if kind.startswith("ARRAY<") else kind
    return np.repeat(np.arange(len(lists)), lengths), vector_from_list(element, list(chain.from_iterable(lists)))
