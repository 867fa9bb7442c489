"""Columns of an opened segment as what columns are written from."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.object_columns import ArrayColumn, NestedColumn
from nemeton.segment.typed_values import Arrays, TypedValues, bounds, distinct_values

if TYPE_CHECKING:
    import pyarrow as pa


def typed_values_of(column: NumericColumn | StringColumn | ArrayColumn) -> TypedValues:
    """The values of a whole column; of strings with several values a row, arrays."""
    count = column.num_rows
    if isinstance(column, NumericColumn):
        values, nulls = column.values(0, count), column.nulls(0, count)
        if values.dtype.kind == "i":
            return TypedValues.of_longs(values, nulls)
        return TypedValues.of_doubles(values.astype(np.float64), nulls)
    if isinstance(column, ArrayColumn):
        return _of_ids(column)
    if not column.has_multiple_values:
        return _of_codes(column, column.codes(0, count))
    offsets, codes = column.offsets_codes(0, count)
    wide = offsets.astype(np.int64)
    return TypedValues.of_lists(_of_codes(column, codes), wide, np.diff(wide) == 0)


def _of_codes(column: StringColumn, codes: np.ndarray) -> TypedValues:
    dictionary = column.dictionary_array()
    if column.has_nulls:
        return TypedValues(codes.astype(np.int32), strings=dictionary[1:])
    return TypedValues(codes.astype(np.int32) + np.int32(1), strings=dictionary)


def _of_ids(column: ArrayColumn) -> TypedValues:
    dictionary = column.dictionary
    arrays = dictionary.arrays()
    lengths = np.array([len(ids) for ids in arrays], np.int64)
    elements = np.fromiter(chain.from_iterable(arrays), np.int64, int(lengths.sum()))
    return TypedValues(
        column.ids.read(0, column.num_rows).astype(np.int32),
        dictionary.strings.to_arrow()[1:],
        dictionary.longs.values,
        dictionary.doubles.values,
        Arrays(bounds(lengths), elements),
    )


def documents_of(column: NestedColumn) -> tuple[pa.Array, np.ndarray]:
    """The distinct documents in Smile, and for each row 0 for null, else the place of its document from 1 on."""
    import pyarrow as pa

    blobs = [blob or None for blob in column.documents.read(0, column.num_rows)]
    return distinct_values(pa.array(blobs, pa.large_binary()))
