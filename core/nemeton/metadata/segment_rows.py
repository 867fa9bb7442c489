"""Rows of ``druid_segments``: reading, inserting, marking. Functions on an open transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, or_, select, true, update

from nemeton.metadata.tables import Tables
from nemeton.model import (
    ROOT_GENERATION_END,
    DataSegment,
    NumberedShardSpec,
    SegmentId,
)
from nemeton.model.timeline import SegmentTimeline
from nemeton.spi.metadata import Visibility
from nemeton.time import ETERNITY, Interval, format_datetime, parse_datetime

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


def _outline(segment_id: SegmentId, core_partitions: int) -> DataSegment:
    spec = NumberedShardSpec(segment_id.partition_num, core_partitions)
    return DataSegment(segment_id.data_source, segment_id.interval, segment_id.version, shard_spec=spec)


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
        """Return used segments that overlap any of the intervals (None or empty: all).

        Visible ones are those that queries see: of the newest complete version at each instant.
        """
        rows = connection.execute(self._select(data_source, used=True).where(self._overlapping(intervals)))
        segments = self._parse(rows)
        if visibility == "ONLY_VISIBLE":
            shown = set(SegmentTimeline.of(segments).find_visible(ETERNITY))
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

    def partition_nums(self, connection: Connection, data_source: str, interval: Interval, version: str) -> list[int]:
        """Return the partition numbers that segments of exactly this interval and version hold, used or not."""
        table = self._table
        query = select(table.c.id).where(
            table.c.datasource == data_source,
            table.c.start == format_datetime(interval.start),
            table.c.end == format_datetime(interval.end),
            table.c.version == version,
        )
        return [SegmentId.parse(text, data_source).partition_num for text in connection.execute(query).scalars()]

    def used_outlines(self, connection: Connection, data_source: str, interval: Interval) -> list[DataSegment]:
        """Return used segments that overlap, with no more than id and shard spec: for the allocation of ids.

        One payload is read for each interval and version, whose other segments have as many core partitions; all are
        read where some partitions overwrite others.
        """
        table = self._table
        query = select(table.c.id, table.c.start, table.c.end, table.c.version).where(
            table.c.datasource == data_source, table.c.used.is_(True), self._overlapping([interval])
        )
        chunks: dict[tuple[str, str, str], list[int]] = {}
        for row in connection.execute(query):
            key = (row.start, row.end, row.version)
            number = row.id[len("_".join((data_source, *key))) :]
            chunks.setdefault(key, []).append(int(number[1:]) if number else 0)
        found: list[DataSegment] = []
        for (start, end, version), numbers in chunks.items():
            ids = [
                SegmentId(data_source, Interval(parse_datetime(start), parse_datetime(end)), version, number)
                for number in sorted(numbers)
            ]
            if not ids[0].interval.overlaps(interval):
                continue
            if max(numbers) >= ROOT_GENERATION_END:
                found += self.by_id(connection, data_source, map(str, ids))
            else:
                core = self.by_id(connection, data_source, [str(ids[0])])[0].shard_spec.num_core_partitions
                found += [_outline(segment_id, core) for segment_id in ids]
        return found

    def used_with_created_dates(
        self, connection: Connection, data_source: str, intervals: Sequence[Interval]
    ) -> list[tuple[DataSegment, str]]:
        """Return used segments that overlap any of the intervals, overshadowed ones too, and when each was inserted."""
        table = self._table
        query = self._select(data_source, used=True).add_columns(table.c.created_date)
        rows = connection.execute(query.where(self._overlapping(intervals))).all()
        found = [(self._json.loads(row.payload, DataSegment), row.created_date) for row in rows]
        return [(s, created) for s, created in found if any(s.interval.overlaps(i) for i in intervals)]

    def by_id_with_parents(
        self, connection: Connection, data_source: str, ids: Iterable[str]
    ) -> list[tuple[DataSegment, str | None]]:
        """Return the segments with these ids, and the ids that they were upgraded from."""
        table = self._table
        found: list[tuple[DataSegment, str | None]] = []
        for batch in batches(ids):
            query = select(table.c.payload, table.c.upgraded_from_segment_id).where(
                table.c.datasource == data_source, table.c.id.in_(batch)
            )
            rows = connection.execute(query.order_by(table.c.id)).all()
            found += [(self._json.loads(row.payload, DataSegment), row.upgraded_from_segment_id) for row in rows]
        return found

    def versions_of_upgrades(
        self, connection: Connection, data_source: str, parents: Iterable[str]
    ) -> dict[str, set[str]]:
        """Return, for each of these ids, the versions in which there is a segment that was upgraded from it."""
        table = self._table
        found: dict[str, set[str]] = {}
        for batch in batches(parents):
            query = select(table.c.upgraded_from_segment_id, table.c.version).where(
                table.c.datasource == data_source, table.c.upgraded_from_segment_id.in_(batch)
            )
            for row in connection.execute(query):
                found.setdefault(row.upgraded_from_segment_id, set()).add(row.version)
        return found

    # ---- writing

    def insert_missing(
        self,
        connection: Connection,
        segments: Sequence[DataSegment],
        *,
        all_used: bool = False,
        upgraded_from: Mapping[str, str] = MappingProxyType({}),
    ) -> list[DataSegment]:
        """Insert those that have no row yet; return those.

        They are used, unless (without ``all_used``) another of ``segments`` overshadows them. ``upgraded_from`` says
        which ids they come from, where they stand for the rows of another segment.
        """
        existing = self.existing_ids(connection, (str(segment.id) for segment in segments))
        shown = set(segments) if all_used else visible(segments)
        new = [segment for segment in dict.fromkeys(segments) if str(segment.id) not in existing]
        now = format_datetime(self._now())
        for batch in batches(new):
            rows = [self._row(s, upgraded_from.get(str(s.id)), used=s in shown, now=now) for s in batch]
            connection.execute(insert(self._table), rows)
        return new

    def _row(self, segment: DataSegment, upgraded_from: str | None, *, used: bool, now: str) -> dict[str, Any]:
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
            "upgraded_from_segment_id": upgraded_from,
        }

    def update_payload(self, connection: Connection, segment: DataSegment) -> int:
        """Write the segment over the one of its id; return how many rows there were."""
        table = self._table
        statement = (
            update(table)
            .where(table.c.datasource == segment.data_source, table.c.id == str(segment.id))
            .values(payload=self._json.dumps(segment))
        )
        return connection.execute(statement).rowcount

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
