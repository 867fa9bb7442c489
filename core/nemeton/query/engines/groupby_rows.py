"""From merged groups to the rows of a groupBy: post-aggregations, having, order, limit, subtotals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
from attrs import evolve

from nemeton.query.engines.aggregate import FinishedTable
from nemeton.query.engines.groupby_order import has_row_keys, row_keys, row_order
from nemeton.query.engines.table import GroupTable, group_rows, merge_tables, same_kind, times_codes, vector_codes
from nemeton.query.model.limits import DefaultLimitSpec
from nemeton.query.model.queries import GroupByQuery
from nemeton.query.spilling.groups import SortedGroups
from nemeton.query.spilling.sorted_merge import Blocks, RowKey, compact, in_order
from nemeton.query.vectors import AnyVector, Array, concat_vectors, null_vector

Groups = GroupTable | SortedGroups
"""The partial of a groupBy: one table, or blocks in natural order that are read once."""

GroupedBy = Sequence[str] | None
"""The dimensions of a subtotal; None: the groups are those of the query itself."""

_LEAST_CANDIDATES = 65_536
_WIRE_ROWS = 65_536


def blocks_of(groups: Groups, query: GroupByQuery) -> Blocks:
    """The groups in natural order."""
    if isinstance(groups, SortedGroups):
        return groups.blocks()
    return in_order(groups, query.aggregations, _WIRE_ROWS)


def whole_table(query: GroupByQuery, groups: Groups) -> GroupTable:
    """All groups as one table in memory."""
    if isinstance(groups, GroupTable):
        return groups
    return merge_tables(list(groups.blocks()), query.aggregations, len(query.dimensions))


def finished_tables(query: GroupByQuery, groups: Groups) -> Iterator[FinishedTable]:
    """The rows of the answer in their order, subtotals after each other."""
    if query.subtotals_spec is None:
        yield from finished_groups(query, groups, None)
    elif query.limit_spec.limit is None:
        yield from _all_subtotals(query, groups)
    else:
        yield limited_subtotals(query, groups)


def finished_groups(query: GroupByQuery, groups: Groups, grouped_by: GroupedBy) -> Iterator[FinishedTable]:
    """The rows of groups by these dimensions in their order; of many groups in several tables."""
    if isinstance(groups, GroupTable):
        yield finished_table(query, of_grouping(query, groups, grouped_by))
    elif not query.limit_spec.columns:
        yield from _in_natural_order(query, groups, grouped_by)
    elif query.limit_spec.limit is None and has_row_keys(query):
        yield from _in_order(query, groups, grouped_by)
    elif query.limit_spec.limit is None:
        yield finished_table(query, of_grouping(query, whole_table(query, groups), grouped_by))
    else:
        most = query.limit_spec.offset + query.limit_spec.limit
        table = first_groups(query, groups, grouped_by, most)
        yield finished_table(query, of_grouping(query, table, grouped_by))


def finished_table(query: GroupByQuery, table: GroupTable) -> FinishedTable:
    """The rows after post-aggregations, having, order and limit."""
    finished = FinishedTable(query, table, dimension_names(query))
    if query.having is not None:
        finished.select(np.flatnonzero(query.having.matches(finished)))
    limit = query.limit_spec
    order = row_order(query, finished)
    stop = None if limit.limit is None else limit.offset + limit.limit
    finished.select(order[limit.offset : stop])
    return finished


def _in_natural_order(query: GroupByQuery, groups: SortedGroups, grouped_by: GroupedBy) -> Iterator[FinishedTable]:
    skip, left = query.limit_spec.offset, query.limit_spec.limit
    unlimited = evolve(query, limit_spec=DefaultLimitSpec())
    for block in groups.blocks():
        finished = finished_table(unlimited, of_grouping(query, block, grouped_by))
        start = min(skip, finished.num_rows)
        stop = finished.num_rows if left is None else min(finished.num_rows, start + left)
        skip -= start
        if (start, stop) != (0, finished.num_rows):
            finished.select(np.arange(start, stop))
        yield finished
        if left is not None:
            left -= stop - start
            if left <= 0:
                return


class LimitOrdering:
    """The order of a query's limit spec, over groups that are not finished. See `Ordering`."""

    def __init__(self, query: GroupByQuery, grouped_by: GroupedBy) -> None:
        self._query = query
        self._grouped_by = grouped_by

    def _finished(self, table: GroupTable) -> FinishedTable:
        return FinishedTable(
            self._query, of_grouping(self._query, table, self._grouped_by), dimension_names(self._query)
        )

    def order(self, table: GroupTable) -> Array:
        """The rows in order."""
        return row_order(self._query, self._finished(table))

    def keys(self, table: GroupTable) -> Callable[[int], RowKey]:
        """What makes the key of a row."""
        return row_keys(self._query, self._finished(table))


