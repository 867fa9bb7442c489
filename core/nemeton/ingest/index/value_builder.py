"""Raw columns of `auto` and `json` dimensions to columns of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve

from nemeton.ingest.documents import decode_document, encode_documents
from nemeton.ingest.index.value_casts import cast_values
from nemeton.ingest.index.value_columns import DocumentColumn, TypedColumn, join_values
from nemeton.json import smile
from nemeton.segment.typed_objects import is_plain_array, typed_values
from nemeton.segment.typed_values import TypedValues, bounds, distinct_values

if TYPE_CHECKING:
    import polars as pl

    from nemeton.ingest.rows import RowBatch
    from nemeton.model import ColumnType


def build_values(
    parts: Sequence[pl.Series | None], batches: Sequence[RowBatch], cast_to: ColumnType | None = None
) -> TypedColumn | DocumentColumn | None:
    """The column of all batches, a part for each (see `RowBatch.values`); None when no row has a value."""
    if all(part is None or part.null_count() == len(part) for part in parts):
        return None
    columns: list[TypedColumn | DocumentColumn] = [
        TypedColumn(TypedValues.nulls(batch.num_rows)) if part is None else build_part(part)
        for part, batch in zip(parts, batches, strict=True)
    ]
    if cast_to is not None:
        columns = [TypedColumn(cast_values(column, cast_to)) for column in columns]
    return join_values(columns)


def build_part(column: pl.Series) -> TypedColumn | DocumentColumn:
    """One raw column as values; as documents where it has objects, or arrays of objects or arrays."""
    import polars as pl

    if column.dtype == pl.Binary:
        return _of_texts(column)
    if column.dtype == pl.Struct or _is_deep(column.dtype):
        return _of_texts(encode_documents(column.name, column.to_list()))
    return TypedColumn(_typed(column))


def _is_deep(dtype: Any) -> bool:
    import polars as pl

    return isinstance(dtype, pl.List | pl.Array) and isinstance(dtype.inner, pl.List | pl.Struct | pl.Array | pl.Binary)


def _typed(column: pl.Series) -> TypedValues:
    import polars as pl

    dtype = column.dtype
    if dtype == pl.Null:
        return TypedValues.nulls(len(column))
    if isinstance(dtype, pl.List | pl.Array):
        lists = column.cast(pl.List(dtype.inner)) if isinstance(dtype, pl.Array) else column
        offsets = bounds(lists.list.len().fill_null(0).to_numpy())
        return TypedValues.of_lists(_typed(_flat(lists)), offsets, _nulls(lists))
    if dtype.is_float():
        return TypedValues.of_doubles(column.fill_null(0).cast(pl.Float64).to_numpy(), _nulls(column))
    if dtype.is_integer() or dtype == pl.Boolean:
        return TypedValues.of_longs(column.cast(pl.Int64).fill_null(0).to_numpy(), _nulls(column))
    return TypedValues.of_strings(column.cast(pl.String).to_arrow())


def _flat(lists: pl.Series) -> pl.Series:
    import polars as pl

    there = lists.drop_nulls()
    assert isinstance(lists.dtype, pl.List)
    return there.explode(empty_as_null=False) if len(there) else pl.Series([], dtype=lists.dtype.inner)


def _nulls(column: pl.Series) -> np.ndarray | None:
    return column.is_null().to_numpy() if column.null_count() else None


def _of_texts(column: pl.Series) -> TypedColumn | DocumentColumn:
    """Texts of JSON values, each distinct one read once."""
    import pyarrow as pa

    texts, codes = distinct_values(column.to_arrow().cast(pa.large_binary()))
    values = [decode_document(text) for text in texts.to_pylist()]
    if any(isinstance(v, dict) or (isinstance(v, list) and not is_plain_array(v)) for v in values):
        return _documents(values, codes)
    typed = typed_values(values)
    return TypedColumn(evolve(typed, ids=np.append(np.int32(0), typed.ids)[codes]))


def _documents(values: list[Any], codes: np.ndarray) -> DocumentColumn:
    import pyarrow as pa

    blobs = pa.array([None if value is None else smile.dumps(value) for value in values], pa.large_binary())
    documents, places = distinct_values(blobs)  # texts may differ where documents do not
    return DocumentColumn(documents, np.append(np.int32(0), places)[codes])
