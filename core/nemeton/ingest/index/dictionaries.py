"""Dictionary encoding: sorted dictionaries in Java's order, and their union."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.segment.java_order import java_argsort, java_keys

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Codes = NDArray[np.int32]
_FEW = 2000


@frozen(eq=False)
class EncodedStrings:
    """``dictionary``: the distinct values, null (if there is one) first, an Arrow large_string array; a code per value.

    Within a run the values come as they were first seen; what `compact` makes is in Java's order.
    """

    dictionary: pa.Array
    codes: NDArray[Any]


def encode(column: pl.Series) -> EncodedStrings:
    """Encode a String column; the dictionary is in order of first appearance."""
    array = column.to_arrow()
    return encode_array(_large(array))


def encode_array(array: pa.Array) -> EncodedStrings:
    """Encode an Arrow large_string array; the dictionary is in order of first appearance."""
    encoded = array.dictionary_encode()
    indices = encoded.indices
    if not indices.null_count:
        return EncodedStrings(encoded.dictionary, indices.to_numpy(zero_copy_only=False))
    return EncodedStrings(with_null(encoded.dictionary), np.asarray(indices.fill_null(-1)) + np.int32(1))


def compact(parts: list[EncodedStrings]) -> EncodedStrings:
    """The values of all parts, one after another, with one dictionary in Java's order of those that occur."""
    import pyarrow as pa

    parts = [_only_used(part) for part in parts]
    if len(parts) == 1:
        dictionary, ranks = _sorted(parts[0].dictionary)
        return EncodedStrings(dictionary, ranks[parts[0].codes])
    merged = encode_array(pa.concat_arrays([part.dictionary for part in parts]))
    dictionary, ranks = _sorted(merged.dictionary)
    mapping = ranks[merged.codes]
    codes = np.empty(sum(len(part.codes) for part in parts), dtype=np.int32)
    dictionary_at = codes_at = 0
    for part in parts:
        own = mapping[dictionary_at : dictionary_at + len(part.dictionary)]
        np.take(own, part.codes, out=codes[codes_at : codes_at + len(part.codes)])
        dictionary_at += len(part.dictionary)
        codes_at += len(part.codes)
    return EncodedStrings(dictionary, codes)


def sort_dictionary(strings: EncodedStrings) -> EncodedStrings:
    """The same values with the dictionary in Java's order."""
    dictionary, ranks = _sorted(strings.dictionary)
    return EncodedStrings(dictionary, ranks[strings.codes])


def with_null(dictionary: pa.Array) -> pa.Array:
    """Null in front of the values."""
    import pyarrow as pa

    return pa.concat_arrays([pa.nulls(1, dictionary.type), dictionary])


def has_null(dictionary: pa.Array) -> bool:
    """Whether the first value is null."""
    return len(dictionary) > 0 and not dictionary[0].is_valid


def _large(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    return array if array.type == pa.large_string() else array.cast(pa.large_string())


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


def _only_used(strings: EncodedStrings) -> EncodedStrings:
    """The same values with a dictionary of those that occur."""
    import pyarrow as pa

    used = np.zeros(len(strings.dictionary), dtype=bool)
    used[strings.codes] = True
    if used.all():
        return strings
    codes = (np.cumsum(used, dtype=np.int32) - np.int32(1))[strings.codes]
    return EncodedStrings(strings.dictionary.take(pa.array(np.flatnonzero(used))), codes)
