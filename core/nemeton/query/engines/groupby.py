"""groupBy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from nemeton.model import ColumnType
from nemeton.model.results import ResultColumns
from nemeton.query.engines.aggregate import FinishedTable, reads_rows, times_array, value_names, wire_lists, wire_rows
from nemeton.query.engines.buckets import is_all
from nemeton.query.engines.groupby_rows import (
    Groups,
    blocks_of,
    dimension_names,
    finished_table,
    finished_tables,
)
from nemeton.query.engines.grouping import SegmentGrouper
from nemeton.query.engines.local import refuse_objects, refuse_several_intervals
from nemeton.query.engines.table import GroupTable, empty_table, merge_tables, same_kind
from nemeton.query.model.limits import DefaultLimitSpec
from nemeton.query.model.queries import GroupByQuery, fudge_timestamp
from nemeton.query.packing import pack_table, unpack_table
from nemeton.query.source import BLOCK_ROWS, SegmentSource
from nemeton.query.spilling.groups import sent_in_order, streamed
from nemeton.query.spilling.merger import GroupMerger, MergeSettings, Merging
from nemeton.query.vectors import AnyVector, NumericVector, concat_vectors, vector_from_list
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment

_IN_ORDER, _IN_NO_ORDER = b"in order", b"in no order"
_MOST_UNORDERED = 262_144


class GroupByToolChest(QueryToolChest):
    """Runs `GroupByQuery`; its partials are group tables with a dimension each."""

    def run_segment(
        self, query: GroupByQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> GroupTable:
        """The groups of one segment."""
        are_plain = all(getattr(spec, "is_plain", False) for spec in query.dimensions)
        is_row_by_row = query.query_context.is_row_by_row or not are_plain
        source = SegmentSource(segment, query.virtual_columns, is_row_by_row=is_row_by_row, rows=scope.rows)
        refuse_objects(query.dimensions)
        limit = query.query_context.max_groups
        grouper = SegmentGrouper(source, query.granularity, query.dimensions, query.aggregations, limit)
        return grouper.run(scope.intervals, universal_time(query), query.filter, control)

    def reads_parts(self, query: GroupByQuery) -> bool:
        """Where rows are looked at."""
        return reads_rows(query)

    def check_local(self, query: GroupByQuery) -> None:
        """Of one interval only, except of the rows of a groupBy."""
        inner: Any = getattr(query.data_source, "query", None)
        if inner is None or not self.can_perform_subquery(inner):
            words = "java.util.concurrent.ExecutionException: org.apache.druid.java.util.common.IAE: "
            refuse_several_intervals(query, f"{words}Should only have one interval", "java.lang.RuntimeException")

    def merge(self, query: GroupByQuery, partials: Sequence[Groups], control: QueryControl) -> Groups:
        """Equal keys merged."""
        merger = self.merger(query, control, None)
        for place, partial in enumerate(partials):
            merger.add(place, partial)
        return merger.result()

    def merger(self, query: GroupByQuery, control: QueryControl, settings: MergeSettings | None) -> GroupMerger:
        """Spills what takes more than the query's part of the memory, where the query may use the disk."""
        return Merging.of(query, control, settings or MergeSettings()).merger()

    def merges_streams(self, query: GroupByQuery) -> bool:
        """Always: rows come in order of time and dimensions."""
        return True

    def for_data_server(self, query: GroupByQuery) -> GroupByQuery:
        """Without what comes after the merging, rows as arrays; a limit is not pushed down."""
        bare = evolve(query, having=None, limit_spec=DefaultLimitSpec(), post_aggregations=(), subtotals_spec=None)
        bare = bare.with_context(resultAsArray=True)
        return bare.with_context(forceLimitPushDown=False) if "forceLimitPushDown" in query.context else bare

    def is_cacheable(self, query: GroupByQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Not segment by segment on Brokers, as in Druid: data servers send one merged answer."""
        return not (on_broker and by_segment)

    def to_wire(self, query: GroupByQuery, partial: Groups) -> Iterator[Any]:
        """Rows in order of time and dimensions: `{version, timestamp, event}`, or arrays with `resultAsArray`."""
        for block in blocks_of(partial, query):
            yield from self._block_to_wire(query, block)

    def _block_to_wire(self, query: GroupByQuery, table: GroupTable) -> Iterator[Any]:
        times = table.times.tolist()
        if query.query_context.get_bool("resultAsArray", False):  # a Java Broker reads nothing else
            lists = wire_lists(query, table)
            if not is_all(query.granularity):
                lists.insert(0, times)
            yield from ([list(row) for row in zip(*lists, strict=True)] if lists else [[] for _ in times])
            return
        names = dimension_names(query)
        for time, event in zip(times, wire_rows(query, table, names), strict=True):
            yield {"version": "v1", "timestamp": query.granularity.format(time), "event": event}

    def from_wire(self, query: GroupByQuery, rows: Iterable[Any]) -> Groups:
        """Read rows of `{version, timestamp, event}`, or arrays (time unless ALL, dimensions, aggregates).

        The rows of an iterator are read when the groups are, and have to be in the order of `to_wire`.
        """
        if isinstance(rows, Iterator):
            return streamed(rows, lambda listed: self._table_from_wire(query, listed))
        return self._table_from_wire(query, list(rows))

    def to_blocks(self, query: GroupByQuery, partial: Groups) -> Iterator[bytes]:
        """Whether they are in natural order, and tables: many groups in order, so that a Broker may merge them as they
        arrive; few as they are.
        """
        if isinstance(partial, GroupTable) and partial.num_groups <= _MOST_UNORDERED:
            yield _IN_NO_ORDER
            yield pack_table(partial, query.aggregations)
            return
        yield _IN_ORDER
        for table in blocks_of(partial, query):
            yield pack_table(table, query.aggregations)

    def from_blocks(self, query: GroupByQuery, blocks: Iterable[bytes]) -> Groups:
        """See `QueryToolChest`."""
        pieces = iter(blocks)
        if next(pieces, _IN_NO_ORDER) == _IN_ORDER and isinstance(blocks, Iterator):
            return sent_in_order(pieces, query.aggregations)
        tables = [unpack_table(piece, query.aggregations) for piece in pieces]
        return tables[0] if len(tables) == 1 else merge_tables(tables, query.aggregations, len(query.dimensions))

    def _table_from_wire(self, query: GroupByQuery, listed: list[Any]) -> GroupTable:
        if listed and isinstance(listed[0], list):
            return self._from_arrays(query, listed)
        times = times_array([parse_datetime(row["timestamp"]) for row in listed])
        events = [row["event"] for row in listed]
        dimensions = [
            vector_from_list(d.result_type, [event.get(d.name) for event in events]) for d in query.dimensions
        ]
        states = [factory.from_wire([event.get(factory.name) for event in events]) for factory in query.aggregations]
        return GroupTable(len(listed), times, dimensions, states)

    def from_cache(self, query: GroupByQuery, rows: Iterable[Any]) -> GroupTable:
        """As `from_wire`; the bucket ALL has the time of this query, whose intervals may be others than then."""
        table = self._table_from_wire(query, list(rows))
        if is_all(query.granularity):
            table.times = np.full(table.num_groups, universal_time(query), dtype=np.int64)
        return table

    def _from_arrays(self, query: GroupByQuery, rows: list[list[Any]]) -> GroupTable:
        columns = [list(column) for column in zip(*rows, strict=True)]
        if is_all(query.granularity):
            times = times_array([universal_time(query)] * len(rows))
        else:
            times = times_array(columns.pop(0))
        count = len(query.dimensions)
        dimensions = [
            vector_from_list(d.result_type, c) for d, c in zip(query.dimensions, columns[:count], strict=True)
        ]
        states = [f.from_wire(c) for f, c in zip(query.aggregations, columns[count:], strict=False)]
        return GroupTable(len(rows), times, dimensions, states)

    def finalise(self, query: GroupByQuery, partial: Groups) -> Iterator[Any]:
        """Rows of `{version, timestamp, event}`, or arrays with `resultAsArray`."""
        names = dimension_names(query)
        for table in finished_tables(query, whole(query, partial)):
            for part in table.in_parts(BLOCK_ROWS):
                yield from self._rows(query, part, names)

    def result_columns(self, query: GroupByQuery, partial: Groups) -> Iterator[ResultColumns] | None:
        """Dimensions and values, without times."""
        names = [*dimension_names(query), *value_names(query)]
        tables = finished_tables(query, whole(query, partial))
        parts = (part for table in tables for part in table.in_parts(BLOCK_ROWS))
        return (part.result_columns(names) for part in parts)

    def _rows(self, query: GroupByQuery, finished: FinishedTable, dimension_names: Sequence[str]) -> Iterator[Any]:
        names = [*dimension_names, *value_names(query)]
        times = finished.times.tolist()
        if query.query_context.get_bool("resultAsArray", False):
            columns = finished.columns(names)
            if not is_all(query.granularity):
                columns.insert(0, times)
            yield from ([list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in times])
            return
        stamps = {time: query.stamp(time) for time in set(times)}
        for time, event in zip(times, finished.rows(names), strict=True):
            yield {"version": "v1", "timestamp": stamps[time], "event": event}

    def can_perform_subquery(self, subquery: Any) -> bool:
        """When the inner one is a groupBy too."""
        return isinstance(subquery, GroupByQuery)

    def to_segment(self, query: GroupByQuery, partial: Groups, *, with_times: bool) -> Segment:
        """The finished rows as a segment; `__time` is the bucket's start, and no column of plain rows of all time.

        To a groupBy around it the aggregates come unfinished, as in Druid, unless its context says `finalize`; to
        others when that says no.
        """
        from nemeton.query.inline import VectorSegment

        tables = list(finished_tables(query, whole(query, partial)))
        if not tables:  # subtotals of no set
            tables = [finished_table(query, empty_table(query.aggregations, len(query.dimensions)))]
        finalize = query.query_context.finalize
        is_unfinished = finalize is False or (with_times and finalize is not True)
        columns: dict[str, AnyVector] = {}
        if with_times or not is_all(query.granularity):
            columns["__time"] = NumericVector(ColumnType.LONG, np.concatenate([table.times for table in tables]))
        for name in [*dimension_names(query), *value_names(query)]:
            read = FinishedTable.stored if is_unfinished else FinishedTable.vector
            columns[name] = concat_vectors(same_kind([read(table, name) for table in tables]))
        return VectorSegment(columns, sum(table.num_rows for table in tables))


def universal_time(query: GroupByQuery) -> int:
    """The time of the bucket ALL: the start of the query's first interval, unless the context says another."""
    fudge = fudge_timestamp(query.query_context)
    if fudge is not None:
        return fudge
    return query.interval_list[0].start if query.interval_list else 0


def whole(query: GroupByQuery, groups: Groups) -> Groups:
    """The groups; of a query without dimensions over no rows one group, unless it asks for subtotals."""
    has_more = query.dimensions or query.subtotals_spec is not None or not is_all(query.granularity)
    if has_more or not isinstance(groups, GroupTable) or groups.num_groups:
        return groups
    states = [factory.init(1) for factory in query.aggregations]
    return GroupTable(1, times_array([universal_time(query)]), [], states)
