"""Columns of a segment as Arrow arrays."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from nemeton.segment.column_reader import AnyColumn
from nemeton.segment.columns import NumericColumn, StringColumn, UnsupportedColumn
from nemeton.segment.errors import unsupported_column
from nemeton.segment.object_columns import ArrayColumn, ComplexColumn, ObjectColumn

TIME = "__time"
_NUMBERS = {"LONG": pa.int64(), "DOUBLE": pa.float64(), "FLOAT": pa.float32()}
_ARRAYS = {
    "ARRAY<STRING>": pa.large_list(pa.large_string()),
    "ARRAY<LONG>": pa.large_list(pa.int64()),
    "ARRAY<DOUBLE>": pa.large_list(pa.float64()),
}


def arrow_type(column: AnyColumn) -> pa.DataType:
    """Return the Arrow type of a column; raises for a column that cannot be read.

    Documents, and values of several types, are their JSON as strings; complex values are their bytes.
    """
    if isinstance(column, UnsupportedColumn):
        raise unsupported_column(column.name, str(column.type))
    if isinstance(column, NumericColumn):
        return pa.timestamp("ms", "UTC") if column.name == TIME else _NUMBERS[str(column.type)]
    if isinstance(column, ObjectColumn):
        return _object_type(column)
    return pa.large_list(pa.large_string()) if column.has_multiple_values else pa.large_string()


def to_array(column: AnyColumn, start: int, stop: int) -> pa.Array:
    """Return the rows of a range as an Arrow array."""
    if isinstance(column, NumericColumn):
        array = pa.array(column.values(start, stop), mask=column.nulls(start, stop))
        return array.cast(arrow_type(column)) if column.name == TIME else array
    if isinstance(column, StringColumn):
        return (
            _lists(column, start, stop) if column.has_multiple_values else _strings(column, column.codes(start, stop))
        )
    if isinstance(column, ObjectColumn):
        return _objects(column, start, stop)
    raise unsupported_column(column.name, str(column.type))


def _object_type(column: ObjectColumn) -> pa.DataType:
    if isinstance(column, ComplexColumn):
        return pa.large_binary()
    if isinstance(column, ArrayColumn) and not column.is_variant:
        return _ARRAYS[str(column.type)]
    return pa.large_string()


def _objects(column: ObjectColumn, start: int, stop: int) -> pa.Array:
    values, kind = column.objects(start, stop).tolist(), _object_type(column)
    if kind == pa.large_string():
        values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pa.array(values, kind)


def _strings(column: StringColumn, codes: np.ndarray) -> pa.Array:
    return column.dictionary_array().take(pa.array(codes))


def _lists(column: StringColumn, start: int, stop: int) -> pa.Array:
    """Rows without values are null lists; Druid does not tell them from null either."""
    offsets, codes = column.offsets_codes(start, stop)
    empty = np.diff(offsets) == 0
    values = _strings(column, codes)
    mask = pa.array(empty) if empty.any() else None
    return pa.LargeListArray.from_arrays(pa.array(offsets.astype(np.int64)), values, mask=mask)
