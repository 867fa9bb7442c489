"""The compiled pass over the rows of a segment. Importing this imports numba; the machine code is cached on disk.

There is one kernel for all queries: it reads a program (see `codes`) and runs each instruction over a chunk of rows, so
that the cost of reading the program is that of a thousand rows. Columns come as addresses, since their types differ.
"""

from __future__ import annotations

from typing import Any

from nemeton.common.numba_cache import use_writable_cache

use_writable_cache(__file__)

import numba  # noqa: E402  (the cache folder must be known before)
import numpy as np  # noqa: E402
from numba.core import cgutils, types  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

from nemeton.query.fused import codes as op  # noqa: E402
from nemeton.query.fused.codes import CHUNK  # noqa: E402

Array = np.ndarray[Any, Any]
_jit = numba.njit(nogil=True, cache=True)


@intrinsic
def _address_pointer(typing: Any, address: Any) -> Any:
    """The address (int64) as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


_pointer: Any = _address_pointer
_array: Any = numba.carray  # type: ignore[attr-defined]


@_jit
def run(
    conditions: Array, keys: Array, steps: Array, takes: Array, inputs: Array, registers: Array,
    lanes: Array, states: Array, tallies: Array, spread: int, rows: int,
) -> int:  # fmt: skip
    """Take in `rows` rows; how many met the conditions.

    `inputs` are addresses of the first of these rows, or of tables. `registers` (float64, number by `CHUNK`) hold the
    constants. Without keys the states are `lanes` (aggregates by `CHUNK`): each place of a chunk has its own, to be put
    together by the caller. With keys they are `states` (groups * `spread` by 1 + aggregates), the first column a count
    of rows in int64; neighbouring rows of a group use its `spread` (a power of two) states in turn, since an addition
    has to wait for the one before it to the same place. `tallies` (uint32) count the codes of takes of that kind.
    """
    chosen, ids, places = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32)
    flags = np.empty(CHUNK, np.uint8)
    longs, whole_lanes, flat = registers.view(np.int64), lanes.view(np.int64), states.reshape(states.size)
    whole_flat, width = flat.view(np.int64), np.uint32(states.shape[1])
    total = 0
    for start in range(0, rows, CHUNK):
        length = min(CHUNK, rows - start)
        count = _choose(conditions, inputs, start, length, flags, chosen) if len(conditions) else length
        if count == 0:
            continue
        total += count
        some = chosen[:count] if count < length else chosen[:0]
        for k in range(len(steps)):
            _step(steps[k], inputs, start, count, some, registers, longs)
        _key(keys, inputs, start, count, some, ids, spread)
        if len(keys):
            for i in range(count):
                places[i] = ids[i] * width
            _count(whole_flat, places, count)
        for k in range(len(takes)):
            if takes[k, 0] == op.TALLY:
                codes = _array(_pointer(inputs[takes[k, 2]] + start), (CHUNK,), np.uint8)
                _tally(tallies[takes[k, 1] :], codes, np.uint32(takes[k, 3]), ids, count, some)
            elif len(keys):
                _take_groups(takes[k], flat, whole_flat, places, registers, longs, count)
            else:
                _take_lanes(takes[k], lanes, whole_lanes, registers, longs, count)
    return total


@_jit
def _tally(tallies: Array, codes: Array, size: Any, ids: Array, count: int, some: Array) -> None:
    """Count each code (of `size`) of each group."""
    if len(some):
        for i in range(count):
            tallies[ids[i] * size + codes[some[i]]] += np.uint32(1)
    else:
        for i in range(count):
            tallies[ids[i] * size + codes[i]] += np.uint32(1)


@_jit
def _choose(conditions: Array, inputs: Array, start: int, size: int, flags: Array, chosen: Array) -> int:
    """The rows of a chunk that meet all conditions, counted from its start."""
    for k in range(len(conditions)):
        kind, codes, table = conditions[k, 0], inputs[conditions[k, 1]], inputs[conditions[k, 2]]
        if kind == op.OF_U8:
            found = _array(_pointer(codes + start), (CHUNK,), np.uint8)[:size]
            _flag(flags, found, _array(_pointer(table), (1 << 8,), np.uint8), k == 0)
        elif kind == op.OF_U16:
            found16 = _array(_pointer(codes + 2 * start), (CHUNK,), np.uint16)[:size]
            _flag(flags, found16, _array(_pointer(table), (1 << 16,), np.uint8), k == 0)
        else:
            found32 = _array(_pointer(codes + 4 * start), (CHUNK,), np.uint32)[:size]
            _flag(flags, found32, _array(_pointer(table), (1 << 32,), np.uint8), k == 0)
    count = 0
    for i in range(np.uint32(size)):
        chosen[count] = i
        count += flags[i]
    return count


@_jit
def _flag(flags: Array, codes: Array, table: Array, is_first: bool) -> None:
    """Whether each code's flag is set, and was for the conditions before."""
    if is_first:
        for i in range(len(codes)):
            flags[i] = table[codes[i]]
    else:
        for i in range(len(codes)):
            flags[i] &= table[codes[i]]


