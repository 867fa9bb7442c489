"""groupBy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from nemeton.common.errors import resource_limit
from nemeton.model import ColumnType
from nemeton.query.engines.aggregate import FinishedTable, times_array, value_names, wire_lists, wire_rows
from nemeton.query.engines.buckets import is_all
from nemeton.query.engines.grouping import SegmentGrouper, too_many_groups
from nemeton.query.engines.table import (
    GroupTable,
    empty_table,
    group_rows,
    merge_tables,
    natural_ranks,
    object_ranks,
    same_kind,
    times_codes,
    vector_codes,
)
from nemeton.query.expressions.vec import text
from nemeton.query.model.comparators import sort_key
from nemeton.query.model.limits import DefaultLimitSpec, OrderByColumnSpec
from nemeton.query.model.queries import GroupByQuery, fudge_timestamp
from nemeton.query.numbers import number_texts
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import (
    AnyVector,
    Array,
    NumericVector,
    ObjectVector,
    StringVector,
    concat_vectors,
    null_vector,
    vector_from_list,
)
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import parse_datetime

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


class GroupByToolChest(QueryToolChest):
    """Runs `GroupByQuery`; its partials are group tables with a dimension each."""

    def run_segment(
        self, query: GroupByQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> GroupTable:
        """The groups of one segment."""
        source = SegmentSource(segment, query.virtual_columns)
        limit = query.query_context.max_groups
        grouper = SegmentGrouper(source, query.granularity, query.dimensions, query.aggregations, limit)
        table = grouper.run(scope.intervals, universal_time(query), query.filter, control)
        check_dictionaries(query, table)
        return table

    def merge(self, query: GroupByQuery, partials: Sequence[GroupTable], control: QueryControl) -> GroupTable:
        """Equal keys merged."""
        control.check()
        table = merge_tables(partials, query.aggregations, len(query.dimensions))
        if table.num_groups > query.query_context.max_groups:
            raise too_many_groups(query.query_context.max_groups)
        check_dictionaries(query, table)
        return table

    def for_data_server(self, query: GroupByQuery) -> GroupByQuery:
        """Without what comes after the merging, rows as arrays; a limit is not pushed down."""
        bare = evolve(query, having=None, limit_spec=DefaultLimitSpec(), post_aggregations=(), subtotals_spec=None)
        bare = bare.with_context(resultAsArray=True)
        return bare.with_context(forceLimitPushDown=False) if "forceLimitPushDown" in query.context else bare

    def is_cacheable(self, query: GroupByQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Not segment by segment on Brokers, as in Druid: data servers send one merged answer."""
        return not (on_broker and by_segment)

    def to_wire(self, query: GroupByQuery, partial: GroupTable) -> Iterator[Any]:
        """Rows in order of time and dimensions: `{version, timestamp, event}`, or arrays with `resultAsArray`."""
        table = partial.take(natural_order(partial.times, partial.dimensions), query.aggregations)
        times = table.times.tolist()
        if query.query_context.get_bool("resultAsArray", False):  # a Java Broker reads nothing else
            lists = wire_lists(query, table)
            if not is_all(query.granularity):
                lists.insert(0, times)
            yield from ([list(row) for row in zip(*lists, strict=True)] if lists else [[] for _ in times])
            return
        names = [spec.name for spec in query.dimensions]
        for time, event in zip(times, wire_rows(query, table, names), strict=True):
            yield {"version": "v1", "timestamp": query.granularity.format(time), "event": event}

    def from_wire(self, query: GroupByQuery, rows: Iterable[Any]) -> GroupTable:
        """Read rows of `{version, timestamp, event}`, or arrays (time unless ALL, dimensions, aggregates)."""
        listed = list(rows)
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
        table = self.from_wire(query, rows)
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

    def finish(self, query: GroupByQuery, partial: GroupTable) -> FinishedTable:
        """The rows after post-aggregations, having, order and limit."""
        finished = FinishedTable(query, partial, [spec.name for spec in query.dimensions])
        if query.having is not None:
            finished.select(np.flatnonzero(query.having.matches(finished)))
        limit = query.limit_spec
        order = row_order(query, finished)
        stop = None if limit.limit is None else limit.offset + limit.limit
        finished.select(order[limit.offset : stop])
        return finished

    def finalise(self, query: GroupByQuery, partial: GroupTable) -> Iterator[Any]:
        """Rows of `{version, timestamp, event}`, or arrays with `resultAsArray`."""
        names = [spec.name for spec in query.dimensions]
        for finished in self._finished(query, partial):
            yield from self._rows(query, finished, names)

    def _finished(self, query: GroupByQuery, partial: GroupTable) -> Iterator[FinishedTable]:
        """The rows, of subtotals one table for each set; with a limit, those of the first rows, limited again."""
        if query.subtotals_spec is None:
            yield self.finish(query, whole(query, partial))
            return
        names = [spec.name for spec in query.dimensions]
        if query.limit_spec.limit is None:
            yield from (self.finish(part, table) for part, table in subtotals(query, partial))
            return
        base = FinishedTable(query, partial, names)
        limited = partial
        if query.is_limit_of_dimensions:  # only such a limit has gone to the data servers in Druid
            first = row_order(query, base)[: query.limit_spec.offset + query.limit_spec.limit]
            limited = partial.take(first, query.aggregations)
        plain = evolve(query, limit_spec=DefaultLimitSpec())
        tables = [table for _, table in subtotals(plain, limited)]
        dimensions = [concat_vectors(same_kind([t.dimensions[i] for t in tables])) for i in range(len(names))]
        states = []
        for i, factory in enumerate(query.aggregations):
            state = factory.init(sum(table.num_groups for table in tables))
            at = 0
            for table in tables:
                factory.merge(state, table.states[i], np.arange(at, at + table.num_groups))
                at += table.num_groups
            states.append(state)
        times = np.concatenate([table.times for table in tables])
        yield self.finish(evolve(query, subtotals_spec=None), GroupTable(len(times), times, dimensions, states))

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

    def to_segment(self, query: GroupByQuery, partial: GroupTable, *, with_times: bool) -> Segment:
        """The finished rows as a segment; `__time` is the bucket's start, and no column of plain rows of all time."""
        from nemeton.query.inline import VectorSegment

        tables = list(self._finished(query, partial))
        if not tables:  # subtotals of no set
            tables = [self.finish(query, empty_table(query.aggregations, len(query.dimensions)))]
        columns: dict[str, AnyVector] = {}
        if with_times or not is_all(query.granularity):
            columns["__time"] = NumericVector(ColumnType.LONG, np.concatenate([table.times for table in tables]))
        for name in [*(spec.name for spec in query.dimensions), *value_names(query)]:
            columns[name] = concat_vectors(same_kind([table.vector(name) for table in tables]))
        return VectorSegment(columns, sum(table.num_rows for table in tables))


