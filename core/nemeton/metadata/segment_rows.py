"""Rows of ``druid_segments``: reading, inserting, marking. Functions on an open transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, or_, select, true, update

from nemeton.metadata.tables import Tables
from nemeton.model import DataSegment
from nemeton.model.timeline import SegmentTimeline
from nemeton.spi.metadata import Visibility
from nemeton.time import Interval, format_datetime

if TYPE_CHECKING:
    from nemeton.json import Json

V = TypeVar("V")

#: Ids per statement: well under the limits on bound parameters (SQLite 32766, Druid's own batches are of 100).
BATCH = 500
_YEARS_OF_FOUR_DIGITS = re.compile(r"\d{4}-.*")


def batches(values: Iterable[V], size: int = BATCH) -> Iterator[list[V]]:
    """Cut ``values`` into lists of at most ``size``."""
    batch: list[V] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def is_comparable_as_text(interval: Interval) -> bool:
    """True when the interval's ends, as ISO text, sort as the times do (years 0000 to 9999)."""
    return all(_YEARS_OF_FOUR_DIGITS.fullmatch(format_datetime(end)) for end in (interval.start, interval.end))


def visible(segments: Iterable[DataSegment]) -> set[DataSegment]:
    """Return those that no other overshadows, whether or not their time chunk is complete."""
    by_source: dict[str, set[DataSegment]] = {}
    for segment in segments:
        by_source.setdefault(segment.data_source, set()).add(segment)
    return {
        segment
        for members in by_source.values()
        for segment in members - set(SegmentTimeline.of(members).find_fully_overshadowed())
    }


class SegmentRows:
    """Queries and updates on the segments table. Stateless but for what it was made with."""

    def __init__(self, tables: Tables, json: Json, now: Callable[[], int]) -> None:
        self._table = tables.segments
        self._json = json
        self._now = now

    # ---- reading

    def _parse(self, rows: Iterable[Any]) -> list[DataSegment]:
        return [self._json.loads(row.payload, DataSegment) for row in rows]

    def _overlapping(self, intervals: Sequence[Interval] | None) -> ColumnElement[bool]:
        """A condition that holds for all segments that overlap an interval, and for few others (see the callers)."""
        table = self._table
        if not intervals or not all(is_comparable_as_text(interval) for interval in intervals):
            return true()
        clauses = [
            and_(table.c.start < format_datetime(i.end), table.c.end > format_datetime(i.start)) for i in intervals
        ]
        # segments that reach out of the comparable years (eternity) are always read
        return or_(*clauses, table.c.start.like("-%"), table.c.end > "99999")

    def _select(self, data_source: str, *, used: bool) -> Select[Any]:
        table = self._table
        return select(table.c.payload).where(table.c.datasource == data_source, table.c.used.is_(used))

    def used(
        self, connection: Connection, data_source: str, intervals: Sequence[Interval] | None, visibility: Visibility
    ) -> list[DataSegment]:
        """Return used segments that overlap any of the intervals (None or empty: all)."""
        rows = connection.execute(self._select(data_source, used=True).where(self._overlapping(intervals)))
        segments = self._parse(rows)
        if visibility == "ONLY_VISIBLE":
            shown = visible(segments)
            segments = [segment for segment in segments if segment in shown]
        if intervals:
            segments = [s for s in segments if any(s.interval.overlaps(i) for i in intervals)]
        return segments

    def within(
        self,
        connection: Connection,
        data_source: str,
        interval: Interval | None,
        *,
        used: bool,
        versions: Sequence[str] | None = None,
        limit: int | None = None,
        max_used_status_last_updated: str | None = None,
    ) -> list[DataSegment]:
        """Return (un)used segments that lie within the interval, ordered by interval and id."""
        table = self._table
        query = self._select(data_source, used=used).order_by(table.c.start, table.c.end, table.c.id)
        exact = interval is None or is_comparable_as_text(interval)
        if interval is not None and exact:
            query = query.where(
                table.c.start >= format_datetime(interval.start), table.c.end <= format_datetime(interval.end)
            ).where(~table.c.start.like("-%"))
        if versions is not None:
            query = query.where(table.c.version.in_(list(versions)))
        if max_used_status_last_updated is not None:
            query = query.where(table.c.used_status_last_updated <= max_used_status_last_updated)
        if limit is not None and exact:
            query = query.limit(limit)
        found = self._parse(connection.execute(query))
        if interval is not None:
            found = [s for s in found if interval.contains(s.interval)]
        return found if limit is None else found[:limit]

    def by_id(self, connection: Connection, data_source: str, ids: Iterable[str]) -> list[DataSegment]:
        """Return the segments with these ids."""
        table = self._table
        found: list[DataSegment] = []
        for batch in batches(ids):
            query = select(table.c.payload).where(table.c.datasource == data_source, table.c.id.in_(batch))
            found += self._parse(connection.execute(query))
        return found

    def existing_ids(self, connection: Connection, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that there are rows for."""
        table = self._table
        found: set[str] = set()
        for batch in batches(ids):
            found.update(connection.execute(select(table.c.id).where(table.c.id.in_(batch))).scalars())
        return found

    def unused_partition_nums(
        self, connection: Connection, data_source: str, interval: Interval, version: str
    ) -> list[int]:
        """Return the partition numbers that unused segments of exactly this interval and version hold."""
        table = self._table
        query = self._select(data_source, used=False).where(
            table.c.start == format_datetime(interval.start),
            table.c.end == format_datetime(interval.end),
            table.c.version == version,
        )
        return [segment.shard_spec.partition_num for segment in self._parse(connection.execute(query))]

    # ---- writing

    def insert_missing(self, connection: Connection, segments: Sequence[DataSegment]) -> set[DataSegment]:
        """Insert those that have no row yet, used unless another of ``segments`` overshadows it; return those."""
        existing = self.existing_ids(connection, (str(segment.id) for segment in segments))
        shown = visible(segments)
        new = [segment for segment in segments if str(segment.id) not in existing]
        now = format_datetime(self._now())
        for batch in batches(new):
            connection.execute(insert(self._table), [self._row(s, used=s in shown, now=now) for s in batch])
        return set(new)

    def _row(self, segment: DataSegment, *, used: bool, now: str) -> dict[str, Any]:
        return {
            "id": str(segment.id),
            "datasource": segment.data_source,
            "created_date": now,
            "start": format_datetime(segment.interval.start),
            "end": format_datetime(segment.interval.end),
            "partitioned": self._json.unstructure(segment.shard_spec).get("type") != "none",
            "version": segment.version,
            "used": used,
            "payload": self._json.dumps(segment),
            "used_status_last_updated": now,
        }

    def mark(self, connection: Connection, data_source: str, ids: Iterable[str], *, used: bool) -> int:
        """Set ``used`` on the rows that differ; return how many changed."""
        table = self._table
        changed = 0
        for batch in batches(ids):
            statement = (
                update(table)
                .where(table.c.datasource == data_source, table.c.id.in_(batch), table.c.used.is_(not used))
                .values(used=used, used_status_last_updated=format_datetime(self._now()))
            )
            changed += connection.execute(statement).rowcount
        return changed

    def delete(self, connection: Connection, data_source: str, ids: Iterable[str]) -> int:
        """Delete rows; return how many there were."""
        table = self._table
        deleted = 0
        for batch in batches(ids):
            statement = delete(table).where(table.c.datasource == data_source, table.c.id.in_(batch))
            deleted += connection.execute(statement).rowcount
        return deleted
