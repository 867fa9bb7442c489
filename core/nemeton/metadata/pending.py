"""Rows of ``druid_pendingSegments``: ids that tasks were given and have not published. On an open transaction."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from nemeton.metadata.segment_rows import batches, is_comparable_as_text
from nemeton.metadata.tables import Tables
from nemeton.spi.metadata import MetadataStorageDialect, PendingSegment, SegmentIdWithShardSpec
from nemeton.time import Interval, format_datetime

if TYPE_CHECKING:
    from nemeton.json import Json


def sequence_key(
    sequence_name: str, previous_id: str, interval: Interval, version: str, *, skip_lineage_check: bool
) -> str:
    """Return the unique key of a request (column ``sequence_name_prev_id_sha1``), byte for byte Druid's."""
    middle = struct.pack("<qq", interval.start, interval.end) if skip_lineage_check else previous_id.encode()
    return hashlib.sha1(b"\xff".join([sequence_name.encode(), middle, version.encode()])).hexdigest().upper()


class PendingSegmentRows:
    """Queries and updates on the pending segments. Stateless but for what it was made with."""

    def __init__(self, tables: Tables, dialect: MetadataStorageDialect, json: Json, now: Callable[[], int]) -> None:
        self._dialect = dialect
        self._table = tables.pending_segments
        self._json = json
        self._now = now

    # ---- reading

    def overlapping(self, connection: Connection, data_source: str, interval: Interval | None) -> list[PendingSegment]:
        """Return the pending segments that overlap the interval (None: all)."""
        c = self._table.c
        conditions: list[ColumnElement[bool]] = []
        if interval is not None and is_comparable_as_text(interval):
            conditions = [c.start < format_datetime(interval.end), c.end > format_datetime(interval.start)]
        found = self._select(connection, data_source, *conditions)
        return [p for p in found if interval is None or p.id.interval.overlaps(interval)]

    def of_sequence(
        self, connection: Connection, data_source: str, sequence_name: str, previous_id: str
    ) -> list[PendingSegment]:
        """Return what a sequence was given after ``previous_id``, whatever the interval."""
        c = self._table.c
        return self._select(
            connection, data_source, c.sequence_name == sequence_name, c.sequence_prev_id == previous_id
        )

    def of_allocator(self, connection: Connection, data_source: str, task_allocator_id: str) -> list[PendingSegment]:
        """Return what a task (group) was given."""
        return self._select(connection, data_source, self._table.c.task_allocator_id == task_allocator_id)

    def _select(
        self, connection: Connection, data_source: str, *conditions: ColumnElement[bool]
    ) -> list[PendingSegment]:
        table = self._table
        query = select(table).where(table.c.datasource == data_source, *conditions)
        return [self._parse(row) for row in connection.execute(query.order_by(table.c.created_date, table.c.id))]

    def _parse(self, row: Any) -> PendingSegment:
        return PendingSegment(
            id=self._json.loads(row.payload, SegmentIdWithShardSpec),
            sequence_name=row.sequence_name,
            sequence_prev_id=row.sequence_prev_id,
            upgraded_from_segment_id=row.upgraded_from_segment_id,
            task_allocator_id=row.task_allocator_id,
            created_date=row.created_date,
        )

    # ---- writing

    def insert(self, connection: Connection, pending: Sequence[PendingSegment], *, skip_lineage_check: bool) -> None:
        """Insert rows; ``skip_lineage_check`` says what makes the request unique."""
        now = format_datetime(self._now())
        for batch in batches(pending):
            rows = [self._row(p, now, skip_lineage_check=skip_lineage_check) for p in batch]
            connection.execute(insert(self._table), rows)

    def _row(self, pending: PendingSegment, now: str, *, skip_lineage_check: bool) -> dict[str, Any]:
        allocated = pending.id
        key = sequence_key(
            pending.sequence_name,
            pending.sequence_prev_id,
            allocated.interval,
            allocated.version,
            skip_lineage_check=skip_lineage_check,
        )
        return {
            "id": str(allocated),
            "datasource": allocated.data_source,
            "created_date": now,
            "start": format_datetime(allocated.interval.start),
            "end": format_datetime(allocated.interval.end),
            "sequence_name": pending.sequence_name,
            "sequence_prev_id": pending.sequence_prev_id,
            "sequence_name_prev_id_sha1": key,
            "payload": self._json.dumps(allocated),
            "upgraded_from_segment_id": pending.upgraded_from_segment_id,
            "task_allocator_id": pending.task_allocator_id,
        }

    def delete_ids(self, connection: Connection, data_source: str, ids: Iterable[str]) -> int:
        """Delete the rows of these ids; return how many there were."""
        return sum(self._delete(connection, data_source, self._table.c.id.in_(batch)) for batch in batches(ids))

    def delete_of_allocators(self, connection: Connection, data_source: str, allocator_ids: Iterable[str]) -> int:
        """Delete what tasks (groups) were given; return how many there were."""
        of = [self._dialect.among(self._table.c.task_allocator_id, batch) for batch in batches(allocator_ids)]
        return sum(self._delete(connection, data_source, condition) for condition in of)

    def delete_created_within(self, connection: Connection, data_source: str, interval: Interval) -> int:
        """Delete those that were made within the interval; return how many there were."""
        created = self._table.c.created_date
        return self._delete(
            connection,
            data_source,
            created >= format_datetime(interval.start),
            created < format_datetime(interval.end),
        )

    def _delete(self, connection: Connection, data_source: str, *conditions: ColumnElement[bool]) -> int:
        statement = delete(self._table).where(self._table.c.datasource == data_source, *conditions)
        return connection.execute(statement).rowcount
