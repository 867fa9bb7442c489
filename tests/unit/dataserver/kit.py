"""Segments that a data server serves, made of nothing but times."""

from __future__ import annotations

import numpy as np

from nemeton.dataserver.segments import ReferenceCountedSegment
from nemeton.model import ColumnType, DataSegment
from nemeton.query.inline import VectorSegment
from nemeton.query.vectors import NumericVector
from nemeton.time import Interval


def hourly_segment(number, rows, kind=VectorSegment):
    """A segment of an hour of its own; None for the rows is a tombstone."""
    start = number * 3_600_000
    described = DataSegment("t", Interval(start, start + 3_600_000), "v")
    if rows is None:
        return ReferenceCountedSegment(described, None)
    times = NumericVector(ColumnType.LONG, np.full(rows, start, dtype=np.int64))
    return ReferenceCountedSegment(described, kind({"__time": times}, rows, described.interval))
