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

from nemeton.query.fused import codes as op  # noqa: E402
from nemeton.query.fused.codes import CHUNK  # noqa: E402
from nemeton.query.fused.compiled_flags import array_at as _array  # noqa: E402
from nemeton.query.fused.compiled_flags import flag_chunk, pointer_to  # noqa: E402

Array = np.ndarray[Any, Any]
_jit = numba.njit(nogil=True, cache=True)


@_jit
def run(
    conditions: Array, keys: Array, steps: Array, takes: Array, inputs: Array, registers: Array,
    lanes: Array, states: Array, tallies: Array, extremes: Array, spread: int, packed: int, rows: int,
) -> int:  # fmt: skip
    """Take in `rows` rows; how many met the conditions.

    `inputs` are addresses of the first of these rows, or of tables. `registers` (float64, number by `CHUNK`) hold the
    constants. Without keys the states are `lanes` (aggregates by `CHUNK`): each place of a chunk has its own, to be put
    together by the caller. With keys they are `states` (groups * `spread` by 1 + aggregates), the first column a count
    of rows in int64; neighbouring rows of a group use its `spread` (a power of two) states in turn, since an addition
    has to wait for the one before it to the same place. `tallies` (uint32) count the codes of takes of that kind,
    `extremes` (uint8) keep those of the other.
    With `packed`, which is an input of codes of eight bits or -1, their sum is added to the states' count of rows.
    """
    chosen, ids, places = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32)
    flags = np.empty(CHUNK, np.uint8)
    longs, whole_lanes, flat = registers.view(np.int64), lanes.view(np.int64), states.reshape(states.size)
    whole_flat, width = flat.view(np.int64), np.uint32(states.shape[1])
    is_flagged = len(keys) == 0 and len(steps) == 0 and np.all(takes[:, 0] >= op.SUM_U8)
    total = 0
    for start in range(0, rows, CHUNK):
        length = min(CHUNK, rows - start)
        count = length
        if len(conditions):
            flag_chunk(conditions, inputs, start, length, flags)
            count = _number_of(flags, length)
        if count == 0:
            continue
        total += count
        if is_flagged:
            for k in range(len(takes)):
                if count < length:
                    _sum_flagged(takes[k], inputs, start, length, flags, whole_lanes)
                else:
                    _sum_all(takes[k], inputs, start, length, whole_lanes)
            continue
        if count < length:
            _choose(flags, length, chosen, count * 16 < length)
        some = chosen[:count] if count < length else chosen[:0]
        for k in range(len(steps)):
            _step(steps[k], inputs, start, count, some, registers, longs)
        _key(keys, inputs, start, count, some, ids, spread)
        if len(keys):
            for i in range(count):
                places[i] = ids[i] * width
            _count(whole_flat, places, inputs, packed, start, count, some)
        for k in range(len(takes)):
            if takes[k, 0] >= op.TALLY:
                _take_codes(
                    takes[k], inputs, start, count, some, ids, places, tallies, extremes, whole_lanes, whole_flat, keys
                )
            elif len(keys):
                _take_groups(takes[k], flat, whole_flat, places, registers, longs, count)
            else:
                _take_lanes(takes[k], lanes, whole_lanes, registers, longs, count)
    return total


@_jit
def _take_codes(
    take: Array, inputs: Array, start: int, count: int, some: Array, ids: Array, places: Array,
    tallies: Array, extremes: Array, lanes: Array, flat: Array, keys: Array,
) -> None:  # fmt: skip
    """A take that reads codes: without keys a sum of them is kept in the first place of its lane."""
    kind, place, address = take[0], take[1], inputs[take[2]]
    state = flat[place:] if len(keys) else lanes[place]
    if kind == op.TALLY:
        codes = _array(pointer_to(address + start), (CHUNK,), np.uint8)
        _tally(tallies[place:], codes, np.uint32(take[3]), ids, count, some)
    elif kind == op.EXTREME_U8:
        codes = _array(pointer_to(address + start), (CHUNK,), np.uint8)
        _extreme(codes, extremes[place:], ids, count, some, np.uint8(take[3] & 0xFF), take[3] >= op.SURPRISING)
    elif kind == op.SUM_U8:
        _sum(_array(pointer_to(address + start), (CHUNK,), np.uint8), state, places, count, some, len(keys) > 0)
    elif kind == op.SUM_U16:
        _sum(_array(pointer_to(address + 2 * start), (CHUNK,), np.uint16), state, places, count, some, len(keys) > 0)
    else:
        _sum(_array(pointer_to(address + 4 * start), (CHUNK,), np.uint32), state, places, count, some, len(keys) > 0)


@_jit
def _extreme(codes: Array, kept: Array, ids: Array, count: int, some: Array, turned: Any, is_surprising: bool) -> None:
    """The greatest code of each group, or with all bits of `turned` set its distance from 255."""
    if is_surprising:
        for i in range(count):
            code = np.uint8((codes[some[i]] if len(some) else codes[i]) ^ turned)
            most = kept[ids[i]]
            kept[ids[i]] = code if code > most else most
        return
    for i in range(count):
        code = np.uint8((codes[some[i]] if len(some) else codes[i]) ^ turned)
        if code > kept[ids[i]]:
            kept[ids[i]] = code


