"""scan: rows as they are, in batches, streamed when no order is asked for."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, evolve, field

from nemeton.common.errors import QueryException, resource_limit
from nemeton.model import ColumnType
from nemeton.model.results import ResultColumns
from nemeton.query.engines.local import refuse_several_intervals
from nemeton.query.model.queries import ScanQuery
from nemeton.query.packing import pack, pack_vector, readable, unpack, unpack_vector
from nemeton.query.source import BLOCK_ROWS, TIME, RowBlock, SegmentSource
from nemeton.query.vectors import AnyVector, Array, ObjectVector, concat_vectors, object_array, value_type
from nemeton.segment.errors import naming_segment
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope

if TYPE_CHECKING:
    from nemeton.model.columns import Segment

#: How many rows an ordered scan may hold in memory (Druid's maxRowsQueuedForOrdering).
MAX_ORDERED_ROWS = 100_000

#: Where no more rows are asked for, no more than these are looked at at a time.
_FEW_ROWS = 4096


@define
class ScanBatch:
    """Some rows by column (`values`) and by row (`rows`), and where they come from; `times` only in an ordered scan.

    One form is given, or the columns as vectors; the others are made of it when they are asked for.
    """

    segment_id: str | None
    columns: list[str]
    types: list[str | None]
    num_rows: int
    times: list[int] | None = None
    _values: list[list[Any]] | None = None
    _rows: Sequence[Sequence[Any]] | None = None
    _vectors: list[AnyVector] | None = None

    @property
    def values(self) -> list[list[Any]]:
        """The values of each column."""
        if self._values is None and self._vectors is not None:
            self._values = [vector.to_list() for vector in self._vectors]
        if self._values is None:
            self._values = list(map(list, zip(*self.rows, strict=True))) or [[] for _ in self.columns]
        return self._values

    @property
    def vectors(self) -> list[AnyVector]:
        """The columns; of rows that came as JSON they are objects."""
        if self._vectors is None:
            self._vectors = [ObjectVector(ColumnType.STRING, object_array(column)) for column in self.values]
        return self._vectors

    @property
    def value_types(self) -> list[type | None] | None:
        """The one type of each column's values, where that is known."""
        return None if self._vectors is None else [value_type(vector) for vector in self._vectors]

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        """The values of each row."""
        if self._rows is None:
            self._rows = list(zip(*self.values, strict=True)) if self.columns else [()] * self.num_rows
        return self._rows

    def slice(self, start: int, stop: int) -> ScanBatch:
        """Some of the rows, without their times."""
        if (start, stop) == (0, self.num_rows) and self.times is None:
            return self
        rows = None if self._rows is None else self._rows[start:stop]
        values = [column[start:stop] for column in self.values] if rows is None and self._vectors is None else None
        vectors = None if self._vectors is None else [v.take(np.arange(start, stop)) for v in self._vectors]
        return ScanBatch(
            self.segment_id, self.columns, self.types, stop - start, values=values, rows=rows, vectors=vectors
        )


@define
class _Waiting:
    """Rows of a segment that wait until there are as many as a batch has."""

    segment_id: str | None
    columns: list[str]
    types: list[str | None]
    batch_size: int
    _parts: list[list[AnyVector]] = field(factory=list)
    _num_rows: int = 0

    def full_batches(self, vectors: list[AnyVector], num_rows: int) -> Iterator[ScanBatch]:
        """The batches that are full with these rows."""
        if self._parts and [*map(type, self._parts[0])] != [*map(type, vectors)]:
            yield from self.rest()
        if num_rows:
            self._parts.append(vectors)
            self._num_rows += num_rows
        if self._num_rows < self.batch_size:
            return
        whole, at = self._taken(), 0
        while whole.num_rows - at >= self.batch_size:
            yield whole.slice(at, at + self.batch_size)
            at += self.batch_size
        if at < whole.num_rows:
            left = whole.slice(at, whole.num_rows)
            self._parts, self._num_rows = [left.vectors], left.num_rows

    def rest(self) -> Iterator[ScanBatch]:
        """What is left."""
        if self._num_rows:
            yield self._taken()

    def _taken(self) -> ScanBatch:
        vectors = [concat_vectors(column) for column in zip(*self._parts, strict=True)]
        batch = ScanBatch(self.segment_id, self.columns, self.types, self._num_rows, vectors=vectors)
        self._parts, self._num_rows = [], 0
        return batch


