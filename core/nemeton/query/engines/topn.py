"""topN: exact, over all groups; Druid's is approximate beyond 1000 values per segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from attrs import evolve

from nemeton.query.engines.aggregate import FinishedTable, reads_rows, times_array, value_names, wire_rows
from nemeton.query.engines.buckets import is_all, is_none
from nemeton.query.engines.groupby_order import text_ranks
from nemeton.query.engines.grouping import SegmentGrouper
from nemeton.query.engines.local import refuse_objects, refuse_types, refuse_unreduced
from nemeton.query.engines.table import GroupTable, merge_tables, natural_ranks
from nemeton.query.engines.timeseries import bucket_starts, clip_to_data
from nemeton.query.expressions.failures import failed
from nemeton.query.model.comparators import sort_key
from nemeton.query.model.queries import TopNQuery
from nemeton.query.model.topn_metrics import (
    DimensionTopNMetricSpec,
    InvertedTopNMetricSpec,
    NumericTopNMetricSpec,
    TopNMetricSpec,
)
from nemeton.query.packing import pack, pack_table, readable, unpack, unpack_table
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import Array, NumericVector, null_mask, vector_from_list
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


_MIN_THRESHOLD = 1000


class TopNToolChest(QueryToolChest):
    """Runs `TopNQuery`; its partials are group tables of one dimension."""

    def run_segment(self, query: TopNQuery, segment: Segment, scope: SegmentScope, control: QueryControl) -> GroupTable:
        """The groups of one segment."""
        if query.threshold < 0:
            raise failed("limit is negative", "java.lang.IllegalArgumentException")
        source = SegmentSource(segment, query.virtual_columns, is_row_by_row=True, rows=scope.rows)
        refuse_objects([query.dimension])
        refuse_types(source, query.dimension, "ARRAY")
        spans = clip_to_data(source, scope)
        limit = query.query_context.max_groups
        grouper = SegmentGrouper(source, query.granularity, [query.dimension], query.aggregations, limit, True)
        table = grouper.run(scope.intervals, spans[0].start if spans else 0, query.filter, control)
        if not is_none(query.granularity) and not (is_all(query.granularity) and table.num_groups):
            table.empty_buckets = frozenset(bucket_starts(query.granularity, spans, limit))
        return table

    def reads_parts(self, query: TopNQuery) -> bool:
        """Where rows are looked at."""
        return reads_rows(query)

    def check_local(self, query: TopNQuery) -> None:
        """Of one interval only."""
        refuse_unreduced(query)

    def merge(self, query: TopNQuery, partials: Sequence[GroupTable], control: QueryControl) -> GroupTable:
        """Equal keys merged; the bucket ALL takes the earliest time."""
        control.check()
        tables = [partial for partial in partials if partial.num_groups]
        empty = frozenset().union(*(partial.empty_buckets for partial in partials))
        if is_all(query.granularity) and (tables or empty):
            first = min([*empty, *(int(table.times.min()) for table in tables)])
            tables = [evolve(table, times=np.full(table.num_groups, first, dtype=np.int64)) for table in tables]
            empty = frozenset([first])
        merged = merge_tables(tables, query.aggregations, 1)
        merged.empty_buckets = empty
        return merged

    def for_data_server(self, query: TopNQuery) -> TopNQuery:
        """With a threshold that leaves something to merge."""
        least = query.query_context.get_int("minTopNThreshold", _MIN_THRESHOLD)
        return evolve(query, threshold=max(query.threshold, least))

    def is_cacheable(self, query: TopNQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Always."""
        return True

    def to_wire(self, query: TopNQuery, partial: GroupTable) -> Iterator[Any]:
        """`{timestamp, result: [...]}` by time, the first values that are asked for, which a Broker has made more."""
        return self._unfinished(query, partial, query.threshold)

    def to_cache(self, query: TopNQuery, partial: GroupTable) -> Iterator[Any]:
        """As `to_wire`, with all values."""
        return self._unfinished(query, partial, partial.num_groups)

    def to_blocks(self, query: TopNQuery, partial: GroupTable) -> Iterator[bytes]:
        """The buckets without rows, and a table, in no order."""
        yield pack(sorted(partial.empty_buckets))
        finished = FinishedTable(query, partial, [query.dimension.name])
        first = partial.take(self._first_in_no_order(query, finished, query.threshold), query.aggregations)
        yield pack_table(first, query.aggregations)

    def from_blocks(self, query: TopNQuery, blocks: Iterable[bytes]) -> GroupTable:
        """See `QueryToolChest`."""
        with readable():
            empty, *tables = blocks
        table = merge_tables([unpack_table(each, query.aggregations) for each in tables], query.aggregations, 1)
        return evolve(table, empty_buckets=frozenset(unpack(empty)))

    def _first_groups(self, query: TopNQuery, partial: GroupTable, threshold: int) -> GroupTable:
        finished = FinishedTable(query, partial, [query.dimension.name])
        return partial.take(self._first(query, finished, threshold), query.aggregations)

    def _unfinished(self, query: TopNQuery, partial: GroupTable, threshold: int) -> Iterator[Any]:
        table = self._first_groups(query, partial, threshold)
        rows = wire_rows(query, table, [query.dimension.name])
        yield from by_time(query, table.times, rows, partial.empty_buckets)

    def from_wire(self, query: TopNQuery, rows: Iterable[Any]) -> GroupTable:
        """Read `{timestamp, result: [...]}`."""
        times: list[int] = []
        events: list[dict[str, Any]] = []
        empty: set[int] = set()
        for row in rows:
            if not row["result"]:
                empty.add(parse_datetime(row["timestamp"]))
            times.extend([parse_datetime(row["timestamp"])] * len(row["result"]))
            events.extend(row["result"])
        name = query.dimension.name
        dimension = vector_from_list(query.dimension.result_type, [event.get(name) for event in events])
        states = [factory.from_wire([event.get(factory.name) for event in events]) for factory in query.aggregations]
        return GroupTable(len(events), times_array(times), [dimension], states, frozenset(empty))

    def finish(self, query: TopNQuery, partial: GroupTable) -> FinishedTable:
        """The rows in order, the first ones of each bucket."""
        finished = FinishedTable(query, partial, [query.dimension.name])
        finished.select(self._first(query, finished, query.threshold))
        return finished

    def _first(self, query: TopNQuery, finished: FinishedTable, threshold: int) -> Array:
        """The first rows of each time, in order."""
        within = likely_first(query, finished, threshold)
        if within is None:
            return first_of_each(self._order(query, finished), finished.times, threshold)
        some = finished.some(within)
        return within[first_of_each(self._order(query, some), some.times, threshold)]

    def _first_in_no_order(self, query: TopNQuery, finished: FinishedTable, threshold: int) -> Array:
        """As `_first`; only those are put in order among which the last places fall."""
        within = likely_first(query, finished, threshold)
        if within is None:
            return self._first(query, finished, threshold)
        metric = cast("NumericTopNMetricSpec", query.metric).metric
        values = cast("NumericVector", finished.vector(metric)).values[within]
        is_last = values == values.min()
        better, last = within[~is_last], within[is_last]
        some = finished.some(last)
        return np.concatenate([better, last[self._order(query, some)[: threshold - len(better)]]])

    @staticmethod
    def _order(query: TopNQuery, finished: FinishedTable) -> Array:
        """The rows that count, by time and then as the metric says."""
        name = query.dimension.name
        keys = metric_keys(query.metric, finished, name, False)
        passing = [keep for _, keep in keys if keep is not None]
        kept = np.flatnonzero(np.logical_and.reduce(passing)) if passing else np.arange(finished.num_rows)
        ties = natural_ranks(finished.vector(name))[kept]
        order = np.lexsort([ties, *(key[kept] for key, _ in reversed(keys)), finished.times[kept]])
        return kept[order]

    def finalise(self, query: TopNQuery, partial: GroupTable) -> Iterator[Any]:
        """`{timestamp, result: [...]}` by time; a bucket without rows has none."""
        finished = self.finish(query, partial)
        rows = finished.rows([query.dimension.name, *value_names(query)])
        yield from by_time(query, finished.times, rows, partial.empty_buckets)

    def to_segment(self, query: TopNQuery, partial: GroupTable, *, with_times: bool) -> Segment:
        """The finished rows as a segment; `__time` is the bucket's start."""
        from nemeton.model import ColumnType
        from nemeton.query.inline import VectorSegment

        finished = self.finish(query, partial)
        names = [query.dimension.name, *value_names(query)]
        read = finished.stored if query.query_context.finalize is False else finished.vector
        columns = {name: read(name) for name in names}
        return VectorSegment({"__time": NumericVector(ColumnType.LONG, finished.times), **columns}, finished.num_rows)


