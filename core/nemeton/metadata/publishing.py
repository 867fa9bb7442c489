"""Publishing segments while others append or replace. On an open transaction.

An append beside a REPLACE lock leaves a note in ``druid_upgradeSegments``; the replacement that is published later puts
what is noted into its own version, too. An append that is published after the replacement finds ids of that version
waiting: the replacement has made one for every pending segment. Either way the rows count in the version that wins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from attrs import define
from sqlalchemy import Connection, insert, select

from nemeton.common.errors import unsupported
from nemeton.metadata.pending import PendingSegmentRows
from nemeton.metadata.segment_rows import SegmentRows, batches
from nemeton.metadata.tables import Tables
from nemeton.model import DataSegment, NumberedShardSpec
from nemeton.spi.metadata import PendingSegment, ReplaceTaskLock, SegmentIdWithShardSpec
from nemeton.time import Interval

log = logging.getLogger(__name__)

#: How the sequences of upgraded pending segments are called; what is called so is never upgraded again.
UPGRADED_PREFIX = "upgraded_to_version__"


class ConcurrentPublisher:
    """Commits of appends and replacements. Stateless but for what it was made with."""

    def __init__(self, tables: Tables, segments: SegmentRows, pending: PendingSegmentRows) -> None:
        self._upgrades = tables.upgrade_segments
        self._segments = segments
        self._pending = pending

    # ---- appending

    def append(
        self,
        connection: Connection,
        segments: Sequence[DataSegment],
        replace_locks: Mapping[DataSegment, ReplaceTaskLock],
        task_allocator_id: str,
    ) -> list[DataSegment]:
        """Insert the segments, in every version that they were given an id for; return what was inserted.

        ``replace_locks`` names the locks that enclose them.
        """
        data_source = segments[0].data_source
        parents = {str(segment.id): segment for segment in segments}
        pending = self._pending.of_allocator(connection, data_source, task_allocator_id)
        upgraded = [p for p in pending if p.upgraded_from_segment_id in parents]
        more = [_in_version(parents[str(p.upgraded_from_segment_id)], p.id) for p in upgraded]
        everything = [*segments, *more]
        self._note(connection, replace_locks)
        self._pending.delete_ids(connection, data_source, (str(segment.id) for segment in everything))
        return self._segments.insert_missing(
            connection,
            everything,
            all_used=True,
            upgraded_from={str(p.id): str(p.upgraded_from_segment_id) for p in upgraded},
        )

    def _note(self, connection: Connection, replace_locks: Mapping[DataSegment, ReplaceTaskLock]) -> None:
        rows = [
            {"task_id": lock.supervisor_task_id, "segment_id": str(segment.id), "lock_version": lock.version}
            for segment, lock in replace_locks.items()
        ]
        for batch in batches(rows):
            connection.execute(insert(self._upgrades), batch)

    # ---- replacing

    def replace(
        self, connection: Connection, segments: Sequence[DataSegment], replace_locks: Sequence[ReplaceTaskLock]
    ) -> tuple[list[DataSegment], list[PendingSegment]]:
        """Insert the segments and, in their version, what was appended under ``replace_locks`` of the task.

        Return what was inserted, and the ids that pending segments of appending tasks were given in that version.
        """
        data_source = segments[0].data_source
        chunks = [self._chunk(connection, members) for members in _by_interval(segments)]
        appended = self._upgrade_appended(connection, data_source, chunks, replace_locks)
        inserted = self._segments.insert_missing(
            connection,
            [*segments, *appended],
            all_used=True,
            upgraded_from={str(segment.id): parent for segment, parent in appended.items()},
        )
        pending = [p for chunk in chunks for p in self._upgrade_pending(connection, data_source, chunk)]
        self._pending.insert(connection, pending, skip_lineage_check=False)
        if appended or pending:
            log.info(
                "Replacing in [%s]: %d segments appended meanwhile and %d pending ones have ids in the new version",
                data_source,
                len(appended),
                len(pending),
            )
        return inserted, pending

    def _chunk(self, connection: Connection, members: Sequence[DataSegment]) -> _ReplacedChunk:
        highest = max(members, key=lambda segment: segment.partition_num)
        # a publish that is repeated finds what it did the first time
        taken = self._segments.partition_nums(connection, highest.data_source, highest.interval, highest.version)
        return _ReplacedChunk(
            highest.interval,
            highest.version,
            highest.shard_spec.num_core_partitions,
            max([highest.partition_num, *taken]),
        )

    def _upgrade_appended(
        self,
        connection: Connection,
        data_source: str,
        chunks: Sequence[_ReplacedChunk],
        replace_locks: Sequence[ReplaceTaskLock],
    ) -> dict[DataSegment, str]:
        """The segments noted for the task, in its version, with the ids that they come from.

        What lies where the task replaces nothing stays as it is, and visible.
        """
        noted = self._noted(connection, {lock.supervisor_task_id for lock in replace_locks})
        upgraded: dict[DataSegment, str] = {}
        found = self._segments.by_id_with_parents(connection, data_source, noted)
        children = self._segments.versions_of_upgrades(
            connection, data_source, (parent or str(segment.id) for segment, parent in found)
        )
        for segment, parent in found:
            version, root = noted[str(segment.id)], parent or str(segment.id)
            chunk = _chunk_for(chunks, segment.interval, f"segment[{segment.id}]", version)
            if chunk is not None and version not in children.get(root, ()):
                new_id = SegmentIdWithShardSpec(data_source, chunk.interval, version, chunk.next_shard_spec())
                upgraded[_in_version(segment, new_id)] = root
        return upgraded

    def _noted(self, connection: Connection, task_ids: set[str]) -> dict[str, str]:
        """Segment id → version of the lock beside which it was appended."""
        table = self._upgrades
        query = select(table.c.segment_id, table.c.lock_version).where(table.c.task_id.in_(sorted(task_ids)))
        return {row.segment_id: row.lock_version for row in connection.execute(query.order_by(table.c.id))}

    def _upgrade_pending(self, connection: Connection, data_source: str, chunk: _ReplacedChunk) -> list[PendingSegment]:
        """Ids in the new version for what is pending in the chunk. They are never published by themselves."""
        pending = self._pending.overlapping(connection, data_source, chunk.interval)
        done = {p.upgraded_from_segment_id for p in pending if p.id.version == chunk.version}
        chunk.reserve(p.id.shard_spec.partition_num for p in pending if p.id.version == chunk.version)
        upgraded = []
        for p in pending:
            if p.task_allocator_id is None or p.id.version >= chunk.version:
                continue
            _chunk_for([chunk], p.id.interval, f"pendingSegment[{p.id}]", chunk.version)
            if p.sequence_name.startswith(UPGRADED_PREFIX) or str(p.id) in done:
                continue
            upgraded.append(
                PendingSegment(
                    id=SegmentIdWithShardSpec(data_source, chunk.interval, chunk.version, chunk.next_shard_spec()),
                    sequence_name=UPGRADED_PREFIX + chunk.version,
                    sequence_prev_id=str(p.id),
                    upgraded_from_segment_id=str(p.id),
                    task_allocator_id=p.task_allocator_id,
                )
            )
        return upgraded


@define
class _ReplacedChunk:
    """An interval that is replaced: what comes into it besides is numbered after what is there."""

    interval: Interval
    version: str
    core_partitions: int
    highest: int

    def next_shard_spec(self) -> NumberedShardSpec:
        """For one more segment."""
        self.highest += 1
        return NumberedShardSpec(self.highest, self.core_partitions)

    def reserve(self, numbers: Iterable[int]) -> None:
        """These are taken."""
        self.highest = max([self.highest, *numbers])


def _by_interval(segments: Iterable[DataSegment]) -> list[list[DataSegment]]:
    found: dict[Interval, list[DataSegment]] = {}
    for segment in segments:
        found.setdefault(segment.interval, []).append(segment)
    return list(found.values())


def _chunk_for(chunks: Iterable[_ReplacedChunk], interval: Interval, what: str, version: str) -> _ReplacedChunk | None:
    """The chunk that holds the interval; None when there is none near. Raises when one overlaps it in part."""
    for chunk in chunks:
        if chunk.interval.contains(interval):
            return chunk
        if chunk.interval.overlaps(interval):
            raise unsupported(
                "Replacing with a finer segment granularity than a concurrent append is unsupported. "
                f"Cannot upgrade {what} to version[{version}] as the replace interval[{chunk.interval}] "
                f"does not fully contain the pending segment interval[{interval}]."
            )
    return None


def _in_version(segment: DataSegment, new_id: SegmentIdWithShardSpec) -> DataSegment:
    """The same data under another id."""
    return segment.with_(
        data_source=new_id.data_source,
        interval=new_id.interval,
        version=new_id.version,
        shard_spec=new_id.shard_spec,
    )
