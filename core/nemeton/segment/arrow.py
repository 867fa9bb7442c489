"""Columns of a segment as Arrow arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nemeton.segment.columns import Column, NumericColumn, StringColumn, UnsupportedColumn
from nemeton.segment.errors import unsupported_column

TIME = "__time"
_NUMBERS = {"LONG": pa.int64(), "DOUBLE": pa.float64(), "FLOAT": pa.float32()}


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a column; raises for a column that cannot be read."""
    if isinstance(column, UnsupportedColumn):
        raise unsupported_column(column.name, str(column.type))
    if isinstance(column, NumericColumn):
        return pa.timestamp("ms", "UTC") if column.name == TIME else _NUMBERS[str(column.type)]
    return pa.large_list(pa.large_string()) if column.has_multiple_values else pa.large_string()


def to_array(column: Column, start: int, stop: int) -> pa.Array:
    """Return the rows of a range as an Arrow array."""
    if isinstance(column, NumericColumn):
        array = pa.array(column.values(start, stop), mask=column.nulls(start, stop))
        return array.cast(arrow_type(column)) if column.name == TIME else array
    if isinstance(column, StringColumn):
        return (
            _lists(column, start, stop) if column.has_multiple_values else _strings(column, column.codes(start, stop))
        )
    raise unsupported_column(column.name, str(column.type))


def _strings(column: StringColumn, codes: np.ndarray) -> pa.Array:
    return column.dictionary_array().take(pa.array(codes))


def _lists(column: StringColumn, start: int, stop: int) -> pa.Array:
    """Rows without values are null lists; Druid does not tell them from null either."""
    offsets, codes = column.offsets_codes(start, stop)
    empty = np.diff(offsets) == 0
    values = _strings(column, codes)
    mask = pa.array(empty) if empty.any() else None
    return pa.LargeListArray.from_arrays(pa.array(offsets.astype(np.int64)), values, mask=mask)