def first_of_each(order: Array, times: Array, threshold: int) -> Array:
    """Of rows in order of time, the first ones of each time."""
    ordered = times[order]
    starts = np.searchsorted(ordered, ordered)
    first: Array = order[np.arange(len(order)) - starts < threshold]
    return first


def likely_first(query: TopNQuery, finished: FinishedTable, threshold: int) -> Array | None:
    """The rows among which the first ones by a number must be; None where all have to be put in order.

    Of many rows of one time only those are that are no worse than the last that is asked for.
    """
    metric, rows = query.metric, finished.num_rows
    if not isinstance(metric, NumericTopNMetricSpec) or rows <= 2 * threshold:
        return None
    if finished.ranks(metric.metric) is not None:  # in an order of its own
        return None
    vector = finished.vector(metric.metric)
    if not isinstance(vector, NumericVector) or vector.nulls is not None or (finished.times != finished.times[0]).any():
        return None
    last = np.partition(vector.values, rows - threshold)[rows - threshold]
    if np.isnan(vector.values).any():
        return None
    return np.flatnonzero(vector.values >= last)


def by_time(query: TopNQuery, times: Array, rows: Sequence[dict[str, Any]], empty: frozenset[int]) -> Iterator[Any]:
    """Rows, which are in order of time, as one result a time."""
    starts = dict.fromkeys(sorted(empty.union(times.tolist())), (0, 0))
    distinct, firsts = np.unique(times, return_index=True)
    ends = [*firsts.tolist(), len(rows)][1:]
    starts.update(zip(distinct.tolist(), zip(firsts.tolist(), ends, strict=True), strict=True))
    for time, (start, end) in starts.items():
        yield {"timestamp": query.stamp(time), "result": list(rows[start:end])}


