"""Dictionary encoding: sorted dictionaries in Java's order, and their union."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from nemeton.segment.java_order import java_argsort

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Codes = NDArray[np.int32]


@frozen(eq=False)
class EncodedStrings:
    """``dictionary``: the distinct values, null first, in Java's order (an Arrow large_string array); a code per value."""

    dictionary: pa.Array
    codes: NDArray[Any]


def encode(column: pl.Series) -> EncodedStrings:
    """Encode a String column."""
    import pyarrow as pa

    array = column.to_arrow()
    if array.type != pa.large_string():
        array = array.cast(pa.large_string())
    return encode_array(array)


def encode_array(array: pa.Array) -> EncodedStrings:
    """Encode an Arrow string array."""
    encoded = array.dictionary_encode()
    dictionary, ranks = _sorted(encoded.dictionary)
    indices = encoded.indices
    if not indices.null_count:
        return EncodedStrings(dictionary, ranks[indices.to_numpy(zero_copy_only=False)])
    nulls = np.asarray(indices.is_null())
    codes = ranks[np.asarray(indices.fill_null(0))] + np.int32(1) if len(ranks) else np.zeros(len(indices), np.int32)
    codes[nulls] = 0
    return EncodedStrings(with_null(dictionary), codes)


def _sorted(values: pa.Array) -> tuple[pa.Array, Codes]:
    """The values in order, and for each old place the new one."""
    order = java_argsort(values)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    return values.take(_arrow(order)), ranks


def _arrow(numbers: NDArray[Any]) -> pa.Array:
    import pyarrow as pa

    return pa.array(numbers)


def with_null(dictionary: pa.Array) -> pa.Array:
    """Null in front of the values."""
    import pyarrow as pa

    return pa.concat_arrays([pa.nulls(1, dictionary.type), dictionary])


def has_null(dictionary: pa.Array) -> bool:
    """Whether the first value is null."""
    return len(dictionary) > 0 and not dictionary[0].is_valid


def only_used(strings: EncodedStrings) -> EncodedStrings:
    """The same values with a dictionary of those that occur."""
    size = len(strings.dictionary)
    used = np.zeros(size, dtype=bool)
    used[strings.codes] = True
    if used.all():
        return strings
    codes = (np.cumsum(used, dtype=np.int32) - 1)[strings.codes]
    return EncodedStrings(strings.dictionary.take(_arrow(np.flatnonzero(used))), codes)


def union(parts: list[EncodedStrings]) -> EncodedStrings:
    """The values of all parts, one after another, under one dictionary."""
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    merged = encode_array(pa.concat_arrays([part.dictionary for part in parts]))
    codes = np.empty(sum(len(part.codes) for part in parts), dtype=np.int32)
    dictionary_at = codes_at = 0
    for part in parts:
        mapping = merged.codes[dictionary_at : dictionary_at + len(part.dictionary)]
        np.take(mapping, part.codes, out=codes[codes_at : codes_at + len(part.codes)])
        dictionary_at += len(part.dictionary)
        codes_at += len(part.codes)
    return EncodedStrings(merged.dictionary, codes)
