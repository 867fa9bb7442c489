"""Raw columns of complex values that come out of segments: structs of one field, which has the name of the type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nemeton.ingest.index.pair_columns import PAIR_TYPES
from nemeton.model import ColumnType
from nemeton.query.vectors import ObjectVector, object_array

if TYPE_CHECKING:
    import polars as pl

_PREFIX = "COMPLEX<"


def stored_series(name: str, type_name: str, values: Sequence[Any]) -> pl.Series:
    """Complex values as a segment gives them: bytes, or pairs of a time and a value; ``type_name``: ``COMPLEX<…>``."""
    import polars as pl

    if type_name not in PAIR_TYPES:
        return pl.Series(name, [{type_name: value} for value in values], dtype=pl.Struct({type_name: pl.Binary}))
    kind = pl.Int64 if "LongLong" in type_name else pl.String if "LongString" in type_name else pl.Float64
    rows = [None if pair is None else {"time": pair[0], "value": pair[1]} for pair in values]
    dtype = pl.Struct({type_name: pl.Struct({"time": pl.Int64, "value": kind})})
    return pl.Series(name, [{type_name: row} for row in rows], dtype=dtype)


def stored_vector(column: pl.Series) -> ObjectVector | None:
    """The values that `stored_series` was made of; None for any other column."""
    import polars as pl

    if not isinstance(column.dtype, pl.Struct) or len(column.dtype.fields) != 1:
        return None
    type_name = column.dtype.fields[0].name
    if not type_name.startswith(_PREFIX):
        return None
    values: list[Any] = column.struct.field(type_name).to_list()
    if type_name in PAIR_TYPES:
        values = [None if v is None or v["time"] is None else (v["time"], v["value"]) for v in values]
    return ObjectVector(ColumnType.parse(type_name), object_array(values))