@_jit
def _key(keys: Array, inputs: Array, start: int, count: int, some: Array, ids: Array, spread: int) -> None:
    """The group of each row, times `spread`, and one of its states."""
    for i in range(count):
        ids[i] = i & (spread - 1)
    for k in range(len(keys)):
        kind, address, factor = keys[k, 0], inputs[keys[k, 1]], np.uint32(keys[k, 2] * spread)
        if kind == op.KEY_U8:
            _key_codes(_array(_pointer(address + start), (CHUNK,), np.uint8), count, some, ids, factor)
        elif kind == op.KEY_U16:
            _key_codes(_array(_pointer(address + 2 * start), (CHUNK,), np.uint16), count, some, ids, factor)
        elif kind == op.KEY_U32:
            _key_codes(_array(_pointer(address + 4 * start), (CHUNK,), np.uint32), count, some, ids, factor)
        else:
            values = _array(_pointer(address + 8 * start), (CHUNK,), np.int64)
            low = keys[k, 3]
            if len(some):
                for i in range(count):
                    ids[i] += np.uint32(values[some[i]] - low) * factor
            else:
                for i in range(count):
                    ids[i] += np.uint32(values[i] - low) * factor


@_jit
def _key_codes(codes: Array, count: int, some: Array, ids: Array, factor: Any) -> None:
    if len(some):
        for i in range(count):
            ids[i] += np.uint32(codes[some[i]]) * factor
    else:
        for i in range(count):
            ids[i] += np.uint32(codes[i]) * factor


@_jit
def _step(
    step: Array, inputs: Array, start: int, count: int, some: Array, registers: Array, longs: Array
) -> None:  # fmt: skip
    """One instruction of loading or arithmetic."""
    kind, out = step[0], step[1]
    if kind == op.LOAD_64:
        values = _array(_pointer(inputs[step[2]] + 8 * start), (CHUNK,), np.int64)
        _load(longs[out], values, count, some)
    elif kind == op.LOAD_TABLE:
        codes = _array(_pointer(inputs[step[2]] + start), (CHUNK,), np.uint8)
        _load_table(longs[out], codes, _array(_pointer(inputs[step[3]]), (256,), np.int64), count, some)
    elif kind == op.TO_DOUBLE:
        for i in range(count):
            registers[out, i] = longs[step[2], i]
    elif kind < op.ADD_I:
        _doubles(kind, registers[out], registers[step[2]], registers[step[3]], count)
    else:
        _longs(kind, longs[out], longs[step[2]], longs[step[3]], count)


@_jit
def _load(out: Array, values: Array, count: int, some: Array) -> None:
    if len(some):
        for i in range(count):
            out[i] = values[some[i]]
    else:
        for i in range(count):
            out[i] = values[i]


@_jit
def _load_table(out: Array, codes: Array, table: Array, count: int, some: Array) -> None:
    if len(some):
        for i in range(count):
            out[i] = table[codes[some[i]]]
    else:
        for i in range(count):
            out[i] = table[codes[i]]


@_jit
def _doubles(kind: int, out: Array, left: Array, right: Array, count: int) -> None:
    if kind == op.ADD_F:
        for i in range(count):
            out[i] = left[i] + right[i]
    elif kind == op.SUB_F:
        for i in range(count):
            out[i] = left[i] - right[i]
    elif kind == op.MUL_F:
        for i in range(count):
            out[i] = left[i] * right[i]
    else:
        for i in range(count):
            out[i] = np.divide(left[i], right[i])