def metric_keys(
    metric: TopNMetricSpec, finished: FinishedTable, dimension: str, inverted: bool
) -> list[tuple[Array, Array | None]]:
    """Sort keys (ascending), each with a mask of the rows that count at all."""
    if isinstance(metric, InvertedTopNMetricSpec):
        return metric_keys(metric.metric, finished, dimension, not inverted)
    if isinstance(metric, NumericTopNMetricSpec):
        vector = finished.vector(metric.metric)
        own = finished.ranks(metric.metric)
        ranks = natural_ranks(vector) if own is None else own
        nulls = null_mask(vector)
        # Null metrics come last whichever way round.
        return [(nulls.astype(np.int64), None), (ranks if inverted else -ranks, None)]
    assert isinstance(metric, DimensionTopNMetricSpec)
    vector = finished.vector(dimension)
    ranks = text_ranks(vector, metric.ordering)
    ranks = -ranks if inverted else ranks
    ranks = np.where(null_mask(vector), ranks.min(initial=0) - 1, ranks)  # null comes first whichever way round
    keep = None
    if metric.previous_stop is not None:
        key = sort_key(metric.ordering)
        stop = key(metric.previous_stop)
        texts = [None if value is None else str(value) for value in vector.to_list()]
        after = [key(value) < stop if inverted else key(value) > stop for value in texts]
        keep = np.array(after, dtype=bool)
    return [(ranks, keep)]
