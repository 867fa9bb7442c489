"""What the resources share: arguments of requests, and lists that Druid shows in several ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from nemeton.model import DataSegment
from nemeton.time import Interval, format_datetime


def interval_of_path(text: str) -> Interval:
    """An interval whose slash is an underscore, as it stands in paths. Raises invalid_input."""
    return Interval.parse(text.replace("_", "/"))


@frozen
class SizeAndCount:
    """Bytes and number of some segments."""

    size: int
    count: int


def size_and_count(segments: Iterable[DataSegment]) -> SizeAndCount:
    """The bytes and the number of the segments together."""
    listed = list(segments)
    return SizeAndCount(sum(segment.size for segment in listed), len(listed))


def by_interval_newest_first(segments: Iterable[DataSegment]) -> dict[Interval, list[DataSegment]]:
    """The segments of each interval, the latest interval first."""
    grouped: dict[Interval, list[DataSegment]] = {}
    for segment in sorted(segments, key=lambda each: (-each.interval.end, -each.interval.start, each)):
        grouped.setdefault(segment.interval, []).append(segment)
    return grouped


def segment_summary(segments: Iterable[DataSegment]) -> dict[str, Any]:
    """Bytes, number and time of some segments, as the list of data sources shows them."""
    listed = list(segments)
    size = sum(segment.size for segment in listed)
    if not listed:
        return {"count": 0, "size": 0, "replicatedSize": 0}
    return {
        "maxTime": format_datetime(max(segment.interval.end for segment in listed)),
        "size": size,
        "minTime": format_datetime(min(segment.interval.start for segment in listed)),
        "count": len(listed),
        "replicatedSize": size,
    }
