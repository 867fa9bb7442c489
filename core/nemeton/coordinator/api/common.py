"""What the resources share: arguments of requests, and lists that Druid shows in several ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.metadata.audit import AuditInfo
from nemeton.model import DataSegment
from nemeton.spi.http import Request
from nemeton.time import Interval, format_datetime


def interval_of_path(text: str) -> Interval:
    """An interval whose slash is an underscore, as it stands in paths. Raises invalid_input."""
    return Interval.parse(text.replace("_", "/"))


def audit_info(request: Request) -> AuditInfo:
    """Who makes the change, and why."""
    return AuditInfo(
        author=request.headers.get("x-druid-author", ""),
        identity=request.authenticated.identity or "",
        comment=request.headers.get("x-druid-comment", ""),
        ip=request.client or "",
    )


def audit_arguments(request: Request) -> dict[str, Any]:
    """``interval`` and ``count`` of a question for the history."""
    interval, count = request.query("interval"), request.query("count")
    try:
        number = None if count is None else int(count)
    except ValueError:
        raise invalid_input(f"count: expected a whole number, not [{count}]") from None
    return {"interval": None if interval is None else Interval.parse(interval), "limit": number}


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
