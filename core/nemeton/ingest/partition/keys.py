"""Rows' keys as the JSON that Druid hashes: equal rows have equal texts, here and in Java."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nemeton.ingest.coerce import to_strings
from nemeton.ingest.rows import RowBatch
from nemeton.segment.java_order import java_sort_key

if TYPE_CHECKING:
    import polars as pl

_SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_ESCAPES = {chr(code): _SHORT.get(code, f"\\u{code:04X}") for code in (*range(32), 34, 92)}
_SPECIAL = r'["\\\x00-\x1f]'


def dimension_keys(batch: RowBatch, dimensions: Iterable[str]) -> pl.Series:
    """For each row the JSON of the list of the dimensions' values, each a list: ``[["a"],[],["b","c"]]``.

    Values are as they came, before multi-value handling; null is no value, and in a list it is the text "null".
    """
    import polars as pl

    lists = [_value_lists(batch, name).alias(str(i)) for i, name in enumerate(dimensions)]
    frame = pl.DataFrame(lists) if lists else pl.DataFrame({"0": [""] * batch.num_rows})
    joined = frame.select(pl.concat_str(pl.all(), separator=",").alias("key"))["key"]
    return "[" + joined + "]"


def row_keys(batch: RowBatch, times: NDArray[np.int64]) -> pl.Series:
    """For each row the JSON of its time and all dimensions that have values: ``[1704067200000,{"a":["x"]}]``.

    ``times`` are cut to the query granularity. Dimensions are ordered by name, the distinct values of one are sorted.
    """
    import polars as pl

    names = sorted([*batch.strings, *batch.numbers], key=java_sort_key)
    parts = []
    for i, name in enumerate(names):
        lists = _value_lists(batch, name, as_set=True).alias(str(i))
        quoted = _quoted(pl.Series([name]))[0]
        parts.append(pl.select(pl.when(lists != "[]").then(pl.lit(quoted + ":") + lists).alias(str(i))).to_series())
    texts = pl.Series("t", times).cast(pl.String)
    if not parts:
        return "[" + texts + ",{}]"
    joined = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator=",", ignore_nulls=True).alias("key"))["key"]
    return "[" + texts + ",{" + joined + "}]"


def texts_of(batch: RowBatch, name: str) -> pl.Series:
    """A dimension's values as texts, numbers in Java's spelling; String or List(String)."""
    import polars as pl

    column = batch.strings.get(name)
    if column is not None:
        return column
    numbers = batch.numbers.get(name)
    if numbers is None:
        return pl.Series(name, [None], dtype=pl.String).new_from_index(0, batch.num_rows)
    values = pl.Series(name, numbers.values)
    if numbers.nulls is not None:
        values = pl.select(pl.when(~pl.Series(numbers.nulls)).then(values)).to_series()
    return to_strings(values)


def _value_lists(batch: RowBatch, name: str, *, as_set: bool = False) -> pl.Series:
    """The JSON of each row's list of values."""
    import polars as pl

    column = texts_of(batch, name)
    if not isinstance(column.dtype, pl.List):
        quoted = _quoted(column)
        return pl.select(pl.when(column.is_null()).then(pl.lit("[]")).otherwise("[" + quoted + "]")).to_series()
    lists = column.list.eval(pl.element().fill_null("null"))
    if as_set:
        lists = lists.list.unique().list.sort()
    counts = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    flat = _quoted(lists.drop_nulls().explode(empty_as_null=False)) if counts.any() else pl.Series([], dtype=pl.String)
    return "[" + _regrouped(flat, counts).list.join(",") + "]"


def _regrouped(flat: pl.Series, counts: NDArray[np.int64]) -> pl.Series:
    """The values as lists of so many each."""
    import polars as pl
    import pyarrow as pa

    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    values = flat.to_arrow().cast(pa.large_string())
    array = pa.LargeListArray.from_arrays(pa.array(offsets), values)
    return pl.Series(array, dtype=pl.List(pl.String))


def _quoted(texts: pl.Series) -> pl.Series:
    """Each text as Jackson writes it, in quotes."""
    if bool(texts.str.contains(_SPECIAL).any()):
        texts = texts.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return '"' + texts + '"'
