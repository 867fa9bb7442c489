"""Many strings, most of them different, put in order: by eight bytes at a time, as numbers, rather than one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.encode import value_buffers
from nemeton.segment.java_order import java_argsort, java_keys

if TYPE_CHECKING:
    import pyarrow as pa

_WORD = 8
_WORD_BITS = 64
_STEPS = 8
"""So often rows that are tied are compared by some more bytes; those that still are, by the whole string."""


def distinct_in_order(values: pa.Array) -> tuple[pa.Array, NDArray[np.int32]]:
    """The distinct values of a large_string array without nulls in Java's order, and for each value its place there.

    Faster than hashing them where most are different, as nothing is looked up at random. Takes some 40 bytes of memory
    a value beyond the values themselves.
    """
    import pyarrow as pa

    keys = _Keys(java_keys(values))
    words = keys.words(keys.begins, keys.ends)
    rows = np.argsort(words)
    starts = _changes(words[rows])
    done = _WORD
    for _ in range(_STEPS):
        places = _tied(starts)
        begins, ends = keys.rest(rows[places], done)
        if not (begins < ends).any():
            break
        done += _refine(rows, starts, places, keys.words(begins, ends))
    _finish(rows, starts, values, keys, done)
    codes = np.empty(len(rows), np.int32)
    codes[rows] = np.cumsum(starts, dtype=np.int32) - np.int32(1)
    return values.take(pa.array(rows[starts])), codes


class _Keys:
    """Bytes of values from any place on, as big-endian numbers, which are in the order of the bytes."""

    def __init__(self, values: pa.Array) -> None:
        offsets, raw = value_buffers(values)
        self.begins, self.ends = offsets[:-1], offsets[1:]
        self.has_zeros = len(raw) > 0 and raw.min() == 0
        self._size = len(raw)
        padded = np.zeros((len(raw) // _WORD + 2) * _WORD, np.uint8)
        padded[: len(raw)] = raw
        self._words = padded.view(">u8").astype(np.uint64)

    def rest(self, rows: NDArray[np.int64], done: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where these rows' values go on behind the bytes that are done, and where they end, which may be before."""
        return np.take(self.begins, rows) + done, np.take(self.ends, rows)

    def words(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The eight bytes from each of these places on; behind the end of the value are zeros."""
        # From two whole words: numpy picks numbers that begin anywhere several times as slowly. It shifts all bits out
        # where they are as many as a number has.
        places = np.minimum(begins, self._size)
        skipped = ((places & 7) << 3).astype(np.uint64)
        places >>= 3
        words = np.take(self._words, places) << skipped
        words |= np.take(self._words, places + 1) >> (np.uint64(_WORD_BITS) - skipped)
        missing = np.clip((begins - ends + _WORD) << 3, 0, _WORD_BITS).astype(np.uint64)
        words >>= missing
        words <<= missing
        return words

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many bytes these rows' values have."""
        lengths: NDArray[np.int64] = np.take(self.ends, rows) - np.take(self.begins, rows)
        return lengths


def _changes(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    changes = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=changes[1:])
    return changes


def _tied(starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of rows that are equal to a neighbour so far."""
    return np.flatnonzero(~(starts & np.append(starts[1:], True)))


def _refine(
    rows: NDArray[np.int64], starts: NDArray[np.bool_], places: NDArray[np.int64], words: NDArray[np.uint64]
) -> int:
    """Order the tied rows by what follows: as many bytes as fit beside the number of their group. Returns how many."""
    groups = (np.cumsum(starts[places]) - 1).astype(np.uint64)
    size = (_WORD_BITS - int(groups[-1]).bit_length()) // _WORD
    words = words >> np.uint64(_WORD * (_WORD - size))
    if size < _WORD:
        words |= groups << np.uint64(_WORD * size)
    order = np.argsort(words)
    rows[places] = rows[places][order]
    starts[places] |= _changes(words[order])
    return size


def _finish(rows: NDArray[np.int64], starts: NDArray[np.bool_], values: pa.Array, keys: _Keys, done: int) -> None:
    """Order what is tied in the first ``done`` bytes: by length where that is all (zeros may stand at the end)."""
    import pyarrow as pa

    places = _tied(starts)
    if not len(places):
        return
    tied = rows[places]
    lengths = keys.lengths(tied)
    if lengths.max() > done:
        ranks = _ranks(values.take(pa.array(tied)))
    elif keys.has_zeros:
        ranks = lengths
    else:
        return
    composite = (np.cumsum(starts[places]) - 1) * (ranks.max() + 1) + ranks
    order = np.argsort(composite)
    rows[places] = tied[order]
    starts[places] |= _changes(composite[order])


def _ranks(values: pa.Array) -> NDArray[np.int64]:
    """The place of each value among the distinct ones."""
    encoded = values.dictionary_encode()
    order = java_argsort(encoded.dictionary)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    ranks: NDArray[np.int64] = places[encoded.indices.to_numpy(zero_copy_only=False)]
    return ranks
