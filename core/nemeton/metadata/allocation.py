"""Which segment id a sequence of a task gets. On an open transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from nemeton.metadata.pending import PendingSegmentRows
from nemeton.metadata.segment_rows import SegmentRows
from nemeton.model import (
    ROOT_GENERATION_END,
    DataSegment,
    PartialShardSpec,
    SegmentId,
    SegmentTimeline,
    TimelineObjectHolder,
)
from nemeton.spi.metadata import PendingSegment, SegmentCreateRequest, SegmentIdWithShardSpec
from nemeton.time import Interval

log = logging.getLogger(__name__)

#: Core partitions of segments that very old tasks have made: unknown.
_UNKNOWN_CORE_PARTITIONS = -1


@frozen
class _Chunk:
    """What is there in the interval of an allocation: the chunk of used segments, if any, and pending segments."""

    data_source: str
    interval: Interval
    version: str | None
    used: Sequence[DataSegment]
    pending: list[PendingSegment]

    def highest_used(self, partial: PartialShardSpec) -> SegmentIdWithShardSpec | None:
        """The used segment with the highest number among those that ``partial`` is numbered with."""
        used = [s for s in self.used if partial.shares_partition_space(s.shard_spec)]
        if not used:
            return None
        highest = max(used, key=lambda segment: segment.partition_num)
        return SegmentIdWithShardSpec(highest.data_source, highest.interval, highest.version, highest.shard_spec)

    def highest(self, partial: PartialShardSpec, used: SegmentIdWithShardSpec | None) -> SegmentIdWithShardSpec | None:
        """The highest of ``used`` (see `highest_used`) and the pending ones; of the chunk's version, if it has one."""
        ids = [p.id for p in self.pending] + ([used] if used else [])
        candidates = [
            id_ for id_ in ids if partial.shares_partition_space(id_.shard_spec) and self.version in (None, id_.version)
        ]
        return max(candidates, key=lambda id_: (id_.version, id_.shard_spec.partition_num), default=None)


class SegmentIdAllocator:
    """Allocation of segment ids. Stateless but for what it was made with."""

    def __init__(self, segments: SegmentRows, pending: PendingSegmentRows) -> None:
        self._segments = segments
        self._pending = pending

    def timeline(
        self, connection: Connection, data_source: str, interval: Interval, *, reduce_metadata_io: bool
    ) -> SegmentTimeline:
        """Return the timeline of the used segments that overlap.

        With ``reduce_metadata_io`` they have no more than what an allocation needs, and few payloads are read.
        """
        if reduce_metadata_io:
            return SegmentTimeline.of(self._segments.used_outlines(connection, data_source, interval))
        return SegmentTimeline.of(self._segments.used(connection, data_source, [interval], "INCLUDING_OVERSHADOWED"))

    def allocate(
        self,
        connection: Connection,
        data_source: str,
        interval: Interval,
        requests: Sequence[SegmentCreateRequest],
        *,
        skip_lineage_check: bool,
        reduce_metadata_io: bool,
    ) -> list[SegmentIdWithShardSpec | None]:
        """Return for each request the id that it got before, or a new one; None when the interval is taken otherwise.

        The same request (by sequence name and, unless ``skip_lineage_check``, previous id) gets the same id, as long as
        nobody has replaced the used segments.
        """
        timeline = self.timeline(connection, data_source, interval, reduce_metadata_io=reduce_metadata_io)
        holders = timeline.lookup(interval)
        if len(holders) > 1:
            log.warning("No new segment for [%s] of [%s]: it has %d versions", interval, data_source, len(holders))
            return [None] * len(requests)
        pending = self._pending.overlapping(connection, data_source, interval)
        chunk = _chunk(data_source, interval, holders, pending)
        new: dict[tuple[str, str], PendingSegment] = {}
        results: list[SegmentIdWithShardSpec | None] = []
        for request in requests:
            previous = "" if skip_lineage_check else request.previous_segment_id or ""
            key = (request.sequence_name, previous)
            known = [new[key].id] if key in new else self._known(connection, chunk, request, skip_lineage_check)
            if known:
                results.append(known[0] if known[0].interval == interval else None)
                continue
            allocated = self._new_id(connection, chunk, request)
            results.append(allocated)
            if allocated is not None:
                new[key] = PendingSegment(
                    id=allocated,
                    sequence_name=request.sequence_name,
                    sequence_prev_id=request.previous_segment_id or "",
                    task_allocator_id=request.task_allocator_id,
                )
                chunk.pending.append(new[key])
        self._pending.insert(connection, list(new.values()), skip_lineage_check=skip_lineage_check)
        return results

    def _known(
        self, connection: Connection, chunk: _Chunk, request: SegmentCreateRequest, skip_lineage_check: bool
    ) -> list[SegmentIdWithShardSpec]:
        """What the request got before, for the version that is there now; with lineage perhaps of another interval."""
        if skip_lineage_check:
            found = [
                p
                for p in reversed(chunk.pending)
                if p.sequence_name == request.sequence_name and p.id.interval == chunk.interval
            ]
        else:
            found = self._pending.of_sequence(
                connection, chunk.data_source, request.sequence_name, request.previous_segment_id or ""
            )
        return [p.id for p in found if chunk.version in (None, p.id.version)]

    def _new_id(
        self, connection: Connection, chunk: _Chunk, request: SegmentCreateRequest
    ) -> SegmentIdWithShardSpec | None:
        partial = request.partial_shard_spec
        used = chunk.highest_used(partial)
        highest = chunk.highest(partial, used)
        # core partitions count only while they are used: pending segments may remember those of dropped ones
        core = used.shard_spec.num_core_partitions if used else 0
        if highest is not None and highest.interval != chunk.interval:
            log.warning(
                "No new segment for [%s] of [%s]: [%s] is in the way", chunk.interval, chunk.data_source, highest
            )
            return None
        if core == _UNKNOWN_CORE_PARTITIONS:
            log.warning("No new segment beside [%s]: its number of core partitions is not known", used)
            return None
        if highest is None:
            number = ROOT_GENERATION_END if partial.overwrites else 0
            version = chunk.version or request.version
        else:
            number = highest.shard_spec.partition_num + 1
            version = chunk.version or highest.version
        number = self._free_number(connection, SegmentId(chunk.data_source, chunk.interval, version, number), partial)
        return SegmentIdWithShardSpec(chunk.data_source, chunk.interval, version, partial.complete(number, core))

    def _free_number(self, connection: Connection, wanted: SegmentId, partial: PartialShardSpec) -> int:
        """The wanted number, or a higher one when a segment that counts no more has (or had) its id."""
        if not self._segments.existing_ids(connection, [str(wanted)]):
            return wanted.partition_num
        numbers = self._segments.partition_nums(connection, wanted.data_source, wanted.interval, wanted.version)
        return max(n for n in numbers if (n >= ROOT_GENERATION_END) == partial.overwrites) + 1


def _chunk(
    data_source: str,
    interval: Interval,
    holders: Sequence[TimelineObjectHolder[DataSegment]],
    pending: list[PendingSegment],
) -> _Chunk:
    if not holders:
        return _Chunk(data_source, interval, None, (), pending)
    return _Chunk(data_source, interval, holders[0].version, holders[0].objects, pending)
