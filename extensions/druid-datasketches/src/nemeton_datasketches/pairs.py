"""Which values each group has: rows with the same group and the same value are one to a sketch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define

from nemeton.query.vectors import MultiStringVector, NumericVector, ObjectVector, StringVector
from nemeton_datasketches.hashing import hash_numbers, hash_strings

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector, Array, Dictionary
    from nemeton.spi.query import Block

_MARKS = 1 << 24
"""Up to so many combinations of group and value are found by marking them in an array; above, by sorting."""


@define
class Hashed:
    """Values of a block: their groups and hashes, each combination about once, in order of first appearance."""

    groups: Array
    first: Array
    second: Array


def hashed_values(block: Block, vector: AnyVector, group_ids: Array, encode: Callable[[str], bytes]) -> Hashed | None:
    """The values of a column for a sketch of distinct values; None for a type that cannot be hashed.

    Nulls and empty strings are left out, as Java's sketches leave them out. Strings are hashed once per segment.
    """
    if isinstance(vector, MultiStringVector):
        rows, single = single_values(vector)
        return _strings(block, single, group_ids[rows], encode)
    if isinstance(vector, StringVector):
        return _strings(block, vector, group_ids, encode)
    if isinstance(vector, NumericVector):
        values = vector.values
        if vector.nulls is not None:
            values, group_ids = values[~vector.nulls], group_ids[~vector.nulls]
        return Hashed(group_ids, *hash_numbers(values))
    return None


def single_values(vector: MultiStringVector) -> tuple[Array, StringVector]:
    """The row of each value, and the values one by one. Rows without values give none, so the dictionary stays."""
    return np.repeat(np.arange(len(vector)), vector.lengths), StringVector(vector.codes, vector.dictionary)


def dictionary_hashes(
    block: Block, dictionary: Dictionary, encode: Callable[[str], bytes]
) -> tuple[Array, Array, Array]:
    """`hash_strings` of a dictionary, which is done once per segment."""

    def make() -> Any:  # the dictionary is kept with the hashes so that its id stays its own
        return (*hash_strings(dictionary.values.tolist(), encode), dictionary)

    first, second, counts, _ = block.cached(("datasketches", encode, id(dictionary)), make)
    return first, second, counts


def _strings(block: Block, vector: StringVector, group_ids: Array, encode: Callable[[str], bytes]) -> Hashed:
    dictionary = vector.dictionary
    first, second, counts = dictionary_hashes(block, dictionary, encode)
    groups, codes = distinct_pairs(group_ids, np.asarray(vector.codes), dictionary.size)
    keep = counts[codes]
    groups, codes = groups[keep], codes[keep]
    return Hashed(groups, first[codes], second[codes])


def distinct_pairs(groups: Array, codes: Array, num_codes: int) -> tuple[Array, Array]:
    """The distinct combinations, in order of first appearance; with doubles where these are few anyway."""
    keys, size = _keys(groups, codes, num_codes)
    if not _fits(size, len(keys)):
        return groups, codes.astype(np.int64)
    rows, _ = _marked(keys, size)
    return groups[rows], codes[rows].astype(np.int64)


def numbered_pairs(groups: Array, codes: Array, num_codes: int) -> tuple[Array, Array]:
    """The row in which each distinct combination first appears, ascending; and for each row which one it has."""
    keys, size = _keys(groups, codes, num_codes)
    if _fits(size, len(keys)):
        rows, marks = _marked(keys, size)
        marks[keys[rows]] = np.arange(len(rows), dtype=np.int32)
        return rows, marks[keys]
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return firsts[order], ranks[inverse]


def _keys(groups: Array, codes: Array, num_codes: int) -> tuple[Array, int]:
    """A number for each combination, and a bound that none reaches."""
    most = int(groups.max()) + 1 if len(groups) else 0
    return (groups * num_codes + codes if most > 1 else codes.astype(np.int64)), most * num_codes


def _fits(size: int, num_rows: int) -> bool:
    return size <= _MARKS and size <= 8 * num_rows + 4096


def _marked(keys: Array, size: int) -> tuple[Array, Array]:
    """The row in which each key first appears, ascending; and an array with a place for each key."""
    marks = np.full(size, -1, dtype=np.int32)
    marks[keys[::-1]] = np.arange(len(keys) - 1, -1, -1, dtype=np.int32)  # of several rows the last one written stays
    return np.sort(marks[marks >= 0]), marks


def first_rows(keys: Array) -> Array:
    """The first row of each distinct key, ascending."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(keys)
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return np.sort(np.minimum.reduceat(order, starts))


def rows_of_groups(starts: Array, groups: Array) -> tuple[Array, Array]:
    """How many rows each of these groups has, and the rows group by group; group g has `starts[g]:starts[g + 1]`."""
    counts = np.diff(starts)[groups]
    offsets = np.cumsum(counts) - counts
    return counts, np.repeat(starts[:-1][groups] - offsets, counts) + np.arange(int(counts.sum()))


def blobs_of(vector: AnyVector, type_names: frozenset[str]) -> Array | None:
    """The sketches of a complex column (bytes or None), if it is of one of these types."""
    if isinstance(vector, ObjectVector) and vector.type.complex_name in type_names:
        return vector.values
    return None
