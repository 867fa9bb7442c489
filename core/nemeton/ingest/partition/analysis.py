"""What has to be known of all rows before they can be divided: how many there are, how their values are distributed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from nemeton.ingest.partition.cardinality import CardinalitySketch
from nemeton.ingest.partition.keys import row_keys
from nemeton.ingest.partition.murmur import ByteStrings, murmur3_128
from nemeton.ingest.partition.quantiles import TupleSketch
from nemeton.ingest.partition.seen import SeenRows
from nemeton.ingest.partition.tuples import sorted_order, tuples_of
from nemeton.ingest.rows import RowBatch
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.ingest.schema import GranularitySpec

Rows = NDArray[np.int64]


class RowAnalysis(ABC):
    """Looks at batches of rows, one after another. Not thread-safe."""

    #: what was found out of each interval
    sketches: dict[Interval, Any]

    @abstractmethod
    def add(self, batch: RowBatch) -> None:
        """Look at a batch."""


@define
class CardinalityAnalysis(RowAnalysis):
    """About how many distinct rows each interval has, time cut to the query granularity."""

    granularity: GranularitySpec
    sketches: dict[Interval, CardinalitySketch] = field(init=False, factory=dict)

    def add(self, batch: RowBatch) -> None:
        """See :class:`RowAnalysis`."""
        keys = row_keys(batch, self.granularity.query_granularity.bucket_starts(batch.times))
        for interval, rows in by_interval(self.granularity, batch.times):
            sketch = self.sketches.setdefault(interval, CardinalitySketch())
            sketch.update(ByteStrings.of(keys if rows is None else keys.gather(rows)))


@define
class DistributionAnalysis(RowAnalysis):
    """How the values of the partition dimensions are distributed in each interval.

    ``is_grouped``: rows are taken to be distinct. Else, with rollup, rows alike in time and all dimensions count once,
    as far as can be told in bounded memory.
    """

    granularity: GranularitySpec
    dimensions: Sequence[str]
    is_grouped: bool
    sketches: dict[Interval, TupleSketch] = field(init=False, factory=dict)
    _seen: SeenRows = field(init=False, factory=SeenRows)

    def add(self, batch: RowBatch) -> None:
        """See :class:`RowAnalysis`. Raises invalid_input for rows with several values of a partition dimension."""
        tuples = tuples_of(batch, self.dimensions)
        is_first = self._first(batch)
        for interval, rows in by_interval(self.granularity, batch.times):
            here = tuples if rows is None else tuples[rows]
            sketch = self.sketches.setdefault(interval, TupleSketch(len(self.dimensions)))
            if is_first is None:
                sketch.update(here)
                continue
            sketch.update(here.filter(is_first if rows is None else is_first[rows]))
            # the least and the greatest count in any case: a row may have been taken for one seen before
            order = sorted_order(here)
            for place in (order[0], order[-1]):
                sketch.note(here.row(int(place)))

    def _first(self, batch: RowBatch) -> NDArray[np.bool_] | None:
        if self.is_grouped or not self.granularity.rollup:
            return None
        keys = row_keys(batch, self.granularity.query_granularity.bucket_starts(batch.times))
        return self._seen.are_new(murmur3_128(ByteStrings.of(keys))[0])


def by_interval(granularity: GranularitySpec, times: Rows) -> Iterator[tuple[Interval, Rows | None]]:
    """The segment intervals of the times, each with its rows (None: all of them)."""
    starts = granularity.bucket_starts(times)
    distinct, counts = np.unique(starts, return_counts=True)
    if len(distinct) <= 1:
        for start in distinct.tolist():
            yield granularity.bucket(start), None
        return
    groups = np.split(np.argsort(starts, kind="stable"), np.cumsum(counts)[:-1])
    for start, rows in zip(distinct.tolist(), groups, strict=True):
        yield granularity.bucket(start), rows


def merge_distributions(parts: Sequence[dict[Interval, TupleSketch]]) -> dict[Interval, TupleSketch]:
    """The distributions of all parts together."""
    merged: dict[Interval, TupleSketch] = {}
    for part in parts:
        for interval, sketch in part.items():
            merged.setdefault(interval, TupleSketch(sketch.width)).merge(sketch)
    return merged


def merge_cardinalities(parts: Sequence[dict[Interval, CardinalitySketch]]) -> dict[Interval, CardinalitySketch]:
    """The numbers of distinct rows of all parts together."""
    merged: dict[Interval, CardinalitySketch] = {}
    for part in parts:
        for interval, sketch in part.items():
            merged.setdefault(interval, CardinalitySketch()).merge(sketch)
    return merged
