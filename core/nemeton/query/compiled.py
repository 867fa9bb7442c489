"""The compiled kernels. Importing this imports numba; the machine code is cached on disk."""

from __future__ import annotations

from typing import Any

from nemeton.common.numba_cache import use_writable_cache

use_writable_cache(__file__)

import numba  # noqa: E402  (the cache folder must be known before)
import numpy as np  # noqa: E402

Array = np.ndarray[Any, Any]
_jit = numba.njit(nogil=True, cache=True)


@_jit
def count(state: Array, group_ids: Array) -> None:
    """See `kernels.count`."""
    for i in range(len(group_ids)):
        state[group_ids[i]] += 1


@_jit
def add(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array) -> None:
    """See `kernels.add`; `nulls` is empty when there are none."""
    if len(nulls) == 0:
        for i in range(len(group_ids)):
            g = group_ids[i]
            state[g] += values[i]
            seen[g] = True
    else:
        for i in range(len(group_ids)):
            if not nulls[i]:
                g = group_ids[i]
                state[g] += values[i]
                seen[g] = True


@_jit
def minimum(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array) -> None:
    """See `kernels.minimum`; a NaN stays."""
    for i in range(len(group_ids)):
        if len(nulls) == 0 or not nulls[i]:
            g = group_ids[i]
            value = values[i]
            if value < state[g] or value != value:
                state[g] = value
            seen[g] = True


@_jit
def maximum(state: Array, seen: Array, group_ids: Array, values: Array, nulls: Array) -> None:
    """See `kernels.maximum`; a NaN stays."""
    for i in range(len(group_ids)):
        if len(nulls) == 0 or not nulls[i]:
            g = group_ids[i]
            value = values[i]
            if value > state[g] or value != value:
                state[g] = value
            seen[g] = True


@_jit
def tally(counts: Array, ids: Array) -> None:
    """See `kernels.tally`: `ids` (rows) of any integer type, `counts` (groups) int64.

    Two tables in turn when there are few groups: equal ids in a row would wait for each other.
    """
    size, rows = len(counts), len(ids)
    if size > 4096:
        for i in range(rows):
            counts[ids[i]] += 1
        return
    other = np.zeros(size, np.int64)
    for i in range(0, rows - 1, 2):
        counts[ids[i]] += 1
        other[ids[i + 1]] += 1
    if rows % 2:
        counts[ids[rows - 1]] += 1
    for g in range(size):
        counts[g] += other[g]


@_jit
def add1(s0: Array, ids: Array, v0: Array) -> None:
    """See `kernels.add_all`: `s0` (groups) += `v0` (rows) at `ids` (rows)."""
    for i in range(len(ids)):
        s0[ids[i]] += v0[i]


@_jit
def add2(s0: Array, s1: Array, ids: Array, v0: Array, v1: Array) -> None:
    """Two sums in one pass; shapes as in `add1`."""
    for i in range(len(ids)):
        g = ids[i]
        s0[g] += v0[i]
        s1[g] += v1[i]


@_jit
def add4(s0: Array, s1: Array, s2: Array, s3: Array, ids: Array, v0: Array, v1: Array, v2: Array, v3: Array) -> None:
    """Four sums in one pass; shapes as in `add1`."""
    for i in range(len(ids)):
        g = ids[i]
        s0[g] += v0[i]
        s1[g] += v1[i]
        s2[g] += v2[i]
        s3[g] += v3[i]


@_jit
def lower(state: Array, ids: Array, values: Array) -> None:
    """`minimum` without nulls: `state` (groups), `ids` and `values` (rows). No branch: it could hardly be foretold."""
    for i in range(len(ids)):
        value, least = values[i], state[ids[i]]
        state[ids[i]] = value if value < least or value != value else least


@_jit
def raise_(state: Array, ids: Array, values: Array) -> None:
    """`maximum` without nulls: `state` (groups), `ids` and `values` (rows)."""
    for i in range(len(ids)):
        value, most = values[i], state[ids[i]]
        state[ids[i]] = value if value > most or value != value else most


@_jit
def _slot(key: Any, mask: Any) -> Any:
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((h ^ (h >> np.uint64(32))) & np.uint64(mask))


@_jit
def hash_ids(keys: Array, out: Array, done: int, table: Array, known: Array, size: int) -> Any:
    """Number keys from `done` on; stops when the table is half full or `known` is, and says how far it got."""
    mask = len(table) - 1
    half = len(table) // 2
    for i in range(done, len(keys)):
        key = keys[i]
        slot = _slot(key, mask)
        while True:
            entry = table[slot]
            if entry == 0:
                if size >= half or size >= len(known):
                    return size, i
                known[size] = key
                size += 1
                table[slot] = size
                out[i] = size - 1
                break
            if known[entry - 1] == key:
                out[i] = entry - 1
                break
            slot = (slot + 1) & mask
    return size, len(keys)


@_jit
def hash_fill(table: Array, keys: Array) -> None:
    """Enter distinct keys into an empty table."""
    mask = len(table) - 1
    for i in range(len(keys)):
        slot = _slot(keys[i], mask)
        while table[slot] != 0:
            slot = (slot + 1) & mask
        table[slot] = i + 1


@_jit
def number_keys(keys: Array, slots: Array, ids: Array, firsts: Array) -> int:
    """Number keys 0, 1 … in order of appearance: the id of each into `ids`, the first place of each id into `firsts`.

    `slots` (int32) has a zero for each key that there could be, `firsts` room for one more. How many distinct ones
    there are. No branch: which keys are new can hardly be foretold.
    """
    size = np.int32(0)
    for i in range(len(keys)):
        slot = slots[keys[i]]
        is_new = slot == 0
        firsts[size] = i
        size = size + np.int32(1) if is_new else size
        slot = size if is_new else slot
        slots[keys[i]] = slot
        ids[i] = slot - 1
    return int(size)


def _warm_narrow(ids: Array) -> None:
    """The kernels that take ids of several types; ids and values are always read-only."""
    ids.flags.writeable = False
    tally(np.zeros(1, np.int64), ids)
    for dtype in (np.int64, np.float64):
        s, v = np.zeros(1, dtype), np.zeros(1, dtype)
        v.flags.writeable = False
        add1(s, ids, v)
        add2(s, s, ids, v, v)
        add4(s, s, s, s, ids, v, v, v, v)
        lower(s, ids, v)
        raise_(s, ids, v)


def warm() -> None:
    """Compile, or load from the cache, what the engines call."""
    ids, seen, no_nulls = np.zeros(1, np.int64), np.zeros(1, np.bool_), np.zeros(0, np.bool_)
    count(np.zeros(1, np.int64), ids)
    read_only = np.zeros(1, np.bool_)
    read_only.flags.writeable = False
    for dtype in (np.int64, np.float64, np.float32):
        frozen = np.zeros(1, dtype)
        frozen.flags.writeable = False  # columns come read-only, which is another type to numba
        for kernel in (add, minimum, maximum):
            for values in (np.zeros(1, dtype), frozen):
                for nulls in (no_nulls, read_only):
                    kernel(np.zeros(1, dtype), seen, ids, values, nulls)
    for id_type in (np.uint8, np.uint16, np.uint32, np.int64):
        _warm_narrow(np.zeros(1, id_type))
    table, known = np.zeros(16, np.int64), np.zeros(16, np.int64)
    hash_ids(ids, np.zeros(1, np.int64), 0, table, known, 0)
    hash_fill(table, known[:1])
    number_keys(ids, np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(2, np.int64))