def universal_time(query: GroupByQuery) -> int:
    """The time of the bucket ALL: the start of the query's first interval, unless the context says another."""
    fudge = fudge_timestamp(query.query_context)
    if fudge is not None:
        return fudge
    return query.interval_list[0].start if query.interval_list else 0


def whole(query: GroupByQuery, table: GroupTable) -> GroupTable:
    """The table; of a query without dimensions over no rows one group."""
    if table.num_groups or query.dimensions or not is_all(query.granularity):
        return table
    states = [factory.init(1) for factory in query.aggregations]
    return GroupTable(1, times_array([universal_time(query)]), [], states)


def check_dictionaries(query: GroupByQuery, table: GroupTable) -> None:
    """Refuse dictionaries beyond `maxMergingDictionarySize`, when the query sets it (nothing is spilled to disk)."""
    most = query.query_context.get_size("maxMergingDictionarySize", 0)
    if most <= 0:
        return
    size = 0
    for vector in table.dimensions:
        if isinstance(vector, StringVector):
            used = vector.dictionary.lookup(np.unique(vector.codes))
            size += sum(2 * len(value) + 28 for value in used if value is not None)
    if size > most:
        raise resource_limit(
            "Not enough dictionary memory to execute this query. Try enabling disk spilling by setting "
            "druid.query.groupBy.maxOnDiskStorage to an amount of bytes available on your machine for on-disk scratch "
            "files. See https://druid.apache.org/docs/latest/querying/groupbyquery.html#memory-tuning-and-resource-"
            "limits for details."
        )


def natural_order(times: Array, vectors: Sequence[AnyVector]) -> Array:
    """The rows by time, then by the vectors' values."""
    return np.lexsort([natural_ranks(vector) for vector in reversed(vectors)] + [times])


