"""Values of several types in memory: ids into dictionaries of strings, longs, doubles and arrays.

This is what `auto` columns, and the fields of documents, are made of before they are written: a sorted dictionary of
each type in one space of ids, as the file will hold them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from nemeton.segment.java_order import double_keys, doubles_of, java_argsort

if TYPE_CHECKING:
    import pyarrow as pa

Longs = NDArray[np.int64]
_EMPTY_BOUNDS = np.zeros(1, np.int64)


def no_strings() -> pa.LargeStringArray:
    """An Arrow array of no string."""
    import pyarrow as pa

    return pa.array([], pa.large_string())


@frozen(eq=False)
class Arrays:
    """Arrays of scalars: array i is ``elements[offsets[i]:offsets[i + 1]]``, ids of scalars, 0 for null."""

    offsets: Longs = field(factory=lambda: _EMPTY_BOUNDS)
    elements: Longs = field(factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Longs:
        """How many elements each has."""
        return np.diff(self.offsets)

    def take(self, places: Longs) -> Arrays:
        """These arrays."""
        lengths = self.lengths[places]
        offsets = bounds(lengths)
        flat = np.repeat(self.offsets[:-1][places] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Arrays(offsets, self.elements[flat])


@frozen(eq=False)
class TypedValues:
    """One id per value: 0 is null; then come the strings, the longs, the doubles, the arrays.

    Dictionaries hold distinct values, of which some may not be used; `join` sorts them and drops those. Strings are an
    Arrow large_string array without null. Elements of arrays have the ids of scalars.
    """

    ids: NDArray[np.int32]
    strings: pa.LargeStringArray = field(factory=no_strings)
    longs: Longs = field(factory=lambda: np.zeros(0, np.int64))
    doubles: NDArray[np.float64] = field(factory=lambda: np.zeros(0))
    arrays: Arrays = field(factory=Arrays)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def starts(self) -> tuple[int, int, int, int, int]:
        """The first ids of strings, longs, doubles, arrays, and the number of all ids."""
        longs = 1 + len(self.strings)
        doubles = longs + len(self.longs)
        arrays = doubles + len(self.doubles)
        return 1, longs, doubles, arrays, arrays + len(self.arrays)

    @property
    def has_nulls(self) -> bool:
        """Whether any value is null."""
        return bool(len(self.ids)) and int(self.ids.min()) == 0

    def cut(self, start: int, stop: int) -> TypedValues:
        """Values [start, stop)."""
        return evolve(self, ids=self.ids[start:stop])

    def take(self, rows: NDArray[np.int64]) -> TypedValues:
        """These values."""
        return evolve(self, ids=self.ids[rows])

    @classmethod
    def nulls(cls, count: int) -> TypedValues:
        """So many nulls."""
        return cls(np.zeros(count, np.int32))

    @classmethod
    def of_strings(cls, values: pa.Array) -> TypedValues:
        """Of an Arrow string array, nulls included."""
        import pyarrow as pa

        strings, ids = distinct_values(values.cast(pa.large_string()))
        return join([cls(ids, strings=strings)])[0]

    @classmethod
    def of_longs(cls, values: Longs, nulls: NDArray[np.bool_] | None = None) -> TypedValues:
        """Of longs and the mask of nulls."""
        distinct, ids = np.unique(values if nulls is None else values[~nulls], return_inverse=True)
        return cls(_spread(ids, nulls), longs=distinct.astype(np.int64))

    @classmethod
    def of_doubles(cls, values: NDArray[np.float64], nulls: NDArray[np.bool_] | None = None) -> TypedValues:
        """Of doubles and the mask of nulls."""
        distinct, ids = distinct_doubles(values if nulls is None else values[~nulls])
        return cls(_spread(ids, nulls), doubles=distinct)

    @classmethod
    def of_lists(cls, items: TypedValues, offsets: Longs, nulls: NDArray[np.bool_] | None = None) -> TypedValues:
        """Of arrays whose elements, all of them one after another, are ``items`` (which holds no arrays)."""
        count = len(offsets) - 1
        places = np.arange(count) if nulls is None else np.flatnonzero(~nulls)
        ids = np.zeros(count, np.int32)
        ids[places] = items.starts[4] + np.arange(len(places))
        arrays = Arrays(offsets, items.ids.astype(np.int64)).take(places)
        return join([evolve(items, ids=ids, arrays=arrays)])[0]


def _spread(ids: NDArray[np.intp], nulls: NDArray[np.bool_] | None) -> NDArray[np.int32]:
    if nulls is None:
        return ids.astype(np.int32) + np.int32(1)
    spread = np.zeros(len(nulls), np.int32)
    spread[~nulls] = ids + 1
    return spread


def distinct_values(values: pa.Array) -> tuple[pa.Array, NDArray[np.int32]]:
    """The distinct values of an Arrow array, and for each row 0 for null, else the place of its value from 1 on."""
    encoded = values.dictionary_encode()
    return encoded.dictionary, np.asarray(encoded.indices.fill_null(-1)).astype(np.int32) + np.int32(1)


def bounds(lengths: Longs) -> Longs:
    """The sums of the lengths, from 0 on."""
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def distinct_doubles(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The distinct doubles in Java's order, and for each given one its place."""
    keys, ids = np.unique(double_keys(values), return_inverse=True)
    return doubles_of(keys), ids


