"""The inner loops: counting, adding, and extremes by group; and ids for keys.

Each has a numpy form, and a compiled one in `compiled.py` that is faster and costs an import of numba. The compiled
ones are loaded in the background once the process has worked through `COMPILE_AFTER` rows, or serves as many, so that
small servers stay small and no query waits for a compiler. Both forms give the same answers (sums of floats up to
rounding).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from nemeton.common.heap import keep_freed_memory
from nemeton.common.numba_cache import COMPILE_AFTER

log = logging.getLogger(__name__)
Array = np.ndarray[Any, Any]


class _Compiled:
    """The compiled kernels once they are there."""

    def __init__(self) -> None:
        self.module: Any = None
        self._rows = 0
        self._started = False
        self._lock = threading.Lock()

    def get(self, rows: int) -> Any:
        """The module or None; counts the rows and starts loading when it is worth it."""
        if self.module is not None or self._started:
            return self.module
        self._rows += rows  # a race loses a few rows of the count, which does no harm
        if self._rows >= COMPILE_AFTER:
            self._begin()
        return self.module

    def expect(self) -> None:
        """Start loading before a query does: it then finds them there."""
        if not self._started:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self.load, name="load-kernels", daemon=True).start()

    def load(self) -> None:
        """Import (and if need be compile) the kernels now."""
        try:
            from nemeton.query import compiled
            from nemeton.query.fused import compiled as fused
            from nemeton.query.fused import compiled_flags, compiled_forms

            for module in (compiled, compiled_flags, fused, compiled_forms):
                module.warm()
            keep_freed_memory()
        except Exception:
            log.warning("Compiled query kernels are not available; numpy is used instead", exc_info=True)
            return
        self.module = compiled


compiled_kernels = _Compiled()


def count(state: Array, group_ids: Array) -> None:
    """Add to `state[g]` the number of rows of each group g."""
    compiled = compiled_kernels.get(len(group_ids))
    if compiled is not None:
        compiled.count(state, group_ids)
    elif len(state) <= 4 * len(group_ids):
        state += np.bincount(group_ids, minlength=len(state))
    else:
        np.add.at(state, group_ids, 1)


def add(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array | None) -> None:
    """Add each value that is not null to its group, and mark the group as seen."""
    compiled = compiled_kernels.get(len(group_ids))
    if compiled is not None:
        compiled.add(state, seen, group_ids, values, _flags(nulls))
        return
    group_ids, values = _present(group_ids, values, nulls)
    with np.errstate(over="ignore", invalid="ignore"):
        np.add.at(state, group_ids, values)
    seen[group_ids] = True


def minimum(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array | None) -> None:
    """Keep the least of each group's values that are not null."""
    compiled = compiled_kernels.get(len(group_ids))
    if compiled is not None:
        compiled.minimum(state, seen, group_ids, values, _flags(nulls))
        return
    group_ids, values = _present(group_ids, values, nulls)
    np.minimum.at(state, group_ids, values)
    seen[group_ids] = True


def maximum(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array | None) -> None:
    """Keep the greatest of each group's values that are not null."""
    compiled = compiled_kernels.get(len(group_ids))
    if compiled is not None:
        compiled.maximum(state, seen, group_ids, values, _flags(nulls))
        return
    group_ids, values = _present(group_ids, values, nulls)
    np.maximum.at(state, group_ids, values)
    seen[group_ids] = True


def tally(counts: Array, ids: Array) -> None:
    """Add to `counts[g]` (int64) the number of rows of each group g. `ids`: one per row, of any integer type."""
    compiled = compiled_kernels.get(len(ids))
    if compiled is not None:
        compiled.tally(counts, read_only(ids))
    elif len(counts) <= 4 * len(ids):
        counts += np.bincount(ids, minlength=len(counts))
    else:
        np.add.at(counts, ids, 1)


def add_all(states: Sequence[Array], ids: Array, values: Sequence[Array]) -> None:
    """Add each column of values to its state at the rows' ids, up to four columns in a pass.

    All states have one dtype, int64 or float64, and so have the values; none of them is null. `ids` are of any integer
    type: the narrower, the faster.
    """
    compiled = compiled_kernels.get(len(ids))
    if compiled is None:
        for state, column in zip(states, values, strict=True):
            if column.dtype == np.float64 and len(state) <= 4 * len(ids):
                state += np.bincount(ids, weights=column, minlength=len(state))
            else:
                with np.errstate(over="ignore", invalid="ignore"):
                    np.add.at(state, ids, column)
        return
    ids = read_only(ids)
    columns = [read_only(column) for column in values]
    at = 0
    while at < len(states):
        width = next(width for width in (4, 2, 1) if at + width <= len(states))
        kernel = {4: compiled.add4, 2: compiled.add2, 1: compiled.add1}[width]
        kernel(*states[at : at + width], ids, *columns[at : at + width])
        at += width


