"""Whole columns in memory, as `write_segment` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import define

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import pyarrow as pa

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


ColumnData = LongData | FloatData | DoubleData | StringData | MultiStringData