def _in_order(query: GroupByQuery, groups: SortedGroups, grouped_by: GroupedBy) -> Iterator[FinishedTable]:
    """All rows in an order of their own: put in order anew, which may take the disk too."""
    skip = query.limit_spec.offset
    merger = groups.settled().by(LimitOrdering(query, grouped_by)).merger()
    with contextlib.closing(merger):
        for place, block in enumerate(groups.blocks()):
            merger.add(place, having_rows(query, block, grouped_by))
        found = merger.result()
        if isinstance(found, GroupTable):
            yield finished_table(query, of_grouping(query, found, grouped_by))
            return
        for block in found.blocks():
            finished = FinishedTable(query, of_grouping(query, block, grouped_by), dimension_names(query))
            start = min(skip, finished.num_rows)
            skip -= start
            finished.select(np.arange(start, finished.num_rows))
            yield finished


def having_rows(query: GroupByQuery, table: GroupTable, grouped_by: GroupedBy) -> GroupTable:
    """The groups that the query's having spec lets through."""
    if query.having is None:
        return table
    finished = FinishedTable(query, of_grouping(query, table, grouped_by), dimension_names(query))
    return table.take(np.flatnonzero(query.having.matches(finished)), query.aggregations)


def first_groups(query: GroupByQuery, groups: Groups, grouped_by: GroupedBy, count: int) -> GroupTable:
    """The first groups in the query's order, of those that its having spec lets through."""
    ordering = LimitOrdering(query, grouped_by)
    kept: list[GroupTable] = []
    rows = 0
    for block in groups.blocks() if isinstance(groups, SortedGroups) else [groups]:
        passed = having_rows(query, block, grouped_by)
        first = passed.take(ordering.order(passed)[:count], query.aggregations)
        first.dimensions = [compact(vector) for vector in first.dimensions]
        kept.append(first)
        rows += first.num_groups
        if rows > count + max(count, _LEAST_CANDIDATES):
            kept = [_first(query, ordering, kept, count)]
            rows = kept[0].num_groups
    return _first(query, ordering, kept, count)


def _first(query: GroupByQuery, ordering: LimitOrdering, tables: Sequence[GroupTable], count: int) -> GroupTable:
    table = merge_tables(tables, query.aggregations, len(query.dimensions))
    return table.take(ordering.order(table)[:count], query.aggregations)


# ---------------------------------------------------------------------------------------------------------- subtotals
def _all_subtotals(query: GroupByQuery, groups: Groups) -> Iterator[FinishedTable]:
    plain = evolve(query, subtotals_spec=None)
    sets = query.subtotals_spec or ()
    if isinstance(groups, GroupTable):
        for names in sets:
            yield from finished_groups(plain, subtotal(plain, groups, names), names)
        return
    with ExitStack() as closing:  # blocks are read once, so that all subtotals are made at the same time
        mergers = [groups.settled().shared(len(sets)).merger() for _ in sets]
        for merger in mergers:
            closing.callback(merger.close)
        for place, block in enumerate(groups.blocks()):
            for names, merger in zip(sets, mergers, strict=True):
                merger.add(place, subtotal(plain, block, names))
        for names, merger in zip(sets, mergers, strict=True):
            yield from finished_groups(plain, merger.result(), names)


def limited_subtotals(query: GroupByQuery, groups: Groups) -> FinishedTable:
    """The subtotals of the first rows, all in one order and limited again."""
    limit = query.limit_spec
    assert limit.limit is not None
    names = dimension_names(query)
    if query.is_limit_of_dimensions:  # only such a limit has gone to the data servers in Druid
        unfiltered = evolve(query, subtotals_spec=None, having=None)
        first = first_groups(unfiltered, groups, None, limit.offset + limit.limit)
    else:
        first = whole_table(query, groups)
    plain = evolve(query, subtotals_spec=None, limit_spec=DefaultLimitSpec())
    tables = [of_grouping(plain, subtotal(plain, first, kept), kept) for kept in query.subtotals_spec or ()]
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
    return finished_table(evolve(query, subtotals_spec=None), GroupTable(len(times), times, dimensions, states))


def subtotal(query: GroupByQuery, table: GroupTable, names: Sequence[str]) -> GroupTable:
    """The groups by some of the dimensions: those that are left out are null."""
    dimensions: list[AnyVector] = []
    for spec, vector in zip(query.dimensions, table.dimensions, strict=True):
        dimensions.append(vector if spec.name in names else null_vector(table.num_groups))
    return regrouped(query, GroupTable(table.num_groups, table.times, dimensions, table.states))


def of_grouping(query: GroupByQuery, table: GroupTable, names: GroupedBy) -> GroupTable:
    """Tell aggregates which dimensions a subtotal is by."""
    if names is None:
        return table
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


def dimension_names(query: GroupByQuery) -> list[str]:
    """The names of the dimensions in the result."""
    return [spec.name for spec in query.dimensions]