@_jit
def _longs(kind: int, out: Array, left: Array, right: Array, count: int) -> None:
    if kind == op.ADD_I:
        for i in range(count):
            out[i] = left[i] + right[i]
    elif kind == op.SUB_I:
        for i in range(count):
            out[i] = left[i] - right[i]
    else:
        for i in range(count):
            out[i] = left[i] * right[i]


@_jit
def _count(flat: Array, places: Array, count: int) -> None:
    for i in range(count):
        flat[places[i]] += 1


@_jit
def _take_groups(
    take: Array, flat: Array, whole: Array, places: Array, registers: Array, longs: Array, count: int
) -> None:  # fmt: skip
    """One aggregate of a chunk into the states of the rows' groups; a NaN stays."""
    kind = take[0]
    if kind == op.SUM_F:
        _add_groups(flat[take[1] :], places, registers[take[2]], count)
    elif kind == op.SUM_I:
        _add_groups(whole[take[1] :], places, longs[take[2]], count)
    elif kind == op.MIN_F:
        _lower_groups(flat[take[1] :], places, registers[take[2]], count)
    elif kind == op.MIN_I:
        _lower_groups(whole[take[1] :], places, longs[take[2]], count)
    elif kind == op.MAX_F:
        _raise_groups(flat[take[1] :], places, registers[take[2]], count)
    else:
        _raise_groups(whole[take[1] :], places, longs[take[2]], count)


@_jit
def _add_groups(flat: Array, places: Array, values: Array, count: int) -> None:
    for i in range(count):
        flat[places[i]] += values[i]


@_jit
def _lower_groups(flat: Array, places: Array, values: Array, count: int) -> None:
    for i in range(count):
        value = values[i]
        if value < flat[places[i]] or value != value:
            flat[places[i]] = value


@_jit
def _raise_groups(flat: Array, places: Array, values: Array, count: int) -> None:
    for i in range(count):
        value = values[i]
        if value > flat[places[i]] or value != value:
            flat[places[i]] = value


@_jit
def _take_lanes(take: Array, lanes: Array, whole: Array, registers: Array, longs: Array, count: int) -> None:
    """One aggregate of a chunk, each place into its own state; a NaN stays."""
    kind = take[0]
    if kind == op.SUM_F:
        _add_lanes(lanes[take[1]], registers[take[2]], count)
    elif kind == op.SUM_I:
        _add_lanes(whole[take[1]], longs[take[2]], count)
    elif kind == op.MIN_F:
        _lower_lanes(lanes[take[1]], registers[take[2]], count)
    elif kind == op.MIN_I:
        _lower_lanes(whole[take[1]], longs[take[2]], count)
    elif kind == op.MAX_F:
        _raise_lanes(lanes[take[1]], registers[take[2]], count)
    else:
        _raise_lanes(whole[take[1]], longs[take[2]], count)


@_jit
def _add_lanes(lane: Array, values: Array, count: int) -> None:
    for i in range(count):
        lane[i] += values[i]


@_jit
def _lower_lanes(lane: Array, values: Array, count: int) -> None:
    for i in range(count):
        value, least = values[i], lane[i]
        lane[i] = value if value < least or value != value else least


@_jit
def _raise_lanes(lane: Array, values: Array, count: int) -> None:
    for i in range(count):
        value, most = values[i], lane[i]
        lane[i] = value if value > most or value != value else most


@_jit
def used_states(states: Array, groups: Array, columns: Array) -> int:
    """Of states (groups by 1 + aggregates) those that counted a row: their number into `groups`, their columns into
    those of `columns` (1 + aggregates by groups). How many they are.
    """
    whole = states.view(np.int64)
    size = 0
    for group in range(states.shape[0]):
        if whole[group, 0] != 0:
            groups[size] = group
            for column in range(states.shape[1]):
                columns[column, size] = states[group, column]
            size += 1
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


def warm() -> None:
    """Compile, or load from the cache, what the engines call."""
    column = np.zeros(8, np.int64)
    column.flags.writeable = False
    few_values(column, np.zeros(8, np.uint8), np.zeros(256, np.int64))
    program = np.zeros((0, 4), np.int64)
    lanes, states = np.zeros((1, CHUNK)), np.zeros((1, 1))
    number, registers, tallies = np.zeros(1, np.int64), np.zeros((1, CHUNK)), np.zeros(1, np.uint32)
    run(program, program, program, program, number, registers, lanes, states, tallies, 1, 0)
    used_states(states, number, states)