class ScanToolChest(QueryToolChest):
    """Runs `ScanQuery`; its partials are iterables of batches, read once."""

    def run_segment(
        self, query: ScanQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> Iterator[ScanBatch]:
        """The batches of one segment; lazy without an order. The segment must stay open until it is read."""
        check_format(query)
        order = query.time_order
        source = SegmentSource(segment, query.virtual_columns, is_row_by_row=True)
        if order == "none":
            return self._named(scope, self._stream(query, source, scope, control))
        return iter(self._ordered(query, source, scope, control, order == "descending"))

    def check_local(self, query: ScanQuery) -> None:
        """Of one interval only, and in no order of time."""
        if query.time_order != "none":
            raise QueryException(
                QueryException.UNSUPPORTED,
                "Time-ordering on scan queries is only supported for queries with segment specs of type "
                "MultipleSpecificSegmentSpec or SpecificSegmentSpec...a [LegacySegmentSpec] was received instead.",
                error_class="org.apache.druid.java.util.common.UOE",
            )
        refuse_several_intervals(query, "Can only handle a single interval", "java.lang.IllegalArgumentException")

    def _named(self, scope: SegmentScope, batches: Iterator[ScanBatch]) -> Iterator[ScanBatch]:
        """They are read when the engine has let go of the segment: damage would not say which one it is in."""
        with naming_segment(scope.segment_id):
            yield from batches

    def _stream(
        self, query: ScanQuery, source: SegmentSource, scope: SegmentScope, control: QueryControl
    ) -> Iterator[ScanBatch]:
        left = None if query.limit is None else query.limit + query.offset
        columns, types = output_columns(query, source)
        waiting = _Waiting(scope.segment_id, columns, types, query.batch_size)
        rows_at_a_time = BLOCK_ROWS if left is None or left > _FEW_ROWS else _FEW_ROWS
        for block in source.blocks(scope.intervals, query.filter, control, rows_at_a_time):
            if left is not None and block.num_rows > left:
                block = block.select(np.arange(left))
            for batch in waiting.full_batches([block.vector(name) for name in columns], block.num_rows):
                yield batch
                control.check()  # whoever took the last one may have let time pass, or have left
            if left is not None:
                left -= block.num_rows
                if left <= 0:
                    break
        yield from waiting.rest()

    def _ordered(
        self, query: ScanQuery, source: SegmentSource, scope: SegmentScope, control: QueryControl, descending: bool
    ) -> list[ScanBatch]:
        limit = None if query.limit is None else query.limit + query.offset
        columns, types = output_columns(query, source)
        batches: list[ScanBatch] = []
        total = 0
        for block in source.blocks(scope.intervals, query.filter, control, descending=descending):
            rows = time_order(block.times(), descending)
            if limit is not None and source.sorted_by_time:
                rows = rows[: limit - total]
            batch = read_batch(scope.segment_id, block.select(rows), columns, types)
            batch.times = block.times()[rows].tolist()
            batches.append(batch)
            total += batch.num_rows
            check_ordered_rows(query, total)
            if limit is not None and source.sorted_by_time and total >= limit:
                break
        return batches

    def merge(self, query: ScanQuery, partials: Sequence[Any], control: QueryControl) -> Iterator[ScanBatch]:
        """One after another; in an ordered scan, merged by time."""
        if query.time_order == "none":
            return until_limit(query, (batch for partial in partials for batch in partial))
        batches = [batch for partial in partials for batch in partial]
        if limit_of(query) is None:
            check_ordered_rows(query, sum(batch.num_rows for batch in batches))
        return merge_by_time(query, batches, control)

    def for_data_server(self, query: ScanQuery) -> ScanQuery:
        """With the rows of the offset, which only the whole answer can skip."""
        return evolve(query, offset=0, limit=limit_of(query))

    def is_streamed(self, query: ScanQuery) -> bool:
        """Without an order."""
        return query.time_order == "none"

    def result_weight(self, result: Any) -> int:
        """The rows of the batch."""
        return len(result["events"]) if "events" in result else 1

    def to_wire(self, query: ScanQuery, partial: Iterable[ScanBatch]) -> Iterator[Any]:
        """The result objects; a Broker that orders finds the time among the columns it asked for.

        A Java Broker, which says so in the context, merges by time one row at a time, and wants each by itself.
        """
        singly = query.time_order != "none" and query.context.get("scanOutermost") is False
        for batch in partial:
            for start in range(batch.num_rows if singly else 1):
                yield batch_object(query, batch.slice(start, start + 1) if singly else batch)

    def from_wire(self, query: ScanQuery, rows: Iterable[Any]) -> Iterator[ScanBatch]:
        """Read result objects."""
        for row in rows:
            columns = row["columns"]
            events = row["events"]
            if query.result_format != "compactedList":
                events = [tuple(map(event.get, columns)) for event in events]
            signature = {item["name"]: item.get("type") for item in row.get("rowSignature") or ()}
            at = columns.index(TIME) if TIME in columns and query.time_order != "none" else None
            times = None if at is None else [event[at] for event in events]
            types = [signature.get(name) for name in columns]
            yield ScanBatch(row.get("segmentId"), columns, types, len(events), times, rows=events)

    def to_blocks(self, query: ScanQuery, partial: Iterable[ScanBatch]) -> Iterator[bytes]:
        """A piece for each batch."""
        for batch in partial:
            vectors = [pack_vector(vector) for vector in batch.vectors]
            yield pack((batch.segment_id, batch.columns, batch.types, batch.num_rows, batch.times, vectors))

    def from_blocks(self, query: ScanQuery, blocks: Iterable[bytes]) -> Iterator[ScanBatch]:
        """See `QueryToolChest`."""
        for block in blocks:
            with readable():
                segment_id, columns, types, count, times, packed = unpack(block)
                vectors = [unpack_vector(each, count) for each in packed]
            yield ScanBatch(segment_id, columns, types, count, times, vectors=vectors)

    def finalise(self, query: ScanQuery, partial: Iterable[ScanBatch]) -> Iterator[Any]:
        """The result objects, offset and limit applied."""
        return (batch_object(query, batch) for batch in self._limited(query, partial))

    def result_columns(self, query: ScanQuery, partial: Iterable[ScanBatch]) -> Iterator[ResultColumns] | None:
        """See `QueryToolChest`."""
        batches = self._limited(query, partial)
        return (ResultColumns(batch.columns, batch.values, batch.num_rows, batch.value_types) for batch in batches)

    def _limited(self, query: ScanQuery, partial: Iterable[ScanBatch]) -> Iterator[ScanBatch]:
        skip, left = query.offset, query.limit
        for batch in partial:
            start = min(skip, batch.num_rows)
            skip -= start
            stop = batch.num_rows if left is None else min(batch.num_rows, start + left)
            if start or stop < batch.num_rows:
                batch = batch.slice(start, stop)
            if left is not None:
                left -= batch.num_rows
            if batch.num_rows:
                yield batch
            if left is not None and left <= 0:
                return

    def with_most_rows(self, query: ScanQuery, rows: int) -> ScanQuery:
        """With that limit, where it has no lower one."""
        return query if query.limit is not None and query.limit <= rows else evolve(query, limit=rows)

    def to_segment(self, query: ScanQuery, partial: Iterable[ScanBatch], *, with_times: bool) -> Segment:
        """The rows as a segment."""
        from nemeton.query.inline import rows_segment

        names: list[str] = list(query.columns or ())
        types: dict[str, str | None] = {}
        values: dict[str, list[Any]] = {name: [] for name in names}
        num_rows = 0
        for batch in self.from_wire(query, self.finalise(query, partial)):
            types.update(zip(batch.columns, batch.types, strict=True))
            for name, column in zip(batch.columns, batch.values, strict=True):
                values.setdefault(name, [None] * num_rows).extend(column)
            num_rows += batch.num_rows
            for column in values.values():
                column.extend([None] * (num_rows - len(column)))
        types[TIME] = "LONG"  # of no rows no types are known
        return rows_segment({name: (types.get(name) or "STRING", column) for name, column in values.items()}, num_rows)


def check_format(query: ScanQuery) -> None:
    """Refuse result formats that a scan does not have."""
    if query.result_format not in ("list", "compactedList"):
        raise QueryException(
            QueryException.UNSUPPORTED,
            f"resultFormat[{query.result_format}] is not supported",
            error_class="org.apache.druid.java.util.common.UOE",
        )


def output_columns(query: ScanQuery, source: SegmentSource) -> tuple[list[str], list[str | None]]:
    """The columns of the answer with their types (None: there is no such column)."""
    if query.columns:
        names = list(query.columns)
    else:
        names = list(source.segment.column_names)
        names += [name for name in source.virtual_columns if name not in names]
    types = [source.column_type(name) for name in names]
    return names, [None if kind is None else str(kind) for kind in types]


def read_batch(segment_id: str | None, block: RowBlock, columns: list[str], types: list[str | None]) -> ScanBatch:
    """The rows of the block."""
    vectors = [block.vector(name) for name in columns]
    return ScanBatch(segment_id, columns, types, block.num_rows, vectors=vectors)


def time_order(times: Array, descending: bool) -> Array:
    """The rows in order of time; equal times keep their order (or, descending, turn it round)."""
    order = np.argsort(times, kind="stable")
    return order[::-1] if descending else order


def limit_of(query: ScanQuery) -> int | None:
    """How many rows are needed at most."""
    return None if query.limit is None else query.limit + query.offset


def until_limit(query: ScanQuery, batches: Iterator[ScanBatch]) -> Iterator[ScanBatch]:
    """The batches until they have as many rows as are needed: no segment is read for more."""
    left = limit_of(query)
    for batch in batches:
        if left is None or batch.num_rows < left:
            yield batch
            left = None if left is None else left - batch.num_rows
            continue
        yield batch.slice(0, left)
        return


def check_ordered_rows(query: ScanQuery, rows: int) -> None:
    """Refuse to hold more rows than an ordered scan may."""
    most = query.query_context.get_int("maxRowsQueuedForOrdering", MAX_ORDERED_ROWS)
    if limit_of(query) is None and rows > most:
        raise resource_limit(
            f"Time ordering is not supported for a Scan query with more than {most} rows and no limit. Lower the "
            "number of rows, give a limit, or raise [maxRowsQueuedForOrdering]."
        )


def merge_by_time(query: ScanQuery, batches: Sequence[ScanBatch], control: QueryControl) -> Iterator[ScanBatch]:
    """Batches of rows in order of time, from batches that are each in order."""
    sign = -1 if query.time_order == "descending" else 1
    runs = [[(sign * t, b, i) for i, t in enumerate(batch.times or ())] for b, batch in enumerate(batches)]
    merged = heapq.merge(*runs)
    chosen: list[tuple[int, int, int]] = []
    left = limit_of(query)
    for item in merged:
        chosen.append(item)
        if len(chosen) == query.batch_size:
            control.check()
            yield gather(batches, chosen, sign)
            chosen = []
        if left is not None:
            left -= 1
            if left <= 0:
                break
    if chosen:
        yield gather(batches, chosen, sign)


def gather(batches: Sequence[ScanBatch], chosen: Sequence[tuple[int, int, int]], sign: int) -> ScanBatch:
    """One batch of rows from several; its columns are those of the first row's batch."""
    first = batches[chosen[0][1]]
    places = [{name: i for i, name in enumerate(batch.columns)} for batch in batches]
    values: list[list[Any]] = []
    types: list[str | None] = []
    for name in first.columns:
        values.append([batches[b].values[places[b][name]][i] if name in places[b] else None for _, b, i in chosen])
        types.append(
            next((batch.types[at[name]] for batch, at in zip(batches, places, strict=True) if name in at), None)
        )
    times = [sign * t for t, _, _ in chosen]
    return ScanBatch(None, first.columns, types, len(chosen), times, values=values)


def batch_object(query: ScanQuery, batch: ScanBatch) -> dict[str, Any]:
    """The result object of a batch."""
    events: Sequence[Any] = batch.rows
    if query.result_format != "compactedList":
        events = [dict(zip(batch.columns, row, strict=True)) for row in events]
    signature = [
        {"name": name, "type": kind} if kind else {"name": name}
        for name, kind in zip(batch.columns, batch.types, strict=True)
    ]
    return {"segmentId": batch.segment_id, "columns": batch.columns, "events": events, "rowSignature": signature}
