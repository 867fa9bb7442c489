"""Building and encoding the bitmap index of a string column.

One stable sort brings the rows of every value together. Most values of a large dictionary occur in few rows, so their
bitmaps are tiny: those are laid out for all values at once with numpy, in Roaring's portable format, and only the
values with many rows go through the Roaring library one by one.
"""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np
from attrs import frozen
from pyroaring import BitMap

from nemeton.segment.encode import Pieces, encode_items
from nemeton.segment.encode_concise import encode_concise
from nemeton.segment.generic_indexed import list_header

_EMPTY, _ARRAY, _ONE_RUN, _LIBRARY = 0, 1, 2, 3
_MAX_ARRAY = 4096  # a Roaring container with more rows is a bit set
_NO_RUNS_COOKIE, _RUNS_COOKIE = 0x303A, 0x303B
_RUN_BYTES = 15
_CHUNK_ROWS = 1 << 20
# Druid would store no bytes at all for a value without rows, but its own reader trips over them in long lists.
_EMPTY_BITMAP = BitMap().serialize()
_ONE_RUN_DTYPE = np.dtype(
    {
        "names": ["marker", "cookie", "flags", "key", "card", "runs", "start", "length"],
        "formats": ["<u4", "<u4", "u1", *["<u2"] * 5],
    }
)


def stable_argsort(codes: np.ndarray) -> np.ndarray:
    """Return the stable order of unsigned codes as uint32; radix passes of 16 bits, which numpy does fastest."""
    if codes.dtype.itemsize <= 2:
        return np.argsort(codes, kind="stable").astype(np.uint32)
    low = np.argsort((codes & 0xFFFF).astype(np.uint16), kind="stable").astype(np.uint32)
    high = (codes >> 16).astype(np.uint16)[low]
    return low[np.argsort(high, kind="stable")]