@_jit
def _sum_flagged(take: Array, inputs: Array, start: int, size: int, flags: Array, lanes: Array) -> None:
    """The codes of flagged rows added to the first place of a lane."""
    address, lane = inputs[take[2]], lanes[take[1]]
    if take[0] == op.SUM_U8:
        lane[0] += _total_flagged(_array(pointer_to(address + start), (CHUNK,), np.uint8)[:size], flags)
    elif take[0] == op.SUM_U16:
        lane[0] += _total_flagged(_array(pointer_to(address + 2 * start), (CHUNK,), np.uint16)[:size], flags)
    else:
        codes, total = _array(pointer_to(address + 4 * start), (CHUNK,), np.uint32), np.int64(0)
        for i in range(np.uint32(size)):
            total += np.int64(codes[i]) * flags[i]
        lane[0] += total


@_jit
def _total_flagged(codes: Array, flags: Array) -> Any:
    """The sum of flagged codes of at most 16 bits."""
    total = np.uint32(0)
    for i in range(np.uint32(len(codes))):
        total += np.uint32(codes[i]) & (np.uint32(0) - np.uint32(flags[i]))
    return np.int64(total)


@_jit
def _sum_all(take: Array, inputs: Array, start: int, size: int, lanes: Array) -> None:
    """As `_sum_flagged`, of all rows."""
    address, total = inputs[take[2]], np.int64(0)
    if take[0] == op.SUM_U8:
        codes8 = _array(pointer_to(address + start), (CHUNK,), np.uint8)
        for i in range(size):
            total += np.int64(codes8[i])
    elif take[0] == op.SUM_U16:
        codes16 = _array(pointer_to(address + 2 * start), (CHUNK,), np.uint16)
        for i in range(size):
            total += np.int64(codes16[i])
    else:
        codes32 = _array(pointer_to(address + 4 * start), (CHUNK,), np.uint32)
        for i in range(size):
            total += np.int64(codes32[i])
    lanes[take[1]][0] += total


@_jit
def _sum(codes: Array, state: Array, places: Array, count: int, some: Array, is_grouped: bool) -> None:
    """The codes added to the states of their groups, or all to the first."""
    if is_grouped and len(some):
        for i in range(count):
            state[places[i]] += codes[some[i]]
    elif is_grouped:
        for i in range(count):
            state[places[i]] += codes[i]
    else:
        total = np.int64(0)
        if len(some):
            for i in range(count):
                total += np.int64(codes[some[i]])
        else:
            for i in range(count):
                total += np.int64(codes[i])
        state[0] += total


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
def _number_of(flags: Array, size: int) -> Any:
    total = np.uint32(0)
    for i in range(size):
        total += np.uint32(flags[i])
    return np.int64(total)


@_jit
def _choose(flags: Array, size: int, chosen: Array, are_few: bool) -> None:
    """The places in a chunk of the rows that are flagged; where these are few, eight without any are passed over."""
    count, start, words = np.uint32(0), np.uint32(0), flags.view(np.uint64)
    if are_few:
        for word in range(np.uint32(size // 8)):
            if words[word]:
                for i in range(word * np.uint32(8), word * np.uint32(8) + np.uint32(8)):
                    chosen[count] = i
                    count += flags[i]
        start = np.uint32(size // 8 * 8)
    for i in range(start, np.uint32(size)):
        chosen[count] = i
        count += flags[i]


@_jit
def _key(keys: Array, inputs: Array, start: int, count: int, some: Array, ids: Array, spread: int) -> None:
    """The group of each row, times `spread`, and one of its states."""
    for i in range(count):
        ids[i] = i & (spread - 1)
    for k in range(len(keys)):
        kind, address, factor = keys[k, 0], inputs[keys[k, 1]], np.uint32(keys[k, 2] * spread)
        if kind == op.KEY_U8:
            _key_codes(_array(pointer_to(address + start), (CHUNK,), np.uint8), count, some, ids, factor)
        elif kind == op.KEY_U16:
            _key_codes(_array(pointer_to(address + 2 * start), (CHUNK,), np.uint16), count, some, ids, factor)
        elif kind == op.KEY_U32:
            _key_codes(_array(pointer_to(address + 4 * start), (CHUNK,), np.uint32), count, some, ids, factor)
        else:
            values = _array(pointer_to(address + 8 * start), (CHUNK,), np.int64)
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
        values = _array(pointer_to(inputs[step[2]] + 8 * start), (CHUNK,), np.int64)
        _load(longs[out], values, count, some)
    elif kind == op.LOAD_TABLE:
        codes = _array(pointer_to(inputs[step[2]] + start), (CHUNK,), np.uint8)
        _load_table(longs[out], codes, _array(pointer_to(inputs[step[3]]), (256,), np.int64), count, some)
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
def _count(flat: Array, places: Array, inputs: Array, packed: int, start: int, count: int, some: Array) -> None:
    if packed < 0:
        for i in range(count):
            flat[places[i]] += 1
        return
    codes, one = _array(pointer_to(inputs[packed] + start), (CHUNK,), np.uint8), np.int64(1) << op.PACKED_BITS
    if len(some):
        for i in range(count):
            flat[places[i]] += one + np.int64(codes[some[i]])
    else:
        for i in range(count):
            flat[places[i]] += one + np.int64(codes[i])


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


def warm() -> None:
    """Compile, or load from the cache, what the engines call."""
    program = np.zeros((0, 4), np.int64)
    lanes, states = np.zeros((1, CHUNK)), np.zeros((1, 1))
    number, registers, tallies = np.zeros(1, np.int64), np.zeros((1, CHUNK)), np.zeros(1, np.uint32)
    flags = np.zeros(1, np.uint8)
    run(program, program, program, program, number, registers, lanes, states, tallies, flags, 1, -1, 0)
