"""``IndexerMetadataStorageCoordinator`` over SQL (Druid: ``IndexerSQLMetadataStorageCoordinator``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from nemeton.common.clock import Clock
from nemeton.common.errors import DruidException, illegal_argument, invalid_input
from nemeton.json import Json
from nemeton.metadata.allocation import SegmentIdAllocator
from nemeton.metadata.changes import SegmentChangeHub
from nemeton.metadata.connector import MetadataStorageConnector
from nemeton.metadata.offsets import DataSourceMetadataRows, MetadataMismatchError
from nemeton.metadata.pending import PendingSegmentRows
from nemeton.metadata.publishing import ConcurrentPublisher
from nemeton.metadata.segment_rows import SegmentRows, batches, visible
from nemeton.model import DataSegment, TaskStatus
from nemeton.spi.metadata import (
    IndexerMetadataStorageCoordinator,
    PendingSegment,
    ReplaceTaskLock,
    SegmentCreateRequest,
    SegmentIdWithShardSpec,
    SegmentPublishResult,
    Visibility,
)
from nemeton.time import ETERNITY, Interval

log = logging.getLogger(__name__)

_LocksAround = Mapping[DataSegment, ReplaceTaskLock]


class _TaskNotActiveError(Exception):
    """The task whose publish this is has been ended in the meantime."""


class SqlIndexerMetadataStorageCoordinator(IndexerMetadataStorageCoordinator):
    """See the base class. ``changes`` is told of every transaction that changed segments."""

    def __init__(
        self, connector: MetadataStorageConnector, json: Json, clock: Clock, changes: SegmentChangeHub | None = None
    ) -> None:
        self._connector = connector
        self._tables = connector.tables
        self._json = json
        self._clock = clock
        self._changes = changes or SegmentChangeHub()
        self._segments = SegmentRows(connector.tables, json, clock.now)
        self._pending = PendingSegmentRows(connector.tables, connector.dialect, json, clock.now)
        self._offsets = DataSourceMetadataRows(connector.tables, json, clock.now)
        self._ids = SegmentIdAllocator(self._segments, self._pending)
        self._concurrent = ConcurrentPublisher(connector.tables, self._segments, self._pending)

    def acting_for(self, service: str) -> SqlIndexerMetadataStorageCoordinator:
        """See the base class."""
        acting = self._connector.acting_for(service)
        return SqlIndexerMetadataStorageCoordinator(acting, self._json, self._clock, self._changes)

    def _changed(self, data_source: str) -> None:
        self._changes.notify(data_source)

    # ---- reading

    def retrieve_used_segments(
        self, data_source: str, intervals: Sequence[Interval] | None = None, visibility: Visibility = "ONLY_VISIBLE"
    ) -> list[DataSegment]:
        """See the base class."""
        return self._connector.read(lambda c: self._segments.used(c, data_source, intervals, visibility))

    def retrieve_unused_segments(
        self,
        data_source: str,
        interval: Interval,
        versions: Sequence[str] | None = None,
        limit: int | None = None,
        max_used_status_last_updated: str | None = None,
    ) -> list[DataSegment]:
        """See the base class."""
        return self._connector.read(
            lambda c: self._segments.within(
                c,
                data_source,
                interval,
                used=False,
                versions=versions,
                limit=limit,
                max_used_status_last_updated=max_used_status_last_updated,
            )
        )

    def retrieve_segments_by_id(self, data_source: str, segment_ids: Iterable[str]) -> list[DataSegment]:
        """See the base class."""
        ids = list(segment_ids)
        return self._connector.read(lambda c: self._segments.by_id(c, data_source, ids))

    def retrieve_used_segments_and_created_dates(
        self, data_source: str, intervals: Sequence[Interval]
    ) -> list[tuple[DataSegment, str]]:
        """See the base class."""
        return self._connector.read(lambda c: self._segments.used_with_created_dates(c, data_source, intervals))

    def retrieve_all_data_sources(self) -> set[str]:
        """See the base class."""
        table = self._tables.segments
        query = select(table.c.datasource).where(table.c.used.is_(True)).distinct()
        return self._connector.read(lambda c: set(c.execute(query).scalars()))

    def retrieve_upgraded_from_segment_ids(self, data_source: str, segment_ids: Iterable[str]) -> dict[str, str]:
        """See the base class."""
        table = self._tables.segments
        ids = list(segment_ids)

        def work(connection: Connection) -> dict[str, str]:
            found: dict[str, str] = {}
            for batch in batches(ids):
                query = select(table.c.id, table.c.upgraded_from_segment_id).where(
                    table.c.datasource == data_source,
                    table.c.id.in_(batch),
                    table.c.upgraded_from_segment_id.is_not(None),
                )
                found.update((row.id, row.upgraded_from_segment_id) for row in connection.execute(query))
            return found

        return self._connector.read(work)

    def retrieve_upgraded_to_segment_ids(self, data_source: str, segment_ids: Iterable[str]) -> dict[str, list[str]]:
        """See the base class."""
        table = self._tables.segments
        ids = list(segment_ids)

        def work(connection: Connection) -> dict[str, list[str]]:
            found = {id_: [id_] for id_ in sorted(self._segments.existing_ids(connection, ids))}
            for batch in batches(ids):
                query = select(table.c.id, table.c.upgraded_from_segment_id).where(
                    table.c.datasource == data_source, table.c.upgraded_from_segment_id.in_(batch)
                )
                for row in connection.execute(query):
                    found.setdefault(row.upgraded_from_segment_id, []).append(row.id)
            return found

        return self._connector.read(work)

    # ---- publishing

    def commit_segments(self, segments: Sequence[DataSegment]) -> set[DataSegment]:
        """See the base class."""
        inserted = self._connector.retry_transaction(lambda c: self._segments.insert_missing(c, segments))
        for data_source in {segment.data_source for segment in inserted}:
            self._changed(data_source)
        return set(inserted)

    def commit_segments_and_metadata(
        self,
        segments: Sequence[DataSegment],
        start_metadata: Any | None = None,
        end_metadata: Any | None = None,
        *,
        data_source: str | None = None,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """See the base class."""
        name = _data_source_of(segments)

        def work(connection: Connection) -> SegmentPublishResult:
            self._swap(connection, data_source or name, start_metadata, end_metadata, segments)
            return SegmentPublishResult.ok(self._segments.insert_missing(connection, segments))

        return self._publish(name, work, completes_task)

    def commit_append_segments(
        self,
        segments: Sequence[DataSegment],
        replace_locks: _LocksAround,
        task_allocator_id: str,
        start_metadata: Any | None = None,
        end_metadata: Any | None = None,
        *,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """See the base class."""
        name = _data_source_of(segments)

        def work(connection: Connection) -> SegmentPublishResult:
            self._swap(connection, name, start_metadata, end_metadata, segments)
            return SegmentPublishResult.ok(
                self._concurrent.append(connection, segments, replace_locks, task_allocator_id)
            )

        return self._publish(name, work, completes_task)

    def commit_replace_segments(
        self,
        segments: Sequence[DataSegment],
        replace_locks: Sequence[ReplaceTaskLock],
        *,
        completes_task: str | None = None,
    ) -> SegmentPublishResult:
        """See the base class."""
        name = _data_source_of(segments)

        def work(connection: Connection) -> SegmentPublishResult:
            inserted, pending = self._concurrent.replace(connection, segments, replace_locks)
            return SegmentPublishResult.ok(inserted, pending)

        try:
            return self._publish(name, work, completes_task)
        except DruidException as error:
            if error.category != "UNSUPPORTED":
                raise
            return SegmentPublishResult.fail(str(error))  # coarser appends than the replacement

    def _publish(
        self, data_source: str, work: Callable[[Connection], SegmentPublishResult], completes_task: str | None
    ) -> SegmentPublishResult:
        """Run ``work`` and record the task's success, in one transaction; what it may not do is a failed result."""

        def whole(connection: Connection) -> SegmentPublishResult:
            result = work(connection)
            if completes_task is not None:
                self._record_success(connection, completes_task)
            return result

        try:
            result = self._connector.retry_transaction(whole)
        except MetadataMismatchError as error:
            return SegmentPublishResult.fail(str(error), retryable=error.retryable)
        except _TaskNotActiveError as error:
            return SegmentPublishResult.fail(str(error))
        self._changed(data_source)
        return result

    def _swap(
        self, connection: Connection, data_source: str, start: Any, end: Any, segments: Sequence[DataSegment]
    ) -> None:
        """Move the offsets, if any. Where they are at the end already, all segments must be there, too.

        That is how a publish looks whose answer was lost; with other segments it would count the same records twice.
        """
        if (start is None) != (end is None):
            raise invalid_input("start/end metadata pair must be either null or non-null")
        if start is None:
            return
        try:
            self._offsets.swap(connection, data_source, start, end)
        except MetadataMismatchError as error:
            ids = {str(segment.id) for segment in segments}
            if not error.is_at_end or self._segments.existing_ids(connection, ids) != ids:
                raise

    def _record_success(self, connection: Connection, task_id: str) -> None:
        """Store the task's success beside its segments; the row stays active until the queue has been told."""
        table = self._tables.tasks
        payload = self._json.dumps(TaskStatus.success(task_id))
        statement = update(table).where(table.c.id == task_id, table.c.active.is_(True)).values(status_payload=payload)
        if connection.execute(statement).rowcount != 1:
            raise _TaskNotActiveError(f"Task[{task_id}] is not active any more, so that it cannot publish")

    # ---- stream offsets

    def commit_metadata_only(self, data_source: str, start_metadata: Any, end_metadata: Any) -> SegmentPublishResult:
        """See the base class."""

        if start_metadata is None or end_metadata is None:
            raise illegal_argument(f"{'start' if start_metadata is None else 'end'} metadata cannot be null")
        try:
            self._connector.retry_transaction(
                lambda c: self._swap(c, data_source, start_metadata, end_metadata, segments=[])
            )
        except MetadataMismatchError as error:
            return SegmentPublishResult.fail(str(error), retryable=error.retryable)
        return SegmentPublishResult.ok([])

    def retrieve_data_source_metadata(self, data_source: str) -> Any | None:
        """See the base class."""
        return self._connector.read(lambda c: self._offsets.read(c, data_source))

    def delete_data_source_metadata(self, data_source: str) -> bool:
        """See the base class."""
        return self._connector.retry_transaction(lambda c: self._offsets.delete(c, data_source))

    def reset_data_source_metadata(self, data_source: str, metadata: Any) -> bool:
        """See the base class."""
        return self._connector.retry_transaction(lambda c: self._offsets.overwrite(c, data_source, metadata))

    # ---- pending segments

    def allocate_pending_segments(
        self,
        data_source: str,
        interval: Interval,
        requests: Sequence[SegmentCreateRequest],
        *,
        skip_segment_lineage_check: bool,
        reduce_metadata_io: bool = False,
    ) -> list[SegmentIdWithShardSpec | None]:
        """See the base class."""
        return self._connector.retry_transaction(
            lambda c: self._ids.allocate(
                c,
                data_source,
                interval,
                requests,
                skip_lineage_check=skip_segment_lineage_check,
                reduce_metadata_io=reduce_metadata_io,
            )
        )

    def retrieve_used_segments_for_allocation(
        self, data_source: str, interval: Interval, *, reduce_metadata_io: bool = False
    ) -> set[DataSegment]:
        """See the base class."""
        timeline = self._connector.read(
            lambda c: self._ids.timeline(c, data_source, interval, reduce_metadata_io=reduce_metadata_io)
        )
        return set(timeline.find_visible(ETERNITY))

    def retrieve_pending_segments(self, data_source: str, interval: Interval | None = None) -> list[PendingSegment]:
        """See the base class."""
        return self._connector.read(lambda c: self._pending.overlapping(c, data_source, interval))

    def delete_pending_segments_created_in_interval(self, data_source: str, interval: Interval) -> int:
        """See the base class."""
        return self._connector.retry_transaction(
            lambda c: self._pending.delete_created_within(c, data_source, interval)
        )

    def delete_pending_segments_for_task_allocators(self, data_source: str, allocator_ids: Collection[str]) -> int:
        """See the base class."""
        return self._connector.retry_transaction(
            lambda c: self._pending.delete_of_allocators(c, data_source, allocator_ids)
        )

    # ---- used and unused

    def mark_segments_as_unused(
        self, data_source: str, interval: Interval | None, versions: Sequence[str] | None = None
    ) -> int:
        """See the base class."""

        def work(connection: Connection) -> int:
            found = self._segments.within(connection, data_source, interval, used=True, versions=versions)
            return self._segments.mark(connection, data_source, (str(s.id) for s in found), used=False)

        return self._marked(data_source, work)

    def mark_segment_ids_as_unused(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """See the base class."""
        ids = list(segment_ids)
        return self._marked(data_source, lambda c: self._segments.mark(c, data_source, ids, used=False))

    def mark_segment_ids_as_used(self, data_source: str, segment_ids: Iterable[str]) -> int:
        """See the base class."""
        ids = list(segment_ids)
        return self._marked(data_source, lambda c: self._segments.mark(c, data_source, ids, used=True))

    def mark_non_overshadowed_segments_as_used(
        self, data_source: str, interval: Interval | None = None, versions: Sequence[str] | None = None
    ) -> int:
        """See the base class."""

        def work(connection: Connection) -> int:
            unused = self._segments.within(connection, data_source, interval, used=False, versions=versions)
            intervals = None if interval is None else [interval]
            used = self._segments.used(connection, data_source, intervals, "INCLUDING_OVERSHADOWED")
            shown = visible([*unused, *used])
            return self._segments.mark(connection, data_source, (str(s.id) for s in unused if s in shown), used=True)

        return self._marked(data_source, work)

    def _marked(self, data_source: str, work: Callable[[Connection], int]) -> int:
        changed = self._connector.retry_transaction(work)
        if changed:
            self._changed(data_source)
        return changed

    def update_segment_metadata(self, segments: Sequence[DataSegment]) -> int:
        """See the base class."""
        name = _data_source_of(segments)

        def work(connection: Connection) -> int:
            return sum(self._segments.update_payload(connection, segment) for segment in segments)

        return self._marked(name, work)

    def delete_segments(self, segments: Iterable[DataSegment]) -> int:
        """See the base class."""
        by_source: dict[str, list[str]] = {}
        for segment in segments:
            by_source.setdefault(segment.data_source, []).append(str(segment.id))
        return self._connector.retry_transaction(
            lambda c: sum(self._segments.delete(c, source, ids) for source, ids in by_source.items())
        )


def _data_source_of(segments: Sequence[DataSegment]) -> str:
    """The one data source of all these. Raises when there is none, or more than one."""
    if not segments:
        raise invalid_input("No segment to commit")
    if len({segment.data_source for segment in segments}) > 1:
        raise invalid_input("Segments to commit must all belong to the same datasource")
    return segments[0].data_source
