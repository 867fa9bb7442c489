"""Which segments hold the rows of a stretch of time, and which part of each counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment
from nemeton.model.timeline import SegmentTimeline
from nemeton.time import Interval


def _tuple(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    return tuple(intervals)


@frozen
class WindowedSegmentId:
    """A segment by name and the intervals in which its rows count (Druid's name)."""

    segment_id: str
    intervals: tuple[Interval, ...] = field(default=(), converter=_tuple)


@frozen
class SegmentWindow:
    """A segment and the intervals in which its rows count."""

    segment: DataSegment
    intervals: tuple[Interval, ...]

    @property
    def id(self) -> WindowedSegmentId:
        """By name."""
        return WindowedSegmentId(str(self.segment.id), self.intervals)


def visible_windows(segments: Iterable[DataSegment], interval: Interval) -> list[SegmentWindow]:
    """What counts of the segments within the interval, in the order of the segments' names."""
    found: dict[DataSegment, list[Interval]] = {}
    for holder in SegmentTimeline.of(segments).lookup(interval):
        for segment in holder.objects:
            found.setdefault(segment, []).append(holder.interval)
    return [SegmentWindow(segment, tuple(found[segment])) for segment in sorted(found)]


def named_windows(ids: Iterable[WindowedSegmentId], segments: Iterable[DataSegment]) -> list[SegmentWindow]:
    """The windows by name, with their segments. Refuses windows that overlap, whose rows would count twice."""
    by_name = {str(segment.id): segment for segment in segments}
    windows = []
    for id_ in ids:
        segment = by_name.get(id_.segment_id)
        if segment is None:
            raise invalid_input(f"Segment [{id_.segment_id}] to read does not exist")
        windows.append(SegmentWindow(segment, id_.intervals))
    _check_overlap(windows)
    return windows


def _check_overlap(windows: list[SegmentWindow]) -> None:
    versions: dict[Interval, str] = {}
    for window in windows:
        for interval in window.intervals:
            version = versions.setdefault(interval, window.segment.version)
            if version != window.segment.version:
                raise invalid_input(
                    f"Segments to read in the same interval [{interval}] must have the same version, not "
                    f"[{version}] and [{window.segment.version}]"
                )
    for one, other in itertools.pairwise(sorted(versions)):
        if one.overlaps(other):
            raise invalid_input(f"Distinct intervals in input segments may not overlap: [{one}] vs [{other}]")
