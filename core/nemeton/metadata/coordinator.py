"""``IndexerMetadataStorageCoordinator`` over SQL (Druid: ``IndexerSQLMetadataStorageCoordinator``)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from nemeton.common.clock import Clock
from nemeton.common.errors import invalid_input
from nemeton.json import Json
from nemeton.metadata.changes import SegmentChangeHub
from nemeton.metadata.connector import MetadataStorageConnector, RetryTransactionError
from nemeton.metadata.pending import PendingSegmentRows
from nemeton.metadata.segment_rows import SegmentRows, batches, visible
from nemeton.model import DataSegment, TaskStatus
from nemeton.spi.metadata import (
    IndexerMetadataStorageCoordinator,
    PendingSegment,
    SegmentCreateRequest,
    SegmentIdWithShardSpec,
    SegmentPublishResult,
    Visibility,
)
from nemeton.time import Interval, format_datetime

log = logging.getLogger(__name__)


class _MetadataMismatchError(Exception):
    """The stored stream offsets are not what the publisher started from."""


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
        self._pending = PendingSegmentRows(connector.tables, self._segments, json, clock.now)

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
            found: dict[str, list[str]] = {}
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
        return inserted

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
        if not segments:
            raise invalid_input("No segment to commit")
        if (start_metadata is None) != (end_metadata is None):
            raise invalid_input("startMetadata and endMetadata must be given both or neither")
        name = data_source or segments[0].data_source

        def work(connection: Connection) -> None:
            if start_metadata is not None:
                self._swap_metadata(connection, name, start_metadata, end_metadata)
            self._segments.insert_missing(connection, segments)
            if completes_task is not None:
                self._record_success(connection, completes_task)

        try:
            self._connector.retry_transaction(work)
        except (_MetadataMismatchError, _TaskNotActiveError) as error:
            return SegmentPublishResult.fail(str(error))
        self._changed(name)
        return SegmentPublishResult.ok(segments)

    def _record_success(self, connection: Connection, task_id: str) -> None:
        """Store the task's success beside its segments; the row stays active until the queue has been told."""
        table = self._tables.tasks
        payload = self._json.dumps(TaskStatus.success(task_id))
        statement = update(table).where(table.c.id == task_id, table.c.active.is_(True)).values(status_payload=payload)
        if connection.execute(statement).rowcount != 1:
            raise _TaskNotActiveError(f"Task[{task_id}] is not active any more, so that it cannot publish")

    # ---- stream offsets

    def _stored_metadata(self, connection: Connection, data_source: str) -> bytes | None:
        table = self._tables.data_source
        query = select(table.c.commit_metadata_payload).where(table.c.datasource == data_source)
        payload: bytes | None = connection.execute(query).scalar()
        return payload

    def _swap_metadata(self, connection: Connection, data_source: str, start: Any, end: Any) -> None:
        """Compare and swap. Whoever loses the race for the row starts the transaction again."""
        stored = self._stored_metadata(connection, data_source)
        current = None if stored is None else self._json.loads(stored)
        if current == end:
            return  # this very publish has been here before
        expected = _object_of(start)
        if (expected is None) != (current is None) or (expected is not None and _object_of(current) != expected):
            raise _MetadataMismatchError(
                f"The new start metadata state[{start}] is ahead of or differs from the last committed end "
                f"state[{current}]. Try resetting the supervisor."
            )
        self._write_metadata(connection, data_source, stored, end)

    def _write_metadata(self, connection: Connection, data_source: str, stored: bytes | None, value: Any) -> None:
        table = self._tables.data_source
        payload = self._json.dumps(value)
        row = {"commit_metadata_payload": payload, "commit_metadata_sha1": hashlib.sha1(payload).hexdigest().upper()}
        if stored is None:
            now = format_datetime(self._clock.now())
            connection.execute(insert(table).values(datasource=data_source, created_date=now, **row))
            return
        sha1 = hashlib.sha1(stored).hexdigest().upper()
        statement = (
            update(table).where(table.c.datasource == data_source, table.c.commit_metadata_sha1 == sha1).values(**row)
        )
        if connection.execute(statement).rowcount != 1:
            raise RetryTransactionError(f"Lost the race for the metadata of [{data_source}]")

    def commit_metadata_only(self, data_source: str, start_metadata: Any, end_metadata: Any) -> SegmentPublishResult:
        """See the base class."""
        try:
            self._connector.retry_transaction(
                lambda c: self._swap_metadata(c, data_source, start_metadata, end_metadata)
            )
        except _MetadataMismatchError as error:
            return SegmentPublishResult.fail(str(error))
        return SegmentPublishResult.ok([])

    def retrieve_data_source_metadata(self, data_source: str) -> Any | None:
        """See the base class."""
        stored = self._connector.read(lambda c: self._stored_metadata(c, data_source))
        return None if stored is None else self._json.loads(stored)

    def delete_data_source_metadata(self, data_source: str) -> bool:
        """See the base class."""
        table = self._tables.data_source
        statement = delete(table).where(table.c.datasource == data_source)
        return self._connector.retry_transaction(lambda c: c.execute(statement).rowcount) > 0

    def reset_data_source_metadata(self, data_source: str, metadata: Any) -> bool:
        """See the base class."""

        def work(connection: Connection) -> bool:
            stored = self._stored_metadata(connection, data_source)
            if stored is None:
                return False
            self._write_metadata(connection, data_source, stored, metadata)
            return True

        return self._connector.retry_transaction(work)

    # ---- pending segments

    def allocate_pending_segment(
        self,
        data_source: str,
        interval: Interval,
        request: SegmentCreateRequest,
        *,
        skip_segment_lineage_check: bool,
    ) -> SegmentIdWithShardSpec | None:
        """See the base class."""
        return self._connector.retry_transaction(
            lambda c: self._pending.allocate(
                c, data_source, interval, request, skip_lineage_check=skip_segment_lineage_check
            )
        )

    def retrieve_pending_segments(self, data_source: str, interval: Interval | None = None) -> list[PendingSegment]:
        """See the base class."""
        return self._connector.read(lambda c: self._pending.overlapping(c, data_source, interval))

    def delete_pending_segments_created_in_interval(self, data_source: str, interval: Interval) -> int:
        """See the base class."""
        table = self._tables.pending_segments
        statement = delete(table).where(
            table.c.datasource == data_source,
            table.c.created_date >= format_datetime(interval.start),
            table.c.created_date < format_datetime(interval.end),
        )
        return self._connector.retry_transaction(lambda c: c.execute(statement).rowcount)

    def delete_pending_segments_for_task_allocator(self, data_source: str, task_allocator_id: str) -> int:
        """See the base class."""
        table = self._tables.pending_segments
        statement = delete(table).where(
            table.c.datasource == data_source, table.c.task_allocator_id == task_allocator_id
        )
        return self._connector.retry_transaction(lambda c: c.execute(statement).rowcount)

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

    def delete_segments(self, segments: Iterable[DataSegment]) -> int:
        """See the base class."""
        by_source: dict[str, list[str]] = {}
        for segment in segments:
            by_source.setdefault(segment.data_source, []).append(str(segment.id))
        return self._connector.retry_transaction(
            lambda c: sum(self._segments.delete(c, source, ids) for source, ids in by_source.items())
        )


def _object_of(metadata: Any) -> Any:
    """The value in metadata of type ``object``; other kinds count as a whole."""
    if isinstance(metadata, dict) and metadata.get("type") == "object":
        return metadata.get("theObject")
    return metadata