def row_order(query: GroupByQuery, finished: FinishedTable) -> Array:
    """The rows as the limit spec orders them; what it leaves open goes by time and dimensions."""
    keys = [order_key(query, column, finished) for column in query.limit_spec.columns]
    dimensions = [natural_ranks(finished.vector(spec.name)) for spec in query.dimensions]
    if not keys:
        return np.lexsort([*reversed(dimensions), finished.times])
    if query.query_context.get_bool("sortByDimsFirst", False):
        return np.lexsort([finished.times, *reversed(dimensions), *reversed(keys)])
    return np.lexsort([*reversed(dimensions), *reversed(keys), finished.times])


def order_key(query: GroupByQuery, column: OrderByColumnSpec, finished: FinishedTable) -> Array:
    """Numbers that sort the rows as one column of the order does."""
    ranks = finished.ranks(column.dimension)
    if ranks is None:
        vector = finished.vector(column.dimension)
        is_text = column.dimension_order == "lexicographic" and column.dimension in finished.dimension_names
        ranks = text_ranks(vector, "lexicographic") if is_text else value_ranks(vector, column.dimension_order)
    return -ranks if column.descending else ranks


def text_ranks(vector: AnyVector, ordering: str) -> Array:
    """Ranks in one of Druid's orders of strings, numbers going by their texts."""
    if not isinstance(vector, NumericVector):
        return value_ranks(vector, ordering)
    texts = number_texts(vector.values, str(vector.type))
    missing = vector.nulls if vector.nulls is not None else np.zeros(len(vector), dtype=bool)
    return object_ranks([sort_key(ordering)(None if n else t) for t, n in zip(texts, missing, strict=True)])


def value_ranks(vector: AnyVector, ordering: str) -> Array:
    """Ranks of values in one of Druid's orders. Numbers go by value whenever the order is a natural or numeric one."""
    if isinstance(vector, NumericVector):
        if ordering in ("lexicographic", "numeric", "natural"):
            return natural_ranks(vector)
        return text_ranks(vector, ordering)
    if isinstance(vector, ObjectVector) and vector.type.is_array and ordering not in ("numeric", "natural"):
        return object_ranks([_array_key(value, sort_key(ordering)) for value in vector.values])
    if ordering in ("lexicographic", "natural") or not isinstance(vector, StringVector):
        return natural_ranks(vector)
    used, inverse = np.unique(vector.codes, return_inverse=True)
    key = sort_key(ordering)
    return object_ranks([key(value) for value in vector.dictionary.lookup(used)])[inverse]


def _array_key(value: Any, key: Callable[[str | None], Any]) -> Any:
    """Element by element, numbers by their texts."""
    return (0,) if value is None else (1, *(key(text(item)) for item in value))


def subtotals(query: GroupByQuery, partial: GroupTable) -> Iterator[tuple[GroupByQuery, GroupTable]]:
    """For each subtotal the query and its groups: the dimensions that it leaves out are null."""
    plain = evolve(query, subtotals_spec=None)
    for names in query.subtotals_spec or ():
        dimensions: list[AnyVector] = []
        for spec, vector in zip(query.dimensions, partial.dimensions, strict=True):
            dimensions.append(vector if spec.name in names else null_vector(partial.num_groups))
        table = GroupTable(partial.num_groups, partial.times, dimensions, partial.states)
        yield plain, of_grouping(plain, regrouped(plain, table), names)


def of_grouping(query: GroupByQuery, table: GroupTable, names: Sequence[str]) -> GroupTable:
    """Tell aggregates which dimensions the groups are by."""
    grouped = frozenset(names)
    states = [f.of_grouping(state, grouped) for f, state in zip(query.aggregations, table.states, strict=True)]
    return GroupTable(table.num_groups, table.times, table.dimensions, states)


def regrouped(query: GroupByQuery, table: GroupTable) -> GroupTable:
    """Merge groups whose keys have become equal."""
    if not table.num_groups:
        return table
    ids, firsts = group_rows([times_codes(table.times), *(vector_codes(vector) for vector in table.dimensions)])
    states = [factory.init(len(firsts)) for factory in query.aggregations]
    for factory, state, other in zip(query.aggregations, states, table.states, strict=True):
        factory.merge(state, other, ids)
    return GroupTable(len(firsts), table.times[firsts], [v.take(firsts) for v in table.dimensions], states)
