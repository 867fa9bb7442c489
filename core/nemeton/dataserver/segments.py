"""The segments that this process serves, on timelines, each counted while it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nemeton.model import DataSegment, SegmentDescriptor, VersionedIntervalTimeline, chunk_of
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


class ReferenceCountedSegment:
    """A segment that is closed when nobody reads it any more. Thread-safe.

    ``segment`` is None for a tombstone.
    """

    def __init__(self, data_segment: DataSegment, segment: Segment | None) -> None:
        self.data_segment = data_segment
        self._segment = segment
        self._readers = 0
        self._closing = False
        self._lock = threading.Lock()

    @property
    def segment(self) -> Segment | None:
        """What is read; only between `acquire` and `release`."""
        return self._segment

    @property
    def num_rows(self) -> int:
        """How many rows it has; a tombstone has none."""
        return 0 if self._segment is None else self._segment.num_rows

    @property
    def readers(self) -> int:
        """How many read it now."""
        return self._readers

    def acquire(self) -> bool:
        """Begin to read; False when it is closed or about to be."""
        with self._lock:
            if self._closing:
                return False
            self._readers += 1
            return True

    def release(self) -> None:
        """End reading; once per successful `acquire`."""
        with self._lock:
            self._readers -= 1
            close = self._closing and self._readers == 0
        if close:
            self._close()

    def close(self) -> None:
        """Let nobody begin to read any more; the segment is closed when the last reader is done."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            close = self._readers == 0
        if close:
            self._close()

    def _close(self) -> None:
        if self._segment is not None:
            self._segment.close()


class SegmentManager:
    """The timelines of all data sources served here (Druid's class of the same name). Thread-safe."""

    def __init__(self) -> None:
        self._timelines: dict[str, VersionedIntervalTimeline[ReferenceCountedSegment]] = {}
        self._lock = threading.Lock()
        self._num_rows = 0
        self._listeners: list[Callable[[], None]] = []

    def on_added(self, listener: Callable[[], None]) -> None:
        """Call it after each segment that is added, in the thread that adds it; it must be quick and not raise."""
        self._listeners.append(listener)

    @property
    def num_rows(self) -> int:
        """The rows of all segments that are served here."""
        return self._num_rows

    @property
    def data_sources(self) -> list[str]:
        """Data sources that have segments here, sorted."""
        with self._lock:
            return sorted(self._timelines)

    def timeline(self, data_source: str) -> VersionedIntervalTimeline[ReferenceCountedSegment] | None:
        """The timeline of a data source; None when nothing of it is here."""
        return self._timelines.get(data_source)

    def is_loaded(self, segment: DataSegment) -> bool:
        """Whether the segment is served here."""
        return self._find(segment) is not None

    def add(self, segment: ReferenceCountedSegment) -> bool:
        """Serve a segment; False, and the segment is closed, when it is served already."""
        described = segment.data_segment
        with self._lock:
            if self._find(described) is not None:
                segment.close()
                return False
            timeline = self._timelines.setdefault(described.data_source, VersionedIntervalTimeline())
            timeline.add(described.interval, described.version, chunk_of(described, segment))
            self._num_rows += segment.num_rows
        for listener in self._listeners:
            listener()
        return True

    def drop(self, segment: DataSegment) -> bool:
        """Serve a segment no more; it is closed when the queries on it are done. False when it was not served."""
        with self._lock:
            timeline = self._timelines.get(segment.data_source)
            if timeline is None:
                return False
            found = timeline.remove(segment.interval, segment.version, segment.partition_num)
            if timeline.is_empty:
                del self._timelines[segment.data_source]
            if found is not None:
                self._num_rows -= found.num_rows
        if found is None:
            return False
        found.close()
        return True

    def _find(self, segment: DataSegment) -> ReferenceCountedSegment | None:
        timeline = self._timelines.get(segment.data_source)
        if timeline is None:
            return None
        return timeline.get(segment.interval, segment.version, segment.partition_num)

    def visible(self, data_source: str, intervals: Iterable[Interval]) -> list[SegmentDescriptor]:
        """What counts in the intervals, cut to them."""
        timeline = self._timelines.get(data_source)
        if timeline is None:
            return []
        return [
            SegmentDescriptor(holder.interval, holder.version, chunk.partition_num)
            for interval in intervals
            for holder in timeline.lookup(interval)
            for chunk in holder.chunks
        ]

    def find(self, data_source: str, descriptor: SegmentDescriptor) -> ReferenceCountedSegment | None:
        """The segment that the descriptor, or a part of its interval, belongs to."""
        timeline = self._timelines.get(data_source)
        if timeline is None:
            return None
        return timeline.find(descriptor.interval, descriptor.version, descriptor.partition_number)

    def all_segments(self) -> list[DataSegment]:
        """All that is served."""
        with self._lock:
            timelines = list(self._timelines.values())
        return [segment.data_segment for timeline in timelines for segment in timeline.objects()]
