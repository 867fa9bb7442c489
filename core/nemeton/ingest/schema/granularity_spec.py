"""How time is cut into segments, and how finely it is kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.time import Granularity, Interval, condense

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _tuple(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    return tuple(intervals)


@frozen(kw_only=True)
class GranularitySpec:
    """``uniform``: one segment per bucket of ``segment_granularity``; ``arbitrary``: one per interval of ``intervals``.

    ``intervals`` (when there are any) bound the input: rows outside are thrown away.
    """

    type: str = "uniform"
    segment_granularity: Granularity = field(factory=lambda: Granularity.parse("DAY"))
    query_granularity: Granularity = field(factory=lambda: Granularity.parse("NONE"))
    rollup: bool = True
    intervals: tuple[Interval, ...] = field(default=(), converter=_tuple)

    def __attrs_post_init__(self) -> None:
        if self.type not in ("uniform", "arbitrary"):
            raise invalid_input(f"granularitySpec: unknown type[{self.type}], known are [uniform, arbitrary]")
        if self.is_arbitrary:
            self._check_overlap()

    def _check_overlap(self) -> None:
        ordered = sorted(self.intervals)
        for one, other in itertools.pairwise(ordered):
            if one.overlaps(other):
                raise invalid_input(f"Overlapping intervals: {one}, {other} (granularitySpec.intervals)")

    @property
    def is_arbitrary(self) -> bool:
        """Whether the segments' intervals are given one by one."""
        return self.type == "arbitrary"

    def with_intervals(self, intervals: list[Interval]) -> GranularitySpec:
        """The same, bounded by other intervals."""
        return evolve(self, intervals=tuple(intervals))

    def segment_intervals(self, intervals: list[Interval]) -> list[Interval]:
        """The intervals widened to whole segments, and joined where they touch: what a task must lock."""
        if self.is_arbitrary:
            return condense(intervals)
        out: list[Interval] = []
        for interval in condense(intervals):
            start = self.segment_granularity.bucket_start(interval.start)
            end = self.segment_granularity.bucket_start(interval.end)
            out.append(Interval(start, end if end == interval.end else self.segment_granularity.increment(end)))
        return condense(out)

    def inside(self, times: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """For each instant whether it may be ingested; None when all may."""
        import numpy as np

        if not self.intervals and not self.is_arbitrary:
            return None
        bounds = np.array([[i.start, i.end] for i in condense(self.intervals)], dtype=np.int64).reshape(-1, 2)
        at = np.searchsorted(bounds[:, 0], times, side="right") - 1
        inside: NDArray[np.bool_] = (at >= 0) & (times < bounds[np.maximum(at, 0), 1]) if len(bounds) else at >= 0
        return None if inside.all() else inside

    def bucket_starts(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The start of each instant's segment interval; the instants are `inside`."""
        import numpy as np

        if not self.is_arbitrary:
            return self.segment_granularity.bucket_starts(times)
        starts = np.array(sorted(i.start for i in self.intervals), dtype=np.int64)
        return starts[np.searchsorted(starts, times, side="right") - 1]

    def bucket(self, start: int) -> Interval:
        """The segment interval that begins there."""
        if not self.is_arbitrary:
            return self.segment_granularity.bucket(start)
        return next(interval for interval in self.intervals if interval.start == start)

    def truncate(self, times: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The instants cut to the query granularity, but never before their segment's start."""
        import numpy as np

        return np.maximum(self.query_granularity.bucket_starts(times), starts)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> GranularitySpec:
        """From its object."""
        if not isinstance(value, Mapping):
            raise invalid_input("granularitySpec: an object is expected")
        spec: GranularitySpec = json.structure_fields(value, cls)
        return spec

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it."""
        out: dict[str, Any] = {"type": self.type}
        if not self.is_arbitrary:
            out["segmentGranularity"] = self.segment_granularity.to_json()
        return out | {
            "queryGranularity": self.query_granularity.to_json(),
            "rollup": self.rollup,
            "intervals": [str(interval) for interval in self.intervals],
        }
