"""Buckets: which rows of an interval go together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from nemeton.common.errors import invalid_input, runtime_failure
from nemeton.ingest.partition.keys import dimension_keys, row_keys
from nemeton.ingest.partition.murmur import ByteStrings, murmur3_32
from nemeton.ingest.partition.tuples import StringTuple, composite_ranks, frame_of, tuples_of
from nemeton.ingest.rows import RowBatch
from nemeton.model import BucketShardSpec, DimensionRangeBucketShardSpec, HashBucketShardSpec
from nemeton.time import Granularity, Interval, format_datetime

Buckets = NDArray[np.int32]
MURMUR3_32_ABS = "murmur3_32_abs"


class Bucketing(ABC):
    """Gives each row a bucket of its interval, numbered from 0; all rows of a bucket make one segment. Thread-safe."""

    @abstractmethod
    def buckets(self, batch: RowBatch, starts: NDArray[np.int64]) -> Buckets:
        """The bucket of each row; ``starts``: the starts of the rows' intervals. Raises for an unexpected interval."""

    @abstractmethod
    def shard_spec(self, interval: Interval, bucket: int) -> BucketShardSpec:
        """The spec of a bucket, as partial segments carry it."""


@frozen(kw_only=True)
class HashBucketing(Bucketing):
    """By the hash of the partition dimensions' values (none: of all of the row), exactly as Druid's.

    ``counts``: interval → number of buckets; ``default_count`` for those that are not named (None: there are none).
    """

    dimensions: tuple[str, ...] = ()
    query_granularity: Granularity
    counts: Mapping[Interval, int] = field(factory=dict)
    default_count: int | None = None
    _by_start: dict[int, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_start", {interval.start: count for interval, count in self.counts.items()})

    def buckets(self, batch: RowBatch, starts: NDArray[np.int64]) -> Buckets:
        """See :class:`Bucketing`."""
        if self.dimensions:
            keys = dimension_keys(batch, self.dimensions)
        else:
            keys = row_keys(batch, self.query_granularity.bucket_starts(batch.times))
        hashes = murmur3_32(ByteStrings.of(keys)).astype(np.int64)
        distinct, places = np.unique(starts, return_inverse=True)
        counts = np.array([self._count(start) for start in distinct.tolist()], dtype=np.int64)
        # Java's remainder has the sign of the hash: its absolute value is that of the absolute hash
        return (np.abs(hashes) % counts[places]).astype(np.int32)

    def _count(self, start: int) -> int:
        count = self._by_start.get(start, self.default_count)
        if count is None:
            raise _unexpected(start, self._by_start)
        return count

    def shard_spec(self, interval: Interval, bucket: int) -> HashBucketShardSpec:
        """See :class:`Bucketing`."""
        return HashBucketShardSpec(bucket, self._count(interval.start), list(self.dimensions), MURMUR3_32_ABS)


@frozen
class PartitionBoundaries:
    """The bounds between ranges: range i is [``cuts[i - 1]``, ``cuts[i]``), the first and the last are open."""

    cuts: tuple[StringTuple, ...] = ()

    @classmethod
    def at(cls, tuples: Sequence[StringTuple]) -> PartitionBoundaries:
        """Of evenly spaced tuples in order, the least first and the greatest last; equal ones make no range."""
        distinct = tuple(dict.fromkeys(tuples))
        return cls(distinct[1:-1])

    @property
    def num_buckets(self) -> int:
        """How many ranges there are."""
        return len(self.cuts) + 1

    def range(self, bucket: int) -> tuple[StringTuple | None, StringTuple | None]:
        """Start and end of a range."""
        bounds = (None, *self.cuts, None)
        return bounds[bucket], bounds[bucket + 1]

    def to_json(self, json: Any = None) -> list[Any]:
        """As Druid writes it: the bounds with null at both ends, bare strings where the tuples have one."""
        bare = all(len(cut) == 1 for cut in self.cuts)
        return [None, *(cut[0] if bare else list(cut) for cut in self.cuts), None]

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> PartitionBoundaries:
        """From what `to_json` gives."""
        if not isinstance(value, list):
            raise invalid_input("intervalToPartitions: a list of boundaries is expected")
        return cls(tuple(tuple(cut) if isinstance(cut, list) else (cut,) for cut in value[1:-1]))


@frozen(kw_only=True)
class RangeBucketing(Bucketing):
    """By ranges of the tuples of the partition dimensions' values, of each interval its own."""

    dimensions: tuple[str, ...]
    boundaries: Mapping[Interval, PartitionBoundaries]
    _by_start: dict[int, PartitionBoundaries] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_start", {interval.start: cuts for interval, cuts in self.boundaries.items()})

    def buckets(self, batch: RowBatch, starts: NDArray[np.int64]) -> Buckets:
        """See :class:`Bucketing`."""
        import polars as pl

        rows = tuples_of(batch, self.dimensions)
        distinct = np.unique(starts).tolist()
        cuts = [cut for start in distinct for cut in self._of(start).cuts]
        ranks = composite_ranks(pl.concat([rows, frame_of(cuts, len(self.dimensions))]))
        row_ranks, cut_ranks = ranks[: rows.height], ranks[rows.height :]
        out = np.zeros(rows.height, dtype=np.int32)
        for start in distinct:
            count = len(self._of(start).cuts)
            here = starts == start
            out[here] = np.searchsorted(cut_ranks[:count], row_ranks[here], side="right")
            cut_ranks = cut_ranks[count:]
        return out

    def _of(self, start: int) -> PartitionBoundaries:
        found = self._by_start.get(start)
        if found is None:
            raise _unexpected(start, self._by_start)
        return found

    def shard_spec(self, interval: Interval, bucket: int) -> DimensionRangeBucketShardSpec:
        """See :class:`Bucketing`."""
        start, end = self._of(interval.start).range(bucket)
        return DimensionRangeBucketShardSpec(
            bucket, list(self.dimensions), None if start is None else list(start), None if end is None else list(end)
        )


def _unexpected(start: int, known: Mapping[int, Any]) -> Exception:
    return runtime_failure(
        f"Rows of the interval that starts at [{format_datetime(start)}] were not there when the input was analysed; "
        f"known are [{len(known)}] intervals. Has the input changed?"
    )