def extreme(state: Array, ids: Array, values: Array, greatest: bool) -> None:
    """Keep each group's least or greatest value; none is null. `ids` are of any integer type."""
    compiled = compiled_kernels.get(len(ids))
    if compiled is not None and state.dtype != np.float32:
        (compiled.raise_ if greatest else compiled.lower)(state, read_only(ids), read_only(values))
    else:
        with np.errstate(invalid="ignore"):  # a NaN stays
            (np.maximum if greatest else np.minimum).at(state, ids, values)


def number_keys(keys: Array, size: int) -> tuple[Array, Array]:
    """Ids of the distinct keys (int64, from 0 to below `size`, which is no number of another order than theirs), and
    for each id the first place that has it.
    """
    compiled = compiled_kernels.get(len(keys))
    if compiled is not None:
        ids, firsts = np.empty(len(keys), dtype=np.int64), np.empty(min(size, len(keys)) + 1, dtype=np.int64)
        distinct = compiled.number_keys(keys, np.zeros(size, dtype=np.int32), ids, firsts)
        return ids, firsts[:distinct]
    first = np.full(size, -1, dtype=np.int64)
    first[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)
    used = np.flatnonzero(first >= 0)
    numbers = np.empty(size, dtype=np.int64)
    numbers[used] = np.arange(len(used))
    return numbers[keys], first[used]


def read_only(array: Array) -> Array:
    """A contiguous view that cannot be written to: to compiled kernels that is a type of its own."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


_NO_FLAGS = np.zeros(0, dtype=bool)


def _flags(nulls: Array | None) -> Array:
    return _NO_FLAGS if nulls is None else nulls


def _present(group_ids: Array, values: Array, nulls: Array | None) -> tuple[Array, Array]:
    if nulls is None:
        return group_ids, values
    keep = ~nulls
    return group_ids[keep], values[keep]


class IdMap:
    """Numbers int64 keys 0, 1, 2 … in order of first appearance (within one call: in any order)."""

    def __init__(self) -> None:
        self.size = 0
        self._keys = np.zeros(64, dtype=np.int64)  # by id
        self._sorted = np.zeros(0, dtype=np.int64)  # numpy form: the keys in order, and their ids
        self._sorted_ids = np.zeros(0, dtype=np.int64)
        self._table: Array | None = None  # compiled form: open addressing, id + 1, or 0 when free

    @property
    def keys(self) -> Array:
        """The keys by id."""
        return self._keys[: self.size]

    def ids(self, keys: Array) -> Array:
        """The id of each key; new keys get new ids."""
        compiled = compiled_kernels.get(len(keys))
        if compiled is not None:
            return self._ids_compiled(compiled, keys)
        distinct, inverse = np.unique(keys, return_inverse=True)
        at = np.searchsorted(self._sorted, distinct)
        known = np.zeros(len(distinct), dtype=bool)
        inside = at < len(self._sorted)
        known[inside] = self._sorted[at[inside]] == distinct[inside]
        ids = np.empty(len(distinct), dtype=np.int64)
        ids[known] = self._sorted_ids[at[known]]
        fresh = distinct[~known]
        if len(fresh):
            new_ids = np.arange(self.size, self.size + len(fresh))
            ids[~known] = new_ids
            self._sorted = np.insert(self._sorted, at[~known], fresh)
            self._sorted_ids = np.insert(self._sorted_ids, at[~known], new_ids)
            self._reserve(self.size + len(fresh))
            self._keys[self.size : self.size + len(fresh)] = fresh
            self.size += len(fresh)
        return ids[inverse]

    def _reserve(self, size: int) -> None:
        if size > len(self._keys):
            keys = np.zeros(max(size, 2 * len(self._keys)), dtype=np.int64)
            keys[: self.size] = self.keys
            self._keys = keys

    def _ids_compiled(self, compiled: Any, keys: Array) -> Array:
        self._sorted = self._sorted_ids = np.zeros(0, dtype=np.int64)  # the numpy form is not used any more
        out = np.empty(len(keys), dtype=np.int64)
        done = 0
        if self._table is None:
            self._rebuild(compiled, 1 << 12)
        while True:
            self._reserve(self.size + min(len(keys) - done, 1 << 16))
            assert self._table is not None
            self.size, done = compiled.hash_ids(keys, out, done, self._table, self._keys, self.size)
            if done == len(keys):
                return out
            if 2 * self.size >= len(self._table):
                self._rebuild(compiled, 4 * len(self._table))

    def _rebuild(self, compiled: Any, capacity: int) -> None:
        while capacity < 4 * self.size:
            capacity *= 4
        self._table = np.zeros(capacity, dtype=np.int64)
        compiled.hash_fill(self._table, self.keys)
