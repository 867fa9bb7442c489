"""Time buckets of a granularity as codes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.kernels import IdMap

if TYPE_CHECKING:
    from nemeton.time import Granularity

Array = np.ndarray[Any, Any]
_WALK = 512


class TimeBuckets:
    """Codes for the buckets that the rows of one segment fall into."""

    def __init__(self, granularity: Granularity) -> None:
        self.granularity = granularity
        self.is_all = is_all(granularity)
        self._ids = IdMap()

    def codes(self, times: Array) -> Array:
        """The bucket code of each time."""
        if not len(times):
            return np.zeros(0, dtype=np.int64)
        first, last = int(times[0]), int(times[-1])
        if first <= last and len(times) > _WALK and bool((times[1:] >= times[:-1]).all()):
            starts = self._starts_between(first, last)
            if starts is not None:
                ids = self._ids.ids(starts)
                return np.repeat(ids, np.diff(np.append(np.searchsorted(times, starts), len(times))))
        return self._ids.ids(self.granularity.bucket_starts(times))

    def _starts_between(self, first: int, last: int) -> Array | None:
        """The starts of the buckets from one time to another, or None when they are too many to walk along."""
        starts: list[int] = []
        at = first
        while at <= last:
            if len(starts) == _WALK:
                return None
            bucket = self.granularity.bucket(at)
            starts.append(bucket.start)
            if bucket.end <= at:
                return None
            at = bucket.end
        return np.array(starts, dtype=np.int64)

    def starts(self) -> Array:
        """The start of each bucket by code."""
        return self._ids.keys


def is_none(granularity: Granularity) -> bool:
    """Whether each millisecond is a bucket."""
    return granularity == _standard("NONE")


def is_all(granularity: Granularity) -> bool:
    """Whether it is one bucket of all time."""
    return granularity is _standard("ALL") or granularity == _standard("ALL")


@functools.lru_cache(maxsize=8)
def _standard(name: str) -> Granularity:
    from nemeton.time import Granularity as Type

    return Type.parse(name)
