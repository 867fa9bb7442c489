"""Encoding of string dictionaries, plain or front-coded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.segment.encode import Pieces, encode_dictionary, value_buffers

if TYPE_CHECKING:
    import pyarrow as pa

    from nemeton.segment.index_spec import FrontCoded

_ENCODED, _FRONT_CODED = 0x7F, 1
_VBYTE_BYTES = 5


def encode_strings(array: pa.LargeStringArray, front_coded: FrontCoded | None) -> Pieces:
    """Encode a checked dictionary (null first, Java's order) in the way that the `indexSpec` asks for."""
    if front_coded is None:
        return encode_dictionary(array)
    return _front_coded(array, front_coded)


def _front_coded(array: pa.LargeStringArray, form: FrontCoded) -> Pieces:
    """Buckets of values, each stored as what differs from the first (version 0) or the last one (version 1)."""
    has_null = array.null_count > 0
    offsets, raw = value_buffers(array)
    offsets = offsets[1:] if has_null else offsets
    body, ends = _buckets(raw, offsets, form)
    count = len(offsets) - 1
    size = vbytes(np.array([count, 4 * len(ends) + len(body)])).tobytes()
    head = bytes([_ENCODED, _FRONT_CODED, form.format_version, form.bucket_size, int(has_null)]) + size
    return [head, ends.astype("<i4").tobytes(), body.data]


def _buckets(
    raw: NDArray[np.uint8], offsets: NDArray[np.int64], form: FrontCoded
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of all buckets, and where each but the last ends."""
    count = len(offsets) - 1
    numbers = np.arange(count)
    is_first = numbers % form.bucket_size == 0
    against = numbers - numbers % form.bucket_size if form.format_version == 0 else np.maximum(numbers - 1, 0)
    prefixes = shared_lengths(raw, offsets, against, ~is_first)
    suffixes = np.diff(offsets) - prefixes
    prefix_sizes, suffix_sizes = np.where(is_first, 0, _vbyte_sizes(prefixes)), _vbyte_sizes(suffixes)
    sizes = prefix_sizes + suffix_sizes + suffixes
    starts = np.cumsum(sizes) - sizes
    out = np.zeros(int(sizes.sum()), np.uint8)
    _put_vbytes(out, starts[~is_first], prefixes[~is_first])
    _put_vbytes(out, starts + prefix_sizes, suffixes)
    targets = starts + prefix_sizes + suffix_sizes
    within = np.arange(int(suffixes.sum())) - np.repeat(np.cumsum(suffixes) - suffixes, suffixes)
    out[np.repeat(targets, suffixes) + within] = raw[np.repeat(offsets[:-1] + prefixes, suffixes) + within]
    ends = starts[is_first][1:] if count else np.zeros(0, np.int64)
    return out, ends


def shared_lengths(
    items: NDArray[Any], offsets: NDArray[np.int64], against: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """How many items each value has in common with the one that it is compared to, from the first on.

    ``items``: those of all values one after another, bytes or numbers. Of values that are not ``wanted`` it says 0.
    """
    lengths = np.diff(offsets)
    shared = np.zeros(len(lengths), np.int64)
    alive = np.flatnonzero(wanted)
    place = 0
    while len(alive):
        alive = alive[np.minimum(lengths[alive], lengths[against[alive]]) > place]
        alive = alive[items[offsets[alive] + place] == items[offsets[against[alive]] + place]]
        place += 1
        shared[alive] = place
    return shared


def _vbyte_sizes(values: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes = np.ones(len(values), np.int64)
    for i in range(1, _VBYTE_BYTES):
        sizes += values >= 1 << (7 * i)
    return sizes


def _put_vbytes(out: NDArray[np.uint8], places: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    sizes = _vbyte_sizes(values)
    for i in range(int(sizes.max()) if len(sizes) else 0):
        there = sizes > i
        last = np.where(sizes[there] == i + 1, 0x80, 0)
        out[places[there] + i] = (values[there] >> (7 * i)) & 0x7F | last


def vbytes(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Variable-length ints one after another."""
    sizes = _vbyte_sizes(values)
    out = np.zeros(int(sizes.sum()), np.uint8)
    _put_vbytes(out, np.cumsum(sizes) - sizes, values)
    return out
