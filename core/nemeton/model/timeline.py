"""The timeline of versioned intervals: which segments count at which time."""

from __future__ import annotations

import bisect
import heapq
import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from attrs import define, field, frozen

from nemeton.model.segments import DataSegment
from nemeton.time import Interval

T = TypeVar("T")


@frozen
class PartitionChunk(Generic[T]):
    """One partition of an interval and version, with whatever stands for it.

    ``num_core_partitions``: so many partitions, numbered from 0, must be there before any of them counts; 0: none.
    ``roots``: the original partitions [start, end) that it stands for: itself, or under a segment lock those that it
    replaces; then with ``minor_version`` > 0, and together with the others of its atomic update group.
    """

    partition_num: int
    num_core_partitions: int
    object: T
    roots: tuple[int, int] | None = None
    minor_version: int = 0
    group_size: int = 1

    @property
    def is_start(self) -> bool:
        """Whether a complete set may begin with it."""
        return self.num_core_partitions <= 0 or self.partition_num == 0

    @property
    def is_end(self) -> bool:
        """Whether the core set ends with it."""
        return self.num_core_partitions <= 0 or self.partition_num == self.num_core_partitions - 1


@define
class _Entry(Generic[T]):
    """All partitions of one interval and version, by number."""

    interval: Interval
    version: str
    chunks: dict[int, PartitionChunk[T]] = field(factory=dict)

    def is_complete(self) -> bool:
        """Whether the core set is whole: it begins at its start and goes on without a hole to its end."""
        if self.has_replacements():
            return self._covers_core()
        previous: PartitionChunk[T] | None = None
        for num in sorted(self.chunks):
            chunk = self.chunks[num]
            if previous is None and not chunk.is_start:
                return False
            if previous is not None and previous.partition_num + 1 != num:
                return False
            if chunk.is_end:
                return True
            previous = chunk
        return False

    def has_replacements(self) -> bool:
        """Whether any partition replaces others of the same version (segment locks; rare)."""
        return any(chunk.minor_version for chunk in self.chunks.values())

    def visible(self) -> list[PartitionChunk[T]]:
        """The partitions that count if the entry does, by number: all but those that whole groups have replaced."""
        if not self.has_replacements():
            return [self.chunks[num] for num in sorted(self.chunks)]
        groups: dict[tuple[int, tuple[int, int]], list[PartitionChunk[T]]] = {}
        for chunk in self.chunks.values():
            groups.setdefault((chunk.minor_version, _roots(chunk)), []).append(chunk)
        whole = {key: group for key, group in groups.items() if len(group) >= group[0].group_size}
        shown = [
            chunk
            for (minor, roots), group in whole.items()
            if not any(higher > minor and start <= roots[0] and roots[1] <= end for higher, (start, end) in whole)
            for chunk in group
        ]
        return sorted(shown, key=lambda chunk: chunk.partition_num)

    def _covers_core(self) -> bool:
        shown = self.visible()
        core = max((chunk.num_core_partitions for chunk in self.chunks.values()), default=0)
        covered = {root for chunk in shown for root in range(*_roots(chunk))}
        return bool(shown) and covered.issuperset(range(core))

    def __lt__(self, other: _Entry[T]) -> bool:
        # the heap gives the smallest first, and the highest version is wanted
        return (self.version, self.interval) > (other.version, other.interval)


def _roots(chunk: PartitionChunk[T]) -> tuple[int, int]:
    return chunk.roots or (chunk.partition_num, chunk.partition_num + 1)


def _is_replaced(chunk: PartitionChunk[T], shown: Iterable[PartitionChunk[T]]) -> bool:
    """Whether one that counts stands for all that the chunk stands for, with a higher minor version."""
    start, end = _roots(chunk)
    return any(
        other.minor_version > chunk.minor_version and _roots(other)[0] <= start and end <= _roots(other)[1]
        for other in shown
    )


