"""Rows in partitions, on which operators work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve, frozen

from nemeton.common.errors import illegal_state
from nemeton.query.engines.table import natural_ranks, vector_codes
from nemeton.query.inline import VectorSegment
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import AnyVector, Array, null_vector

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


@frozen(eq=False)
class PartitionedRows:
    """Columns of equal length, cut into partitions of consecutive rows. Immutable.

    `starts` holds the first row of each partition, ascending, and at last the number of rows (Druid: a sequence of
    RowsAndColumns).
    """

    columns: Mapping[str, AnyVector]
    starts: Array

    @classmethod
    def whole(cls, columns: Mapping[str, AnyVector], num_rows: int) -> PartitionedRows:
        """All rows as one partition; none when there are no rows."""
        return cls(columns, np.array([0, num_rows] if num_rows else [0], dtype=np.int64))

    @classmethod
    def of_segment(cls, segment: Segment) -> PartitionedRows:
        """All rows of a segment."""
        source = SegmentSource(segment)
        columns = {name: source.read(name, 0, source.num_rows) for name in segment.column_names}
        return cls.whole(columns, source.num_rows)

    @property
    def num_rows(self) -> int:
        """The rows of all partitions."""
        return int(self.starts[-1])

    @property
    def sizes(self) -> Array:
        """The rows of each partition."""
        return np.diff(self.starts)

    @property
    def partition_of(self) -> Array:
        """The partition of each row."""
        return np.repeat(np.arange(len(self.starts) - 1), self.sizes)

    @property
    def first_of(self) -> Array:
        """By row, the first row of its partition."""
        return np.repeat(self.starts[:-1], self.sizes)

    @property
    def size_of(self) -> Array:
        """By row, the size of its partition."""
        return np.repeat(self.sizes, self.sizes)

    def column(self, name: str) -> AnyVector:
        """A column; nulls when there is none of that name."""
        found = self.columns.get(name)
        return null_vector(self.num_rows) if found is None else found

    def existing(self, name: str) -> AnyVector:
        """A column. Raises as Druid when there is none of that name."""
        if self.num_rows and name not in self.columns:
            raise illegal_state(f"column[{name}] doesn't exist; there are [{', '.join(self.columns)}]")
        return self.column(name)

    def with_columns(self, more: Mapping[str, AnyVector]) -> PartitionedRows:
        """The same rows with columns added, or replaced."""
        return evolve(self, columns={**self.columns, **more})

    def take(self, rows: Array) -> PartitionedRows:
        """These rows as one partition."""
        return self.whole({name: vector.take(rows) for name, vector in self.columns.items()}, len(rows))

    def segment(self) -> VectorSegment:
        """The rows as a segment."""
        return VectorSegment(self.columns, self.num_rows)

    def group_starts(self, names: Sequence[str]) -> Array:
        """As `starts`, with a cut wherever one of the columns changes its value."""
        if not self.num_rows:
            return self.starts
        cut = np.zeros(self.num_rows, dtype=bool)
        cut[self.starts[:-1]] = True
        for name in names:
            codes, _ = vector_codes(self.column(name))
            cut[1:] |= codes[1:] != codes[:-1]
        return np.append(np.flatnonzero(cut), self.num_rows)

    def order(self, columns: Sequence[tuple[str, bool]]) -> Array:
        """The rows in the order of these columns, each with whether it descends; equal ones stay as they are.

        Null comes first, and last where the order descends.
        """
        keys = []
        for name, descending in columns:
            ranks = natural_ranks(self.column(name))
            keys.append(-ranks if descending else ranks)
        return np.lexsort(keys[::-1]) if keys else np.arange(self.num_rows)
