"""Dictionary encoding: sorted dictionaries in Java's order, and their union."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.segment.java_order import java_argsort, java_keys, java_sort_key
from nemeton.segment.string_order import distinct_in_order

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Codes = NDArray[np.int32]
_FEW = 2000
_LARGE = 100_000
_SAMPLE = 10_000
_RANGE_VALUES = 200_000


@frozen(eq=False)
class EncodedStrings:
    """``dictionary``: the distinct values, null (if there is one) first, an Arrow large_string array; a code per value.

    The other values come as they were first seen, or, with ``is_sorted``, in Java's order.
    """

    dictionary: pa.Array
    codes: NDArray[Any]
    is_sorted: bool = False

    def values(self) -> pa.Array:
        """The value of each row."""
        import pyarrow as pa

        return self.dictionary.take(pa.array(self.codes))


def arrow_strings(column: pl.Series) -> pa.Array:
    """A String column as an Arrow large_string array."""
    import pyarrow as pa

    array = column.to_arrow()
    return array if array.type == pa.large_string() else array.cast(pa.large_string())


def are_mostly_different(array: pa.Array) -> bool:
    """Whether there are many values, and, as far as a sample tells, most of them different."""
    return len(array) >= _LARGE and len(array[:_SAMPLE].unique()) > _SAMPLE // 2


def encode(column: pl.Series) -> EncodedStrings:
    """Encode a String column; see `encode_strings`."""
    return encode_strings(arrow_strings(column))


def encode_strings(array: pa.Array) -> EncodedStrings:
    """Encode an Arrow large_string array. A large dictionary is sorted at once: it can be merged in bounded memory."""
    if are_mostly_different(array):
        return encode_sorted(array)
    encoded = encode_array(array)
    return encoded if len(encoded.dictionary) < _LARGE else sort_dictionary(encoded)


def encode_sorted(array: pa.Array) -> EncodedStrings:
    """Encode an Arrow large_string array of many values, most of them different; the dictionary is in Java's order."""
    if not array.null_count:
        return EncodedStrings(*distinct_in_order(array), is_sorted=True)
    dictionary, codes = distinct_in_order(array.drop_null())
    with_nulls = np.zeros(len(array), dtype=np.int32)
    with_nulls[array.is_valid().to_numpy(zero_copy_only=False)] = codes + np.int32(1)
    return EncodedStrings(with_null(dictionary), with_nulls, is_sorted=True)


def encode_array(array: pa.Array) -> EncodedStrings:
    """Encode an Arrow large_string array; the dictionary is in order of first appearance."""
    encoded = array.dictionary_encode()
    indices = encoded.indices
    if not indices.null_count:
        return EncodedStrings(encoded.dictionary, indices.to_numpy(zero_copy_only=False))
    return EncodedStrings(with_null(encoded.dictionary), np.asarray(indices.fill_null(-1)) + np.int32(1))


def union(parts: list[EncodedStrings]) -> EncodedStrings:
    """The values of all parts, one after another, with one sorted dictionary; the parts are `only_used`."""
    if len(parts) == 1:
        return parts[0] if parts[0].is_sorted else sort_dictionary(parts[0])
    if sum(len(part.dictionary) for part in parts) < _LARGE:
        dictionary, mappings = _merge([part.dictionary for part in parts])
    else:
        dictionary, mappings = _merge_by_ranges([_in_order(part) for part in parts])
    codes = np.empty(sum(len(part.codes) for part in parts), dtype=np.int32)
    at = 0
    for part, mapping in zip(parts, mappings, strict=True):
        np.take(mapping, part.codes, out=codes[at : at + len(part.codes)])
        at += len(part.codes)
    return EncodedStrings(dictionary, codes, is_sorted=True)


def _in_order(part: EncodedStrings) -> tuple[pa.Array, Codes | None]:
    """The part's dictionary in order, and for each of its codes the place there (None: its own)."""
    return (part.dictionary, None) if part.is_sorted else _sorted(part.dictionary)