@frozen
class TimelineObjectHolder(Generic[T]):
    """A stretch of time and the partitions that count in it; ``true_interval`` is what they were made for."""

    interval: Interval
    true_interval: Interval
    version: str
    chunks: tuple[PartitionChunk[T], ...]

    @property
    def objects(self) -> list[T]:
        """What stands for the partitions, by number."""
        return [chunk.object for chunk in self.chunks]


@frozen
class _Index(Generic[T]):
    """The stretches of time, ascending and disjoint, each with the entry that counts there."""

    pieces: list[tuple[Interval, _Entry[T]]]
    ends: list[int]

    def overlapping(self, interval: Interval) -> Iterator[tuple[Interval, _Entry[T]]]:
        """The stretches that share an instant with the interval, clipped to it."""
        for i in range(bisect.bisect_right(self.ends, interval.start), len(self.pieces)):
            piece, entry = self.pieces[i]
            clipped = piece.intersection(interval)
            if clipped is None:
                return
            yield clipped, entry


class VersionedIntervalTimeline(Generic[T]):
    """What counts at which time, among objects with interval, version and partition number. Thread-safe.

    At every instant the highest version counts whose core partitions are all there; so a new version takes over at
    once and whole, partitions appended to it come in one by one, and when it goes the older one is back. An object may
    count in a part of its interval only. Within a version, a whole atomic update group of a higher minor version takes
    the place of the partitions that it replaces.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[Interval, str], _Entry[T]] = {}
        self._index: _Index[T] | None = None
        self._lock = threading.RLock()

    def add(self, interval: Interval, version: str, chunk: PartitionChunk[T]) -> None:
        """Put a partition in; one of the same number is replaced."""
        with self._lock:
            entry = self._entries.setdefault((interval, version), _Entry(interval, version))
            was_complete = entry.is_complete()
            entry.chunks[chunk.partition_num] = chunk
            if entry.is_complete() != was_complete:
                self._index = None

    def remove(self, interval: Interval, version: str, partition_num: int) -> T | None:
        """Take a partition out and return its object; None when it is not there."""
        with self._lock:
            entry = self._entries.get((interval, version))
            chunk = entry.chunks.pop(partition_num, None) if entry is not None else None
            if entry is None or chunk is None:
                return None
            if not entry.chunks:
                del self._entries[interval, version]
            if not entry.is_complete():
                self._index = None
            return chunk.object

    def get(self, interval: Interval, version: str, partition_num: int) -> T | None:
        """The object of exactly that interval, version and partition, whether it counts or not; else None."""
        with self._lock:
            entry = self._entries.get((interval, version))
            chunk = entry.chunks.get(partition_num) if entry is not None else None
            return chunk.object if chunk is not None else None

    def find(self, interval: Interval, version: str, partition_num: int) -> T | None:
        """The object of exactly that interval, version and partition, or of an interval that holds it; else None.

        Whether it counts does not matter.
        """
        with self._lock:
            entry = self._entries.get((interval, version))
            candidates = [entry] if entry is not None else self._holding(interval, version)
            for candidate in candidates:
                chunk = candidate.chunks.get(partition_num)
                if chunk is not None:
                    return chunk.object
            return None

    def _holding(self, interval: Interval, version: str) -> list[_Entry[T]]:
        return [e for e in self._entries.values() if e.version == version and e.interval.contains(interval)]

    def lookup(self, interval: Interval) -> list[TimelineObjectHolder[T]]:
        """What counts in the interval, ascending, clipped to it."""
        with self._lock:
            return [
                TimelineObjectHolder(clipped, entry.interval, entry.version, tuple(entry.visible()))
                for clipped, entry in self._current().overlapping(interval)
            ]

    def is_overshadowed(self, interval: Interval, version: str) -> bool:
        """Whether higher versions count everywhere in the interval."""
        with self._lock:
            reached = interval.start
            for clipped, entry in self._current().overlapping(interval):
                if clipped.start > reached or entry.version <= version:
                    return False
                reached = clipped.end
            return reached >= interval.end and not interval.is_empty

    def find_fully_overshadowed(self) -> list[T]:
        """All objects that count nowhere because higher versions do, major or minor ones."""
        with self._lock:
            return [
                chunk.object
                for entry in self._entries.values()
                for chunk in self._hidden(entry, self.is_overshadowed(entry.interval, entry.version))
            ]

    @staticmethod
    def _hidden(entry: _Entry[T], wholly: bool) -> Iterable[PartitionChunk[T]]:
        if wholly:
            return entry.chunks.values()
        if not entry.has_replacements():
            return ()
        shown = entry.visible()
        return [chunk for chunk in entry.chunks.values() if _is_replaced(chunk, shown)]

    def find_visible(self, interval: Interval) -> list[T]:
        """All objects that count somewhere in the interval, once each."""
        seen: dict[tuple[Interval, str], TimelineObjectHolder[T]] = {}
        for holder in self.lookup(interval):
            seen.setdefault((holder.true_interval, holder.version), holder)
        return [obj for holder in seen.values() for obj in holder.objects]

    def objects(self) -> list[T]:
        """All that was put in, counting or not."""
        with self._lock:
            return [chunk.object for entry in self._entries.values() for chunk in entry.chunks.values()]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._entries

    def _current(self) -> _Index[T]:
        if self._index is None:
            pieces = _visible([entry for entry in self._entries.values() if entry.is_complete()])
            self._index = _Index(pieces, [piece.end for piece, _ in pieces])
        return self._index


def _visible(entries: list[_Entry[T]]) -> list[tuple[Interval, _Entry[T]]]:
    """One sweep over time: between two edges of intervals the highest version that is open there counts."""
    starts = sorted((e for e in entries if not e.interval.is_empty), key=lambda e: e.interval.start)
    edges = sorted({edge for e in starts for edge in (e.interval.start, e.interval.end)})
    pieces: list[tuple[Interval, _Entry[T]]] = []
    open_entries: list[_Entry[T]] = []
    taken = 0
    for low, high in itertools.pairwise(edges):
        while taken < len(starts) and starts[taken].interval.start <= low:
            heapq.heappush(open_entries, starts[taken])
            taken += 1
        while open_entries and open_entries[0].interval.end <= low:
            heapq.heappop(open_entries)
        if not open_entries:
            continue
        best = open_entries[0]
        if pieces and pieces[-1][1] is best and pieces[-1][0].end == low:
            pieces[-1] = (Interval(pieces[-1][0].start, high), best)
        else:
            pieces.append((Interval(low, high), best))
    return pieces


class SegmentTimeline(VersionedIntervalTimeline[DataSegment]):
    """The timeline of the segments of one data source."""

    @classmethod
    def of(cls, segments: Iterable[DataSegment]) -> SegmentTimeline:
        """A timeline of the segments."""
        timeline = cls()
        timeline.add_segments(segments)
        return timeline

    def add_segments(self, segments: Iterable[DataSegment]) -> None:
        """Add published segments under their versions and partitions."""
        for segment in segments:
            self.add(segment.interval, segment.version, chunk_of(segment, segment))

    def remove_segment(self, segment: DataSegment) -> DataSegment | None:
        """Take a segment out; None when it is not there."""
        return self.remove(segment.interval, segment.version, segment.partition_num)

    def is_segment_overshadowed(self, segment: DataSegment) -> bool:
        """Whether newer versions count everywhere in its interval, or a newer minor version in its place."""
        if self.is_overshadowed(segment.interval, segment.version):
            return True
        with self._lock:
            entry = self._entries.get((segment.interval, segment.version))
            return entry is not None and _is_replaced(chunk_of(segment, segment), entry.visible())


def chunk_of(segment: DataSegment, stands_for: T) -> PartitionChunk[T]:
    """The segment's partition, with whatever stands for it."""
    spec = segment.shard_spec
    return PartitionChunk(
        segment.partition_num,
        spec.num_core_partitions,
        stands_for,
        (spec.start_root_partition_id, spec.end_root_partition_id),
        spec.minor_version,
        spec.atomic_update_group_size,
    )
