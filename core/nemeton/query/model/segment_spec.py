"""Which time, or which segments, a query covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.model import SegmentDescriptor
from nemeton.query.model.context import java_class
from nemeton.time import ETERNITY, Interval, condense

if TYPE_CHECKING:
    from nemeton.json import Json


@frozen
class QuerySegmentSpec:
    """Intervals, or (from a Broker to a data server) segment descriptors.

    JSON: `"a/b"`, `["a/b", …]`, `{"type": "intervals", "intervals": […]}`, `{"type": "segments", "segments": […]}`.
    Overlapping and adjacent intervals are joined.
    """

    intervals: tuple[Interval, ...]
    segments: tuple[SegmentDescriptor, ...] | None = None

    @classmethod
    def of(cls, *intervals: Interval | str) -> QuerySegmentSpec:
        """A spec of intervals, or of their ISO texts; empty ones are left out."""
        parsed = [Interval.parse(item) if isinstance(item, str) else item for item in intervals]
        return cls(tuple(condense([item for item in parsed if item.end > item.start])))

    @classmethod
    def of_segments(cls, descriptors: Sequence[SegmentDescriptor]) -> QuerySegmentSpec:
        """A spec of segment descriptors; each covers only its own interval."""
        return cls(tuple(condense([item.interval for item in descriptors])), tuple(descriptors))

    @classmethod
    def from_json(cls, value: Any, json: Json) -> QuerySegmentSpec:
        """Read any of the forms."""
        if isinstance(value, dict):
            if value.get("type") == "segments":
                return cls.of_segments(
                    [json.structure(item, SegmentDescriptor) for item in value.get("segments") or []]
                )
            if value.get("type", "intervals") != "intervals" or "intervals" not in value:
                raise invalid_input("intervals: expected a list of intervals, or type [intervals] or [segments]")
            value = value["intervals"]
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            raise invalid_input(f"Unknown type[class {java_class(value)}] for intervals[{value}]")
        for item in value:
            if not isinstance(item, str):
                raise invalid_input(f"No interval converter found for type: {java_class(item)}")
        return cls.of(*value)

    def to_json(self, json: Json) -> Any:
        """Write it as Druid does."""
        if self.segments is not None:
            return {"type": "segments", "segments": [json.unstructure(item) for item in self.segments]}
        return {"type": "intervals", "intervals": [str(item) for item in self.intervals]}

    def clip(self, to: Interval) -> list[Interval]:
        """The parts of the intervals that lie in another one."""
        found = [interval.intersection(to) for interval in self.intervals]
        return [item for item in found if item is not None and item.end > item.start]


ALL_TIME = QuerySegmentSpec((ETERNITY,))