def _merge(dictionaries: list[pa.Array]) -> tuple[pa.Array, list[Codes]]:
    """One sorted dictionary of all values, and for each given one the map of codes to it."""
    import pyarrow as pa

    values = pa.concat_arrays(dictionaries)
    merged = encode_sorted(values) if len(values) >= _SAMPLE else sort_dictionary(encode_array(values))
    dictionary, mapping = merged.dictionary, merged.codes
    ends = np.cumsum([len(d) for d in dictionaries])
    return dictionary, np.split(mapping, ends[:-1])


def _merge_by_ranges(parts: list[tuple[pa.Array, Codes | None]]) -> tuple[pa.Array, list[Codes]]:
    """As `_merge`, of sorted dictionaries, range of values by range: with little memory beyond the result."""
    import pyarrow as pa

    dictionaries = [dictionary for dictionary, _ in parts]
    longest = max(dictionaries, key=len)
    ranges = max(sum(map(len, dictionaries)) // _RANGE_VALUES, 1)
    splitters = [longest[len(longest) * i // ranges].as_py() for i in range(1, ranges)]
    cuts = [[0, *(_place(d, value) for value in splitters), len(d)] for d in dictionaries]
    chunks: list[pa.Array] = []
    maps: list[list[Codes]] = [[] for _ in parts]
    size = 0
    for i in range(ranges):
        chunk, mappings = _merge([d.slice(c[i], c[i + 1] - c[i]) for d, c in zip(dictionaries, cuts, strict=True)])
        for collected, mapping in zip(maps, mappings, strict=True):
            collected.append(mapping + np.int32(size))
        chunks.append(chunk)
        size += len(chunk)
    whole = [np.concatenate(collected) for collected in maps]
    mapped = [m if ranks is None else m[ranks] for m, (_, ranks) in zip(whole, parts, strict=True)]
    return pa.concat_arrays(chunks), mapped


def _place(dictionary: pa.Array, value: str | None) -> int:
    """Where the value stands, or would stand, in a sorted dictionary."""

    def key(text: str | None) -> tuple[bool, bytes]:
        return (text is not None, b"" if text is None else java_sort_key(text))

    return bisect_left(range(len(dictionary)), key(value), key=lambda i: key(dictionary[i].as_py()))


def sort_dictionary(strings: EncodedStrings) -> EncodedStrings:
    """The same values with the dictionary in Java's order."""
    if strings.is_sorted:
        return strings
    dictionary, ranks = _sorted(strings.dictionary)
    return EncodedStrings(dictionary, ranks[strings.codes], is_sorted=True)


def with_null(dictionary: pa.Array) -> pa.Array:
    """Null in front of the values."""
    import pyarrow as pa

    return pa.concat_arrays([pa.nulls(1, dictionary.type), dictionary])


def has_null(dictionary: pa.Array) -> bool:
    """Whether the first value is null."""
    return len(dictionary) > 0 and not dictionary[0].is_valid


def _sorted(values: pa.Array) -> tuple[pa.Array, Codes]:
    """The values in order (null first), and for each old place the new one."""
    import pyarrow as pa

    order = _order(values)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return values.take(pa.array(order)), ranks


def _order(values: pa.Array) -> NDArray[Any]:
    import polars as pl

    if len(values) < _FEW or java_keys(values) is not values:
        return java_argsort(values)
    # The order of UTF-8 bytes is Java's here, and polars sorts by it several times as fast.
    return pl.Series(values).arg_sort(nulls_last=False).to_numpy()


def only_used(strings: EncodedStrings) -> EncodedStrings:
    """The same values with a dictionary of those that occur; a copy, which holds on to nothing of the original's."""
    import pyarrow as pa

    used = np.zeros(len(strings.dictionary), dtype=bool)
    used[strings.codes] = True
    if used.all():
        return EncodedStrings(strings.dictionary, np.array(strings.codes, dtype=np.int32), strings.is_sorted)
    codes = (np.cumsum(used, dtype=np.int32) - np.int32(1))[strings.codes]
    return EncodedStrings(strings.dictionary.take(pa.array(np.flatnonzero(used))), codes, strings.is_sorted)
