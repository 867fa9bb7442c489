"""Rows of ``druid_pendingSegments``: which segment id a sequence of a task gets. Functions on an open transaction."""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sqlalchemy import Connection, insert, select

from nemeton.metadata.segment_rows import SegmentRows, is_comparable_as_text, visible
from nemeton.metadata.tables import Tables
from nemeton.model import DataSegment, ShardSpec
from nemeton.spi.metadata import PendingSegment, SegmentCreateRequest, SegmentIdWithShardSpec
from nemeton.time import Interval, format_datetime

if TYPE_CHECKING:
    from nemeton.json import Json

log = logging.getLogger(__name__)


def sequence_key(
    sequence_name: str, previous_id: str, interval: Interval, version: str, *, skip_lineage_check: bool
) -> str:
    """Return the unique key of a request (column ``sequence_name_prev_id_sha1``), byte for byte Druid's."""
    middle = struct.pack("<qq", interval.start, interval.end) if skip_lineage_check else previous_id.encode()
    return hashlib.sha1(b"\xff".join([sequence_name.encode(), middle, version.encode()])).hexdigest().upper()


@frozen
class _Chunk:
    """The newest version of an interval: its core partitions (0 while nothing is committed) and highest number."""

    version: str
    core_partitions: int
    max_partition_num: int


class PendingSegmentRows:
    """Allocation of segment ids. Stateless but for what it was made with."""

    def __init__(self, tables: Tables, segments: SegmentRows, json: Json, now: Callable[[], int]) -> None:
        self._table = tables.pending_segments
        self._segments = segments
        self._json = json
        self._now = now

    def overlapping(self, connection: Connection, data_source: str, interval: Interval | None) -> list[PendingSegment]:
        """Return the pending segments that overlap the interval (None: all)."""
        table = self._table
        query = select(table).where(table.c.datasource == data_source)
        if interval is not None and is_comparable_as_text(interval):
            query = query.where(
                table.c.start < format_datetime(interval.end), table.c.end > format_datetime(interval.start)
            )
        found = [self._parse(row) for row in connection.execute(query)]
        return [p for p in found if interval is None or p.id.interval.overlaps(interval)]

    def _parse(self, row: Any) -> PendingSegment:
        return PendingSegment(
            id=self._json.loads(row.payload, SegmentIdWithShardSpec),
            sequence_name=row.sequence_name,
            sequence_prev_id=row.sequence_prev_id,
            upgraded_from_segment_id=row.upgraded_from_segment_id,
            task_allocator_id=row.task_allocator_id,
            created_date=row.created_date,
        )

    def allocate(
        self,
        connection: Connection,
        data_source: str,
        interval: Interval,
        request: SegmentCreateRequest,
        *,
        skip_lineage_check: bool,
    ) -> SegmentIdWithShardSpec | None:
        """Return the id that the request got before, or a new one; None when the interval is taken otherwise."""
        pending = self.overlapping(connection, data_source, interval)
        previous = "" if skip_lineage_check else request.previous_segment_id or ""
        same_request = [
            p for p in pending if p.sequence_name == request.sequence_name and p.sequence_prev_id == previous
        ]
        for known in same_request:
            if known.id.interval == interval:
                return known.id
        if same_request and not skip_lineage_check:
            log.warning("Sequence [%s] has a segment for another interval than [%s]", request.sequence_name, interval)
            return None
        allocated = self._new_id(connection, data_source, interval, request, [p.id for p in pending])
        if allocated is not None:
            self._insert(connection, allocated, request, previous, skip_lineage_check=skip_lineage_check)
        return allocated

    def _new_id(
        self,
        connection: Connection,
        data_source: str,
        interval: Interval,
        request: SegmentCreateRequest,
        pending: list[SegmentIdWithShardSpec],
    ) -> SegmentIdWithShardSpec | None:
        used = self._segments.used(connection, data_source, [interval], "INCLUDING_OVERSHADOWED")
        shown = visible(used)
        if any(segment.interval != interval for segment in shown):
            log.warning(
                "Cannot allocate a segment for [%s] of [%s]: used ones divide it otherwise", interval, data_source
            )
            return None
        if any(p.interval != interval for p in pending):
            log.warning(
                "Cannot allocate a segment for [%s] of [%s]: pending ones divide it otherwise", interval, data_source
            )
            return None
        newest = _newest(shown, pending)
        if newest is not None and newest.version > request.version:
            log.warning(
                "Cannot allocate for [%s] of [%s]: version [%s] is newer", interval, data_source, newest.version
            )
            return None
        chunk = newest or _Chunk(request.version, 0, -1)
        unused = self._segments.unused_partition_nums(connection, data_source, interval, chunk.version)
        number = max([chunk.max_partition_num, *unused]) + 1
        return SegmentIdWithShardSpec(
            data_source,
            interval,
            chunk.version,
            self._shard_spec(request.partial_shard_spec, number, chunk.core_partitions),
        )

    def _shard_spec(self, partial: Any, partition_num: int, core_partitions: int) -> ShardSpec:
        kind = partial.get("type", "numbered")
        if kind == "linear":
            spec: dict[str, Any] = {"type": "linear", "partitionNum": partition_num}
        else:
            spec = {"type": kind, "partitionNum": partition_num, "partitions": core_partitions}
        parsed: ShardSpec = self._json.structure({**partial, **spec}, ShardSpec)
        return parsed

    def _insert(
        self,
        connection: Connection,
        allocated: SegmentIdWithShardSpec,
        request: SegmentCreateRequest,
        previous: str,
        *,
        skip_lineage_check: bool,
    ) -> None:
        key = sequence_key(
            request.sequence_name,
            previous,
            allocated.interval,
            allocated.version,
            skip_lineage_check=skip_lineage_check,
        )
        connection.execute(
            insert(self._table).values(
                id=str(allocated),
                datasource=allocated.data_source,
                created_date=format_datetime(self._now()),
                start=format_datetime(allocated.interval.start),
                end=format_datetime(allocated.interval.end),
                sequence_name=request.sequence_name,
                sequence_prev_id=previous,
                sequence_name_prev_id_sha1=key,
                payload=self._json.dumps(allocated),
                task_allocator_id=request.task_allocator_id,
            )
        )


def _newest(committed: Iterable[DataSegment], pending: Iterable[SegmentIdWithShardSpec]) -> _Chunk | None:
    """The newest version among committed and pending segments of one interval."""
    committed, pending = list(committed), list(pending)
    versions = [s.version for s in committed] + [p.version for p in pending]
    if not versions:
        return None
    version = max(versions)
    of_version = [s for s in committed if s.version == version]
    numbers = [s.shard_spec.partition_num for s in of_version] + [
        p.shard_spec.partition_num for p in pending if p.version == version
    ]
    core = max((s.shard_spec.num_core_partitions for s in of_version), default=0)
    return _Chunk(version, core, max(numbers))
