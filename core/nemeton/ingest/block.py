"""Input columns as the query engine's vectors, so that its filters, expressions and aggregators read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.ingest.coerce import to_metric, to_strings
from nemeton.ingest.documents import decode_documents, is_documents
from nemeton.ingest.stored_values import stored_vector
from nemeton.ingest.values import column_of, java_text
from nemeton.model import ColumnType
from nemeton.query.vectors import (
    DTYPES,
    AnyVector,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    object_array,
)

if TYPE_CHECKING:
    import polars as pl

TIME = "__time"


class FrameBlock:
    """Rows of an input batch; implements `nemeton.spi.query.Block`.

    A string that is no number reads as null where a number is wanted: such rows were reported when the batch was read.
    """

    def __init__(
        self, frame: pl.DataFrame, times: NDArray[np.int64], vector_of: Callable[[pl.Series], AnyVector] | None = None
    ) -> None:
        """``vector_of``: how a column is seen; by default as aggregators see it."""
        self._frame = frame
        self._vector_of = vector_of or plain_vector
        self._times = times
        self._columns = set(frame.columns)
        self._cache: dict[Any, Any] = {}
        self.num_rows = len(times)

    def vector(self, name: str) -> AnyVector:
        """A column of the input, or ``__time``."""
        vector: AnyVector = self.cached(("vector", name), lambda: self._make(name))
        return vector

    def _make(self, name: str) -> AnyVector:
        import polars as pl

        if name == TIME:
            return NumericVector(ColumnType.LONG, self._times)
        if name in self._columns:
            return self._vector_of(self._frame[name])
        return self._vector_of(pl.Series(name, [None] * self.num_rows, dtype=pl.Null))

    def numbers(self, name: str, type_name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A column as numbers, as aggregators at ingestion read it."""
        if name == TIME or name not in self._columns:
            vector = self.vector(name)
            if isinstance(vector, NumericVector):
                return vector.values.astype(DTYPES[type_name]), None
            dtype = DTYPES[type_name]
            return np.zeros(self.num_rows, dtype=dtype), np.ones(self.num_rows, dtype=bool)
        numbers = self.cached(("numbers", name, type_name), lambda: to_metric(self._frame[name], type_name))
        return numbers.values, numbers.nulls

    def select(self, rows: NDArray[Any]) -> FrameBlock:
        """The block of these rows."""
        return FrameBlock(self._frame[rows], self._times[rows], self._vector_of)

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """A value that holds for the block, made once."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


def plain_vector(column: pl.Series) -> AnyVector:
    """A raw column as numbers or strings; lists are strings of several values, booleans longs."""
    import polars as pl

    dtype = column.dtype
    if dtype.is_integer():
        return NumericVector(ColumnType.LONG, column.fill_null(0).cast(pl.Int64).to_numpy(), _nulls(column))
    if dtype.is_float():
        return NumericVector(ColumnType.DOUBLE, column.fill_null(0).cast(pl.Float64).to_numpy(), _nulls(column))
    if dtype == pl.Boolean:
        return NumericVector(ColumnType.LONG, column.fill_null(False).cast(pl.Int64).to_numpy(), _nulls(column))
    stored = stored_vector(column)
    if stored is not None:
        return stored
    if is_documents(column):
        values = list(decode_documents(column))
        if all(value is None or type(value) in (int, float) for value in values):
            return plain_vector(column_of(column.name, values, "DOUBLE"))
    return _strings_vector(to_strings(column))


def filter_vector(column: pl.Series) -> AnyVector:
    """As a filter sees it: booleans are texts."""
    import polars as pl

    return _strings_vector(to_strings(column)) if column.dtype == pl.Boolean else plain_vector(column)


def expression_vector(column: pl.Series) -> AnyVector:
    """As an expression sees it: lists are arrays, objects documents. The values are of one kind."""
    import polars as pl

    if column.dtype == pl.Null:  # a null of any type
        nothing = np.zeros(len(column), dtype=np.int64)
        return NumericVector(ColumnType.LONG, nothing, np.ones(len(column), dtype=bool))
    if isinstance(column.dtype, pl.List) or is_documents(column):
        values = list(decode_documents(column))
        if any(isinstance(value, list) for value in values):
            return _arrays(values)
        if any(isinstance(value, dict) for value in values):
            return ObjectVector(ColumnType.parse("COMPLEX<json>"), object_array(values))
    return plain_vector(column)


def _arrays(values: list[Any]) -> ObjectVector:
    """Lists as arrays: of longs, of doubles where there are fractions, else of strings; with objects, of documents."""
    kinds = {type(item) for value in values if value is not None for item in value} - {type(None)}
    convert: Callable[[Any], Any]
    kind, convert = "STRING", java_text
    if kinds & {dict, list}:
        kind, convert = "COMPLEX<json>", _same
    elif kinds and kinds <= {int, bool}:
        kind, convert = "LONG", _optional(int)
    elif kinds and kinds <= {int, float, bool}:
        kind, convert = "DOUBLE", _optional(float)
    rows = [None if value is None else [convert(item) for item in value] for value in values]
    return ObjectVector(ColumnType.parse(f"ARRAY<{kind}>"), object_array(rows))


def _same(value: Any) -> Any:
    return value


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _strings_vector(strings: pl.Series) -> AnyVector:
    import polars as pl

    if strings.dtype == pl.String:
        codes, dictionary = _encode(strings)
        return StringVector(codes, dictionary)
    lengths = strings.list.len().fill_null(0).to_numpy()
    offsets = np.zeros(len(strings) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    flat = strings.drop_nulls().explode(empty_as_null=False)
    codes, dictionary = _encode(flat)
    return MultiStringVector(offsets, codes, dictionary)


def _nulls(column: pl.Series) -> NDArray[np.bool_] | None:
    return column.is_null().to_numpy() if column.null_count() else None


def _encode(strings: pl.Series) -> tuple[NDArray[np.int64], Dictionary]:
    encoded = strings.to_arrow().dictionary_encode(null_encoding="encode")
    values = encoded.dictionary.to_pylist()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), Dictionary(values, len(values))


def series_of(name: str, vector: AnyVector) -> pl.Series:
    """A vector that an expression made as a raw column."""
    import polars as pl

    if isinstance(vector, NumericVector):
        series = pl.Series(name, vector.values)
        return (
            series
            if vector.nulls is None
            else pl.select(pl.when(~pl.Series(vector.nulls)).then(series)).to_series().alias(name)
        )
    if isinstance(vector, StringVector):
        return pl.Series(name, vector.to_list(), dtype=pl.String)
    return column_of(name, vector.to_list(), "VALUE")
