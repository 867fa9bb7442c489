"""Raw columns to typed ones, as Druid converts values, with the rows whose value could not be converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define
from numpy.typing import NDArray

from nemeton.ingest.documents import decode_documents, is_documents
from nemeton.ingest.values import column_of
from nemeton.query.numbers import LONG_MAX, LONG_MIN, clamp_long, number_texts, parse_double

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
_PLAIN = {int: "VALUE", float: "VALUE", bool: "VALUE"}
DTYPES: dict[str, Any] = {"LONG": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


@define
class Numbers:
    """A numeric column: values, the mask of nulls (None: there are none), and the rows that could not be converted."""

    values: Array
    nulls: NDArray[np.bool_] | None = None
    bad: NDArray[np.intp] | None = None


def to_strings(column: pl.Series) -> pl.Series:
    """As a String or List(String) column, numbers and booleans in Java's spelling."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.String or dtype == pl.List(pl.String):
        return column
    if is_documents(column):
        return column_of(column.name, list(decode_documents(column)), "STRING")
    if isinstance(dtype, pl.List):
        lists = column.drop_nulls()
        inner = to_strings(lists.explode(empty_as_null=False) if lists.len() else pl.Series([], dtype=pl.String))
        return _relist(column, inner)
    if dtype == pl.Null:
        return column.cast(pl.String)
    if dtype == pl.Boolean or dtype.is_integer():
        return column.cast(pl.String)
    if dtype.is_float():
        distinct = column.unique()
        texts = number_texts(distinct.fill_null(0).to_numpy(), "DOUBLE" if dtype == pl.Float64 else "FLOAT")
        return column.replace_strict(
            distinct.drop_nulls(),
            [t for t, n in zip(texts, distinct.is_null(), strict=True) if not n],
            return_dtype=pl.String,
        )
    return column.cast(pl.String)


def _relist(column: pl.Series, inner: pl.Series) -> pl.Series:
    """The values in the lists of `column`, whose own values are dropped."""
    import polars as pl

    values = iter(inner.to_list())
    rows = [None if row is None else [next(values) for _ in row] for row in column.to_list()]
    return pl.Series(column.name, rows, dtype=pl.List(pl.String))


def plain_numbers(frame: pl.DataFrame, types: Mapping[str, str]) -> dict[str, pl.Series]:
    """Columns of texts as numbers of these types, null where they are not written plainly; all columns at once."""
    import polars as pl

    texts = {name: kind for name, kind in types.items() if kind in DTYPES and frame.schema.get(name) == pl.String}
    made = frame.select(pl.col(name).cast(_target(kind), strict=False) for name, kind in texts.items())
    return made.to_dict()


def to_numbers(column: pl.Series, type_name: str, plain: pl.Series | None = None) -> Numbers:
    """A dimension's values as LONG, FLOAT or DOUBLE: what a dimension of that type accepts.

    ``plain``: the column's `plain_numbers`, if they are there already.
    """
    import polars as pl

    dtype = column.dtype
    if dtype == pl.String:
        return _from_texts(column, type_name, _exact_long if type_name == "LONG" else parse_double, plain)
    if dtype.is_numeric():
        return _from_numbers(column, type_name)
    if dtype == pl.Boolean and type_name == "LONG":
        return _from_numbers(column.cast(pl.Int64), type_name)
    return _by_kind(column, type_name, to_numbers) if is_documents(column) else _nothing(column, type_name)


def to_metric(column: pl.Series, type_name: str) -> Numbers:
    """An aggregator's input: unlike a dimension's it may hold blanks and commas, and a long may have a fraction."""
    import polars as pl

    if column.dtype == pl.String:
        return _from_texts(column, type_name, _metric_long if type_name == "LONG" else _metric_double)
    if column.dtype.is_numeric():
        return _from_numbers(column, type_name)
    return _by_kind(column, type_name, to_metric) if is_documents(column) else _nothing(column, type_name)


def _by_kind(column: pl.Series, type_name: str, convert: Callable[[pl.Series, str], Numbers]) -> Numbers:
    """Of values of several types: each type by itself."""
    values = list(decode_documents(column))
    out = _nothing(column, type_name)
    bad = []
    kinds = [type(value) for value in values]
    for kind in set(kinds):
        rows = np.array([i for i, each in enumerate(kinds) if each is kind], dtype=np.intp)
        part = convert(
            column_of(column.name, [values[i] for i in rows.tolist()], _PLAIN.get(kind, "STRING")), type_name
        )
        out.values[rows] = part.values
        assert out.nulls is not None
        out.nulls[rows] = False if part.nulls is None else part.nulls
        bad.append(rows if kind is dict else rows[part.bad] if part.bad is not None else rows[:0])
    found = np.sort(np.concatenate(bad)) if bad else np.empty(0, dtype=np.intp)
    return Numbers(out.values, out.nulls, found if len(found) else None)


def _nothing(column: pl.Series, type_name: str) -> Numbers:
    """Lists and other values that are no numbers: null, and reported."""
    values = np.zeros(len(column), dtype=DTYPES[type_name])
    return Numbers(values, np.ones(len(column), dtype=bool), np.flatnonzero(column.is_not_null().to_numpy()))


def _from_numbers(column: pl.Series, type_name: str) -> Numbers:
    nulls = column.is_null().to_numpy() if column.null_count() else None
    values = (column.fill_null(0) if nulls is not None else column).to_numpy()
    if values.dtype.kind == "f" and type_name == "LONG":
        from nemeton.query.numbers import double_to_long

        return Numbers(double_to_long(values), nulls)
    with np.errstate(over="ignore"):
        return Numbers(values.astype(DTYPES[type_name]), nulls)


def _target(type_name: str) -> type[pl.DataType]:
    import polars as pl

    return {"LONG": pl.Int64, "FLOAT": pl.Float32, "DOUBLE": pl.Float64}[type_name]


def _from_texts(
    column: pl.Series, type_name: str, exact: Callable[[str], float | int | None], plain: pl.Series | None = None
) -> Numbers:
    numbers = column.cast(_target(type_name), strict=False) if plain is None else plain
    if numbers.null_count() == 0:
        return Numbers(numbers.to_numpy())
    nulls = numbers.is_null().to_numpy()
    values = numbers.fill_null(0).to_numpy()
    if numbers.null_count() == column.null_count():
        return Numbers(values, nulls)
    odd = np.flatnonzero(nulls & column.is_not_null().to_numpy())
    texts = column.gather(odd)
    found = {text: exact(text) for text in texts.unique().to_list()}
    results = [found[text] for text in texts.to_list()]
    values, nulls = values.copy(), nulls.copy()
    with np.errstate(over="ignore"):
        values[odd] = np.array([0 if result is None else result for result in results], dtype=values.dtype)
    nulls[odd] = [result is None for result in results]
    bad = odd[nulls[odd]]
    return Numbers(values, nulls if nulls.any() else None, bad if len(bad) else None)


def _exact_long(text: str) -> int | None:
    """A whole number however it is written (``1e3``, ``5.0``); None for a fraction and for what does not fit."""
    if not _DECIMAL.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if number.adjusted() > 20 or number != number.to_integral_value():
        return None
    whole = int(number)
    return whole if LONG_MIN <= whole <= LONG_MAX else None


def _metric_double(text: str) -> float | None:
    return parse_double(text.strip().replace(",", ""))


def _metric_long(text: str) -> int | None:
    plain = text.strip().replace(",", "")
    whole = _exact_long(plain) if "." not in plain and "e" not in plain.lower() else None
    if whole is not None:
        return whole
    number = parse_double(plain)
    return None if number is None else clamp_long(number)