def join(parts: Sequence[TypedValues]) -> list[TypedValues]:
    """The same values with one dictionary for all parts: sorted, and of nothing but what some part uses."""
    used = [_used(part) for part in parts]
    maps = [np.zeros(part.starts[4], np.int64) for part in parts]
    strings = _join_strings(parts, used, maps)
    longs, found = np.unique(_concat([p.longs[_kind(p, u, 1)] for p, u in _pairs(parts, used)]), return_inverse=True)
    _fill(parts, used, maps, 1, found + 1 + len(strings))
    doubles, found = distinct_doubles(_concat([p.doubles[_kind(p, u, 2)] for p, u in _pairs(parts, used)]))
    _fill(parts, used, maps, 2, found + 1 + len(strings) + len(longs))
    scalars = 1 + len(strings) + len(longs) + len(doubles)
    arrays, found = _join_arrays([_mapped(p, u, m) for p, u, m in zip(parts, used, maps, strict=True)])
    _fill(parts, used, maps, 3, found + scalars)
    ids = [m.astype(np.int32)[p.ids] for p, m in zip(parts, maps, strict=True)]
    return [TypedValues(i, strings, longs.astype(np.int64), doubles, arrays) for i in ids]


def concat(parts: Sequence[TypedValues]) -> TypedValues:
    """The values of all parts, one after another, with one dictionary."""
    joined = join(parts)
    return evolve(joined[0], ids=np.concatenate([part.ids for part in joined])) if joined else TypedValues.nulls(0)


def _pairs(parts: Sequence[TypedValues], used: list[NDArray[np.bool_]]) -> zip[tuple[TypedValues, NDArray[np.bool_]]]:
    return zip(parts, used, strict=True)


def _concat(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int64)


def _used(part: TypedValues) -> NDArray[np.bool_]:
    """Which ids occur, in arrays that occur too."""
    used = np.zeros(part.starts[4], bool)
    used[part.ids] = True
    first = part.starts[3]
    places = np.flatnonzero(used[first:])
    used[part.arrays.take(places).elements] = True
    return used


def _kind(part: TypedValues, used: NDArray[np.bool_], kind: int) -> NDArray[np.bool_]:
    starts = part.starts
    return used[starts[kind] : starts[kind + 1]]


def _fill(
    parts: Sequence[TypedValues], used: list[NDArray[np.bool_]], maps: list[Longs], kind: int, found: Longs
) -> None:
    """Note the new ids of the used values of a kind, which come for all parts one after another."""
    at = 0
    for part, mask, mapping in zip(parts, used, maps, strict=True):
        places = np.flatnonzero(_kind(part, mask, kind))
        mapping[part.starts[kind] + places] = found[at : at + len(places)]
        at += len(places)


def _join_strings(
    parts: Sequence[TypedValues], used: list[NDArray[np.bool_]], maps: list[Longs]
) -> pa.LargeStringArray:
    import pyarrow as pa

    chunks = [p.strings.filter(pa.array(_kind(p, u, 0))) for p, u in _pairs(parts, used)]
    encoded = pa.concat_arrays([no_strings(), *chunks]).dictionary_encode()
    order = java_argsort(encoded.dictionary)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    _fill(parts, used, maps, 0, ranks[np.asarray(encoded.indices)] + 1)
    return encoded.dictionary.take(pa.array(order))


def _mapped(part: TypedValues, used: NDArray[np.bool_], mapping: Longs) -> Arrays:
    taken = part.arrays.take(np.flatnonzero(_kind(part, used, 3)))
    return Arrays(taken.offsets, mapping[taken.elements])


def _join_arrays(parts: Sequence[Arrays]) -> tuple[Arrays, Longs]:
    """The distinct arrays in order (element by element, a shorter one first), and for each given one its place."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = _concat([part.lengths for part in parts])
    elements = _concat([part.elements for part in parts])
    if not len(lengths):
        return Arrays(), np.zeros(0, np.int64)
    data = elements.astype(">u4").view(np.uint8)  # big-endian ids order by their bytes
    buffers = [None, pa.py_buffer(4 * bounds(lengths)), pa.py_buffer(data)]
    encoded = pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers).dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    found = ranks[np.asarray(encoded.indices)]
    an_instance = np.empty(len(order), np.int64)
    an_instance[found] = np.arange(len(found))
    return Arrays(bounds(lengths), elements).take(an_instance), found
