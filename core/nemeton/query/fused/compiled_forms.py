"""Compiled kernels for what goes into the pass, and what comes out: narrow numbers, and the states of used groups.

Importing this imports numba; the machine code is cached on disk.
"""

from __future__ import annotations

from typing import Any

from nemeton.common.numba_cache import use_writable_cache

use_writable_cache(__file__)

import numba  # noqa: E402  (the cache folder must be known before)
import numpy as np  # noqa: E402

Array = np.ndarray[Any, Any]
_jit = numba.njit(nogil=True, cache=True)


@_jit
def used_states(states: Array, groups: Array, columns: Array) -> int:
    """Of states (groups by 1 + aggregates) those that counted a row: their number into `groups`, their columns into
    those of `columns` (1 + aggregates by groups); both have room for one more. How many they are.

    Those without rows are written too, and over again: which have rows can hardly be foretold.
    """
    whole = states.view(np.int64)
    size = 0
    for group in range(states.shape[0]):
        groups[size] = group
        for column in range(states.shape[1]):
            columns[column, size] = states[group, column]
        size += whole[group, 0] != 0
    return size


@_jit
def few_values(values: Array, codes: Array, table: Array) -> int:
    """Number the values (int64) 0, 1 … in order of appearance: a code for each row (uint8), the values into `table`
    (256). How many there are; -1 when they are more than `table` holds.
    """
    slots = np.zeros(1024, np.int64)
    size = 0
    for i in range(len(values)):
        value = values[i]
        slot = np.int64((np.uint64(value) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(54))
        while slots[slot] != 0 and table[slots[slot] - 1] != value:
            slot = (slot + 1) & 1023
        if slots[slot] == 0:
            if size == len(table):
                return -1
            table[size] = value
            size += 1
            slots[slot] = size
        codes[i] = slots[slot] - 1
    return size


@_jit
def step_bounds(values: Array, scale: int) -> Any:
    """Whether all values (float64) are exactly whole numbers below 2**31 over the scale, and the least and greatest."""
    low, high = np.int64(2**31), np.int64(-(2**31))
    for i in range(len(values)):
        scaled = np.rint(values[i] * scale)
        if not abs(scaled) < 2.0**31:
            return False, low, high
        step = np.int64(scaled)
        if step / scale != values[i] or (step == 0 and np.signbit(values[i])):
            return False, low, high
        low, high = min(low, step), max(high, step)
    return True, low, high


@_jit
def steps(values: Array, scale: int, low: int, codes: Array) -> None:
    """The distances of the values, in steps of one over the scale, from the least; see `step_bounds`."""
    for i in range(len(values)):
        codes[i] = np.int64(np.rint(values[i] * scale)) - low


def warm() -> None:
    """Compile, or load from the cache, what the engines call."""
    states, longs, doubles = np.zeros((1, 1)), np.zeros(1, np.int64), np.zeros(1)
    used_states(states, np.zeros(2, np.int64), np.zeros((1, 2)))
    for column in (longs, doubles):
        column.flags.writeable = False
    few_values(longs, np.zeros(8, np.uint8), np.zeros(256, np.int64))
    step_bounds(doubles, 1)
    for dtype in (np.uint8, np.uint16, np.uint32):
        steps(doubles, 1, 0, np.zeros(1, dtype))
