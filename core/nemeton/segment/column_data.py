"""Whole columns in memory, as `write_segment` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import pyarrow as pa

    from nemeton.model import ColumnType
    from nemeton.segment.typed_values import TypedValues

    Dictionary: TypeAlias = Sequence[str | None] | pa.Array


@define(eq=False)
class NumberData:
    """Numbers with an optional mask of the rows that are null; what stands under a null does not matter."""

    name: str
    values: np.ndarray
    nulls: np.ndarray | None = None

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.values)


@define(eq=False)
class LongData(NumberData):
    """A long column; `__time` is one, in milliseconds since the epoch, ascending."""

    value_type = "LONG"
    dtype = np.dtype("<i8")


@define(eq=False)
class FloatData(NumberData):
    """A float column."""

    value_type = "FLOAT"
    dtype = np.dtype("<f4")


@define(eq=False)
class DoubleData(NumberData):
    """A double column."""

    value_type = "DOUBLE"
    dtype = np.dtype("<f8")


@define(eq=False)
class StringData:
    """A string column with one value per row.

    `dictionary` holds the distinct values in Java's order (`nemeton.segment.java_order`), null first, as a list or as
    an Arrow string array (much faster for large ones); `codes` are positions in it, one per row.
    """

    name: str
    dictionary: Dictionary
    codes: np.ndarray
    has_bitmaps: bool = True

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.codes)


@define(eq=False)
class MultiStringData:
    """A string column with any number of values per row: row i has `codes[offsets[i]:offsets[i + 1]]`.

    A row without values is null; null then joins the dictionary if it is not there.
    """

    name: str
    dictionary: Dictionary
    offsets: np.ndarray
    codes: np.ndarray
    has_bitmaps: bool = True

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.offsets) - 1


@define(eq=False)
class AutoData:
    """An `auto` column: values of any types but documents. What is written is the form for the types that occur.

    ``cast_to`` is the type that the column has whatever occurs (Druid's ``castToType``); the values are of it.
    """

    name: str
    values: TypedValues
    cast_to: ColumnType | None = None

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.values)


@define(eq=False)
class DocumentData:
    """A column of documents, as `json` and `auto` columns hold them: JSON values, some of them objects.

    ``documents`` are the distinct ones in Smile, as `nemeton.json.smile` writes it (an Arrow large_binary array without
    nulls); a row's code is 0 for null, else the place of its document, counted from 1.
    """

    name: str
    documents: pa.Array
    codes: np.ndarray

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.codes)


@define(eq=False)
class ComplexData:
    """Complex values of a type: one byte string a row, as the type's serde makes it (an Arrow large_binary array).

    Null is written as nothing.
    """

    name: str
    type_name: str
    blobs: pa.Array

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.blobs)


@define(eq=False)
class PairData:
    """Pairs of a time and a value (`serializablePairLongString` and its kin): (milliseconds, value or None), or None.

    That is what an opened segment gives for such a column.
    """

    name: str
    type_name: str
    pairs: Sequence[tuple[int, Any] | None]

    @property
    def num_rows(self) -> int:
        """How many rows the column has."""
        return len(self.pairs)


ColumnData = (
    LongData | FloatData | DoubleData | StringData | MultiStringData | AutoData | DocumentData | ComplexData | PairData
)
