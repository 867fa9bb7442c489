"""The order of rows in a segment: by time, then by each dimension; and which rows are equal in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.segment.java_order import double_keys

Rows = NDArray[np.int64]
Ranks = tuple[NDArray[Any], int]
"""Numbers from 0 that sort as the values do, and a bound that none reaches."""

SortKey = Callable[[Rows], Ranks]
"""The ranks of these rows' values. Ranks of different calls need not be comparable."""

_MAX_COMPOSITE = 1 << 62


@frozen
class RowOrder:
    """``rows``: the rows in their order. ``starts``: where a row differs from the one before it in any key."""

    rows: Rows
    starts: NDArray[np.bool_]


def sort_rows(times: NDArray[np.int64], keys: Iterable[SortKey]) -> RowOrder:
    """Sort by time and then by the keys; rows equal in everything keep their order.

    Keys are asked only for the rows that are still tied, and no more once none is.
    """
    count = len(times)
    ascending = count < 2 or bool((times[1:] >= times[:-1]).all())
    rows = np.arange(count, dtype=np.int64) if ascending else np.argsort(times, kind="stable")
    ordered = times if ascending else times[rows]
    starts = np.ones(count, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    places, groups = _tied(starts)
    composite, bound = groups, _bound(groups)
    for key in keys:
        if not len(places):
            return RowOrder(rows, starts)
        ranks, cardinality = key(rows[places])
        if bound * cardinality >= _MAX_COMPOSITE:
            places, composite = _refine(rows, starts, places, composite)
            bound = _bound(composite)
            if not len(places):
                return RowOrder(rows, starts)
            ranks, cardinality = key(rows[places])
            if bound * cardinality >= _MAX_COMPOSITE:
                distinct, ranks = np.unique(ranks, return_inverse=True)
                cardinality = len(distinct)
        composite = composite * cardinality + ranks
        bound *= cardinality
    if len(places):
        _refine(rows, starts, places, composite)
    return RowOrder(rows, starts)


def _bound(groups: NDArray[np.int64]) -> int:
    return int(groups[-1]) + 1 if len(groups) else 1


def _tied(starts: NDArray[np.bool_]) -> tuple[Rows, NDArray[np.int64]]:
    """The places of rows that equal a neighbour, and for each the number of its group."""
    if not len(starts):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    follows = np.append(starts[1:], True)
    places = np.flatnonzero(~(starts & follows))
    return places, np.cumsum(starts[places]) - 1


def _refine(
    rows: Rows, starts: NDArray[np.bool_], places: Rows, composite: NDArray[np.int64]
) -> tuple[Rows, NDArray[np.int64]]:
    """Sort the tied rows by their composite key; returns those that are tied still.

    The composite begins with the number of the group, so that every row stays within its group's places.
    """
    order = np.argsort(composite, kind="stable")
    rows[places] = rows[places][order]
    composite = composite[order]
    changed = np.ones(len(places), dtype=bool)
    np.not_equal(composite[1:], composite[:-1], out=changed[1:])
    starts[places[changed]] = True
    still, groups = _tied(changed)
    return places[still], groups


def long_ranks(values: NDArray[np.int64], nulls: NDArray[np.bool_] | None) -> Ranks:
    """Ranks of longs, nulls first."""
    if not len(values):
        return values, 1
    low, high = int(values.min()), int(values.max())
    if high - low < 1 << 40:
        ranks, bound = values - low, high - low + 1
    else:
        distinct, ranks = np.unique(values, return_inverse=True)
        bound = len(distinct)
    return _nulls_first(ranks, bound, nulls)


def double_ranks(values: NDArray[Any], nulls: NDArray[np.bool_] | None) -> Ranks:
    """Ranks of floats and doubles as Java compares them: -0.0 before 0.0, NaN last; nulls first."""
    distinct, ranks = np.unique(double_keys(values), return_inverse=True)
    return _nulls_first(ranks, len(distinct), nulls)


def _nulls_first(ranks: NDArray[Any], bound: int, nulls: NDArray[np.bool_] | None) -> Ranks:
    if nulls is None:
        return ranks, max(bound, 1)
    return np.where(nulls, 0, ranks + 1), bound + 1
