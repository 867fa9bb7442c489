"""timeseries: aggregates by time bucket, empty buckets within each segment's time filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from nemeton.query.engines.aggregate import FinishedTable, reads_rows, times_array, value_names, wire_rows
from nemeton.query.engines.buckets import is_all
from nemeton.query.engines.grouping import SegmentGrouper
from nemeton.query.engines.local import refuse_several_elements
from nemeton.query.engines.table import GroupTable, merge_tables
from nemeton.query.model.queries import TimeseriesQuery
from nemeton.query.source import SegmentSource
from nemeton.query.spilling.merger import too_many
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import Granularity, Interval, parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


class TimeseriesToolChest(QueryToolChest):
    """Runs `TimeseriesQuery`; its partials are group tables without dimensions."""

    def run_segment(
        self, query: TimeseriesQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> GroupTable:
        """The buckets of one segment, empty ones between its first and last row included."""
        source = SegmentSource(
            segment, query.virtual_columns, is_row_by_row=query.query_context.is_row_by_row, rows=scope.rows
        )
        spans = clip_to_data(source, scope)
        grouper = SegmentGrouper(source, query.granularity, (), query.aggregations, query.query_context.max_groups)
        table = grouper.run(scope.intervals, spans[0].start if spans else 0, query.filter, control)
        if query.query_context.skip_empty_buckets or not spans:
            return table
        starts = bucket_starts(query.granularity, spans, query.query_context.max_groups)
        without_rows = starts.difference(table.times.tolist())
        if not without_rows:
            return table
        times = times_array(sorted(without_rows))
        empty = GroupTable(len(times), times, [], [factory.init(len(times)) for factory in query.aggregations])
        return merge_tables([table, empty], query.aggregations, 0)

    def reads_parts(self, query: TimeseriesQuery) -> bool:
        """Where rows are looked at."""
        return reads_rows(query)

    def check_local(self, query: TimeseriesQuery) -> None:
        """Of one interval only."""
        refuse_several_elements(query)

    def merge(self, query: TimeseriesQuery, partials: Sequence[GroupTable], control: QueryControl) -> GroupTable:
        """Equal buckets merged; the bucket ALL takes the earliest time, or backwards the latest."""
        tables = [partial for partial in partials if partial.num_groups]
        if is_all(query.granularity) and tables:
            starts = [int(table.times.min()) for table in tables]
            first = max(starts) if query.descending else min(starts)
            tables = [evolve(table, times=np.full(table.num_groups, first, dtype=np.int64)) for table in tables]
        control.check()
        return merge_tables(tables, query.aggregations, 0)

    def for_data_server(self, query: TimeseriesQuery) -> TimeseriesQuery:
        """Without limit and grand total."""
        whole = evolve(query, limit=0)
        return whole.with_context(grandTotal=False) if "grandTotal" in query.context else whole

    def is_cacheable(self, query: TimeseriesQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Always."""
        return True

    def to_wire(self, query: TimeseriesQuery, partial: GroupTable) -> Iterable[Any]:
        """`{timestamp, result}` by time, or backwards."""
        order = np.argsort(partial.times, kind="stable")
        table = partial.take(order[::-1] if query.descending else order, query.aggregations)
        for time, result in zip(table.times.tolist(), wire_rows(query, table, ()), strict=True):
            yield {"timestamp": query.granularity.format(time), "result": result}

    def from_wire(self, query: TimeseriesQuery, rows: Iterable[Any]) -> GroupTable:
        """Read `{timestamp, result}`."""
        listed = list(rows)
        times = times_array([parse_datetime(row["timestamp"]) for row in listed])
        states = [f.from_wire([row["result"].get(f.name) for row in listed]) for f in query.aggregations]
        return GroupTable(len(listed), times, [], states)

    def finalise(self, query: TimeseriesQuery, partial: GroupTable) -> Iterator[Any]:
        """`{timestamp, result}` by time (or backwards), limited, with a grand total when asked for."""
        partial = with_all_bucket(query, partial)
        shown = self._shown(query, partial)
        yield from self._results(query, shown, [query.stamp(time) for time in shown.times.tolist()])
        if query.query_context.get_bool("grandTotal", False):
            yield {"timestamp": None, "result": self._total(query, partial)}

    def to_segment(self, query: TimeseriesQuery, partial: GroupTable, *, with_times: bool) -> Segment:
        """The finished buckets as a segment; `__time` is the bucket's start."""
        from nemeton.query.inline import VectorSegment

        finished = FinishedTable(query, self._shown(query, with_all_bucket(query, partial)))
        read = finished.stored if query.query_context.finalize is False else finished.vector
        columns = {name: read(name) for name in ("__time", *value_names(query))}
        return VectorSegment(columns, finished.num_rows)

    @staticmethod
    def _shown(query: TimeseriesQuery, partial: GroupTable) -> GroupTable:
        order = np.argsort(partial.times, kind="stable")
        if query.descending:
            order = order[::-1]
        return partial.take(order[: query.limit] if query.limit > 0 else order, query.aggregations)

    def _total(self, query: TimeseriesQuery, partial: GroupTable) -> dict[str, Any]:
        """Of no buckets all is null, as in Druid, which has nothing to add up."""
        names = value_names(query)
        if not partial.num_groups:
            return dict.fromkeys(names)
        return FinishedTable(query, grand_total(query, partial)).rows(names)[0]

    def _results(self, query: TimeseriesQuery, table: GroupTable, stamps: Sequence[str | int]) -> Iterator[Any]:
        field = query.query_context.get_string("timestampResultField")
        finished = FinishedTable(query, table)
        rows = finished.rows(value_names(query))
        for stamp, time, result in zip(stamps, table.times.tolist(), rows, strict=True):
            yield {"timestamp": stamp, "result": {field: time, **result} if field else result}


