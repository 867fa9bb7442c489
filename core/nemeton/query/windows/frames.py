"""Frames: which rows around a row count, and aggregates over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.plugins import extension_point, json_type
from nemeton.query.vectors import Array
from nemeton.query.windows.rows import PartitionedRows

if TYPE_CHECKING:
    from nemeton.query.source import RowBlock
    from nemeton.spi.query import AggregatorFactory


@extension_point(hook="window_frames", name="window frame")
class WindowFrame(ABC):
    """Which rows of its partition count for a row."""

    @abstractmethod
    def bounds(self, rows: PartitionedRows) -> tuple[Array, Array]:
        """By row, the first row of its frame and the one behind its last."""


def _shifted(units: Array, first: Array, count: Array, lower: int | None, upper: int | None) -> tuple[Array, Array]:
    """By row, the first and the stop of its units: `units` is its own, of `count` from `first` on in its partition."""
    low = first if lower is None else np.clip(units + lower, first, first + count)
    high = first + count if upper is None else np.clip(units + upper + 1, first, first + count)
    return low, np.maximum(low, high)


@json_type("rows")
@frozen
class RowsFrame(WindowFrame):
    """From so many rows before (negative) to so many behind; None for the partition's start and end."""

    lower_offset: int | None = None
    upper_offset: int | None = None

    def bounds(self, rows: PartitionedRows) -> tuple[Array, Array]:
        """Shift."""
        at = np.arange(rows.num_rows)
        return _shifted(at, rows.first_of, rows.size_of, self.lower_offset, self.upper_offset)


@json_type("groups")
@frozen
class GroupsFrame(WindowFrame):
    """As `rows`, by groups of rows with equal values in the columns that the window is ordered by."""

    lower_offset: int | None = None
    upper_offset: int | None = None
    order_by_columns: tuple[str, ...] = ()

    def bounds(self, rows: PartitionedRows) -> tuple[Array, Array]:
        """Shift by groups."""
        starts = rows.group_starts(self.order_by_columns)
        group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        first = group[rows.first_of]
        count = group[rows.first_of + rows.size_of - 1] - first + 1
        low, high = _shifted(group, first, count, self.lower_offset, self.upper_offset)
        return starts[low], starts[high]


def over_frames(factory: AggregatorFactory, block: RowBlock, first: Array, stop: Array) -> Any:
    """The state of a group for each row: the aggregate of the rows `first` to `stop`.

    Each frame is put together of spans of 1, 2, 4, … rows, whose aggregates are merged from each other, so that any
    aggregator serves and the work grows with the logarithm of the frames' size.
    """
    count = block.num_rows
    rows = np.arange(count)
    spans = factory.init(count)
    factory.aggregate(spans, block, rows)
    result = factory.init(count)
    at, left, size = first.copy(), stop - first, 1
    while (left > 0).any():
        wanted = np.flatnonzero(left & size)
        if len(wanted):
            factory.merge(result, factory.take(spans, at[wanted]), wanted)
            at[wanted] += size
            left[wanted] -= size
        if (left > 0).any():
            joined = rows[: count - size]
            longer = factory.take(spans, rows)
            factory.merge(longer, factory.take(spans, joined + size), joined)
            spans, size = longer, size * 2
    return result
