"""Tuples of strings in Java's order, null first (Druid: ``StringTuple``), many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nemeton.common.errors import invalid_input
from nemeton.ingest.index.dictionaries import encode, sort_dictionary
from nemeton.ingest.partition.keys import texts_of
from nemeton.ingest.rows import RowBatch
from nemeton.segment.java_order import java_keys

if TYPE_CHECKING:
    import polars as pl

StringTuple = tuple[str | None, ...]
_MAX_COMPOSITE = 1 << 62


def tuples_of(batch: RowBatch, dimensions: Sequence[str]) -> pl.DataFrame:
    """The rows' values of these dimensions, one column each, called ``0``, ``1``, …

    Raises invalid_input for a row with several values: it has no place among ranges.
    """
    import polars as pl

    return pl.DataFrame([_single(batch, name).alias(str(i)) for i, name in enumerate(dimensions)])


def _single(batch: RowBatch, name: str) -> pl.Series:
    import polars as pl

    column = texts_of(batch, name)
    if not isinstance(column.dtype, pl.List):
        return column.cast(pl.String)
    several = (column.list.len() > 1).fill_null(False)
    if bool(several.any()):
        shown = column.filter(several)[0].to_list()
        raise invalid_input(f"Cannot partition on multi-value dimension [{name}], such as {shown}")
    return column.list.first()


def frame_of(tuples: Sequence[StringTuple], width: int) -> pl.DataFrame:
    """Tuples as `tuples_of` has them."""
    import polars as pl

    columns = [pl.Series(str(i), [row[i] for row in tuples], dtype=pl.String) for i in range(width)]
    return pl.DataFrame(columns)


def sorted_order(frame: pl.DataFrame) -> pl.Series:
    """The places of the rows in order; rows that are equal stay as they are."""
    import polars as pl

    keys = pl.DataFrame([_sort_key(column) for column in frame])
    return keys.select(pl.arg_sort_by(keys.columns, nulls_last=False, maintain_order=True).alias("order"))["order"]


def _sort_key(column: pl.Series) -> pl.Series:
    """The column itself where its order is Java's, else bytes that have it."""
    import polars as pl
    import pyarrow as pa

    array = column.to_arrow().cast(pa.large_string())
    keys = java_keys(array)
    return column if keys is array else pl.Series(column.name, keys)


def composite_ranks(frame: pl.DataFrame) -> NDArray[np.int64]:
    """A number for each row; they sort as the tuples do, equal ones are equal."""
    composite, bound = np.zeros(frame.height, dtype=np.int64), 1
    for column in frame:
        strings = sort_dictionary(encode(column))
        cardinality = max(len(strings.dictionary), 1)
        if bound * cardinality >= _MAX_COMPOSITE:
            distinct, composite = np.unique(composite, return_inverse=True)
            bound = len(distinct)
        composite = composite * cardinality + strings.codes
        bound *= cardinality
    return composite