def with_all_bucket(query: TimeseriesQuery, partial: GroupTable) -> GroupTable:
    """The table; where there are no rows, with the bucket ALL that Druid shows then unless it is to skip it."""
    if partial.num_groups or not is_all(query.granularity) or query.query_context.skip_empty_buckets:
        return partial
    start = query.interval_list[0].start if query.interval_list else 0
    return GroupTable(1, times_array([start]), [], [factory.init(1) for factory in query.aggregations])


def clip_to_data(source: SegmentSource, scope: SegmentScope) -> list[Interval]:
    """The intervals cut to the segment's first and last row; those of rows in memory are not, as in Druid."""
    intervals = scope.intervals
    if scope.is_local:
        return list(intervals)
    bounds = source.time_bounds
    if bounds is None:
        return list(intervals) if source.num_rows else []
    whole = Interval(bounds[0], bounds[1] + 1)
    found = [interval.intersection(whole) for interval in intervals]
    return [item for item in found if item is not None and item.end > item.start]


def bucket_starts(granularity: Granularity, spans: Sequence[Interval], limit: int) -> set[int]:
    """The starts of all buckets that touch the spans; raises when there are more than the limit."""
    if is_all(granularity):
        return {span.start for span in spans[:1]}
    starts: set[int] = set()
    for span in spans:
        at = span.start
        while at < span.end:
            bucket = granularity.bucket(at)
            starts.add(bucket.start)
            at = max(bucket.end, at + 1)
            if len(starts) > limit:
                raise too_many(limit)
    return starts


def grand_total(query: TimeseriesQuery, table: GroupTable) -> GroupTable:
    """All buckets as one."""
    states = [factory.init(1) for factory in query.aggregations]
    for factory, state, parts in zip(query.aggregations, states, table.states, strict=True):
        factory.merge(state, parts, np.zeros(table.num_groups, dtype=np.int64))
    return GroupTable(1, times_array([0]), [], states)