def sorted_pairs(codes: np.ndarray, offsets: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (codes, rows) ordered by code and then row, each pair once; rows without values count for code 0."""
    if offsets is None:
        order = stable_argsort(codes)
        return codes[order], order
    rows = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint32), np.diff(offsets))
    order = stable_argsort(codes)
    codes, rows = codes[order], rows[order]
    empty = np.flatnonzero(np.diff(offsets) == 0).astype(np.uint32)
    if len(empty):
        nulls = int(np.searchsorted(codes, 1)) if len(codes) else 0
        rows = np.concatenate([np.sort(np.concatenate([rows[:nulls], empty])), rows[nulls:]])
        codes = np.concatenate([np.zeros(len(empty), codes.dtype), codes])
    keep = np.ones(len(codes), bool)
    keep[1:] = (codes[1:] != codes[:-1]) | (rows[1:] != rows[:-1])
    return codes[keep], rows[keep]


@frozen
class _Layout:
    """Where the values and their Roaring containers lie within the sorted pairs."""

    counts: np.ndarray  # rows per value
    starts: np.ndarray  # first pair of each value
    container_starts: np.ndarray
    container_counts: np.ndarray
    container_keys: np.ndarray
    container_values: np.ndarray  # the value that a container belongs to
    containers: np.ndarray  # containers per value
    first_container: np.ndarray
    kinds: np.ndarray


def _lay_out(codes: np.ndarray, rows: np.ndarray, cardinality: int) -> _Layout:
    counts = np.bincount(codes, minlength=cardinality)
    starts = np.cumsum(counts) - counts
    high = (rows >> 16).astype(np.uint16)
    begins = np.ones(len(rows), bool)
    begins[1:] = (codes[1:] != codes[:-1]) | (high[1:] != high[:-1])
    container_starts = np.flatnonzero(begins)
    container_counts = np.diff(np.append(container_starts, len(rows)))
    begins[1:] |= rows[1:] != rows[:-1] + 1  # from here on: where runs begin
    runs = np.add.reduceat(begins, container_starts, dtype=np.int64) if len(rows) else np.zeros(0, np.int64)
    container_values = codes[container_starts].astype(np.int64)
    containers = np.bincount(container_values, minlength=cardinality)
    first_container = np.cumsum(containers) - containers
    as_array = (container_counts <= _MAX_ARRAY) & (2 * runs >= container_counts)
    kinds = np.full(cardinality, _ARRAY, np.uint8)
    kinds[container_values[~as_array]] = _LIBRARY
    single = first_container[(kinds == _LIBRARY) & (containers == 1)]
    single = single[runs[single] == 1]
    kinds[container_values[single]] = _ONE_RUN
    kinds[counts == 0] = _EMPTY
    return _Layout(
        counts,
        starts,
        container_starts,
        container_counts,
        high[container_starts],
        container_values,
        containers,
        first_container,
        kinds,
    )


def _array_bitmaps(layout: _Layout, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay out all values whose containers are arrays, as 16-bit words, list markers included.

    Returns the words, and where each such value starts in them (with the end as last entry).
    """
    values = np.flatnonzero(layout.kinds == _ARRAY)
    containers, counts = layout.containers[values], layout.counts[values]
    bounds = np.zeros(len(values) + 1, np.int64)
    np.cumsum(6 + 4 * containers + counts, out=bounds[1:])
    out = np.zeros(int(bounds[-1]), "<u2")
    begin = bounds[:-1]
    out[begin + 2] = _NO_RUNS_COOKIE
    out[begin + 4], out[begin + 5] = containers & 0xFFFF, containers >> 16
    # containers: (key, count - 1) pairs, then byte offsets of their rows, then the rows
    mine = np.flatnonzero(layout.kinds[layout.container_values] == _ARRAY)
    position = np.repeat(np.arange(len(values)), containers)
    within = mine - layout.first_container[values][position]
    heads = begin[position] + 6 + 2 * within
    out[heads] = layout.container_keys[mine]
    out[heads + 1] = layout.container_counts[mine] - 1
    before = layout.container_starts[mine] - layout.starts[values][position]
    offsets = 8 + 8 * containers[position] + 2 * before
    places = heads + 2 * containers[position]
    out[places], out[places + 1] = offsets & 0xFFFF, offsets >> 16
    targets = np.arange(int(counts.sum())) + np.repeat(
        begin + 6 + 4 * containers - (np.cumsum(counts) - counts), counts
    )
    is_mine = np.repeat(layout.kinds == _ARRAY, layout.counts)
    out[targets] = rows[is_mine] & 0xFFFF
    return out, bounds


def _one_run_bitmaps(layout: _Layout, rows: np.ndarray) -> np.ndarray:
    """Lay out all values whose rows are one run within one container; every record has the same size."""
    values = np.flatnonzero(layout.kinds == _ONE_RUN)
    out = np.zeros(len(values), _ONE_RUN_DTYPE)
    out["cookie"], out["flags"], out["runs"] = _RUNS_COOKIE, 1, 1
    out["key"] = layout.container_keys[layout.first_container[values]]
    out["card"] = out["length"] = layout.counts[values] - 1
    out["start"] = rows[layout.starts[values]] & 0xFFFF
    return out


def encode_bitmap_list(
    codes: np.ndarray, offsets: np.ndarray | None, cardinality: int, is_concise: bool = False
) -> Pieces:
    """Encode one bitmap per dictionary value; `offsets` for multi-value rows. Returns pieces to write in order."""
    return encode_bitmap_pairs(*sorted_pairs(codes, offsets), cardinality, is_concise)


def encode_bitmap(rows: np.ndarray, is_concise: bool) -> bytes:
    """Encode one bitmap of ascending rows."""
    if is_concise:
        return encode_concise(np.zeros(len(rows), np.int64), rows, 1)[0].tobytes()
    bitmap = BitMap(array("I", rows.astype(np.uint32).tobytes()))
    bitmap.run_optimize()
    serialized: bytes = bitmap.serialize()
    return serialized


def encode_bitmap_pairs(codes: np.ndarray, rows: np.ndarray, cardinality: int, is_concise: bool = False) -> Pieces:
    """As `encode_bitmap_list`, of pairs of a value and a row (uint32), ordered, each once."""
    if is_concise:
        words, lengths = encode_concise(codes, rows, cardinality)
        head, values = encode_items(words.view(np.uint8), 4 * lengths, "bitmaps")
        return [head, values.data]
    counts = np.bincount(codes, minlength=cardinality)
    ends = np.cumsum(counts)
    lengths = np.zeros(cardinality, np.int64)
    pieces: Pieces = [b""]
    first = first_row = 0
    while first < cardinality:  # a bounded number of rows at a time: the layout takes some 100 bytes for each
        last = max(int(np.searchsorted(ends, first_row + _CHUNK_ROWS, "right")), first + 1)
        last_row = int(ends[last - 1])
        chunk = slice(first_row, last_row)
        lengths[first:last] = _encode_chunk(pieces, codes[chunk] - codes.dtype.type(first), rows[chunk], last - first)
        first, first_row = last, last_row
    pieces[0] = list_header(lengths, False, "bitmaps")
    return pieces


def _encode_chunk(pieces: Pieces, codes: np.ndarray, rows: np.ndarray, cardinality: int) -> np.ndarray:
    """Append the bitmaps of some neighbouring values, counted from 0; returns the length of each."""
    layout = _lay_out(codes, rows, cardinality)
    words, word_bounds = _array_bitmaps(layout, rows)
    records = _one_run_bitmaps(layout, rows)
    library = {int(v): _library_bitmap(layout, rows, int(v)) for v in np.flatnonzero(layout.kinds == _LIBRARY)}
    lengths = np.full(cardinality, len(_EMPTY_BITMAP), np.int64)
    lengths[layout.kinds == _ARRAY] = 2 * np.diff(word_bounds) - 4
    lengths[layout.kinds == _ONE_RUN] = _RUN_BYTES
    lengths[list(library)] = [len(b) for b in library.values()]
    streams = {_ARRAY: (words.view(np.uint8).data, 2 * word_bounds)}
    streams[_ONE_RUN] = (records.view(np.uint8).data, np.arange(len(records) + 1) * _ONE_RUN_DTYPE.itemsize)
    _interleave(pieces, layout.kinds, streams, library)
    return lengths


def _library_bitmap(layout: _Layout, rows: np.ndarray, value: int) -> bytes:
    start = int(layout.starts[value])
    bitmap = BitMap(array("I", rows[start : start + int(layout.counts[value])].tobytes()))
    bitmap.run_optimize()
    return bitmap.serialize()


def _interleave(
    pieces: Pieces, kinds: np.ndarray, streams: dict[int, tuple[memoryview, np.ndarray]], library: dict[int, bytes]
) -> None:
    """Append the bitmaps in value order, neighbours of one kind as one piece."""
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)] if len(kinds) else [0]
    used = dict.fromkeys(streams, 0)
    for start, stop in pairwise(edges):
        kind, count = int(kinds[start]), stop - start
        if kind == _EMPTY:
            pieces.append((b"\0\0\0\0" + _EMPTY_BITMAP) * count)
        elif kind == _LIBRARY:
            for value in range(start, stop):
                pieces += [b"\0\0\0\0", library[value]]
        else:
            data, bounds = streams[kind]
            first = used[kind]
            used[kind] = first + count
            pieces.append(data[int(bounds[first]) : int(bounds[first + count])])
