"""Python's form of JSON values made into raw columns, by what a column is wanted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.ingest.documents import encode_documents
from nemeton.query.expressions import vec as expressions
from nemeton.query.numbers import LONG_MAX, LONG_MIN, clamp_long

if TYPE_CHECKING:
    import polars as pl

_NULL = type(None)
_SCALARS = (int, float, bool, str)


def column_of(name: str, values: Sequence[Any], target: str) -> pl.Series:
    """The values as a column for a target of `nemeton.spi.ingest.InputRowSchema`."""
    kinds = set(map(type, values)) - {_NULL}
    if int in kinds and _has_huge(values):
        values = [_normal(value) for value in values]
        kinds = set(map(type, values)) - {_NULL}
    return _MAKERS.get(target, _values)(name, values, kinds)


def frame_of(columns: Mapping[str, pl.Series], num_rows: int) -> pl.DataFrame:
    """The columns as a frame; without any it has one without a name, so that it has its rows."""
    import polars as pl

    return pl.DataFrame(columns if columns or not num_rows else {"": pl.Series([None] * num_rows, dtype=pl.String)})


def _has_huge(values: Sequence[Any]) -> bool:
    return any(type(value) is int and not LONG_MIN <= value <= LONG_MAX for value in values)


def _normal(value: Any) -> Any:
    """A whole number too large for a long is a double, as Druid reads JSON."""
    return float(value) if type(value) is int and not LONG_MIN <= value <= LONG_MAX else value


def _strings(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    import polars as pl

    if list in kinds:
        return _lists(name, [_texts(value) for value in values], str)
    texts = values if kinds <= {str} else [java_text(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def _texts(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    return [java_text(item) for item in value] if isinstance(value, list) else [java_text(value)]


def _longs(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    import polars as pl

    if kinds <= {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else clamp_long(v) for v in values], dtype=pl.Int64)
    return _values(name, values, kinds)


def _doubles(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    import polars as pl

    if kinds <= {int, float}:
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    return _values(name, values, kinds)


def _values(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    """As they are: of one type, or documents."""
    import polars as pl

    if len(kinds) == 0:
        return pl.Series(name, values, dtype=pl.Null)
    if len(kinds) == 1:
        kind = next(iter(kinds))
        inner = _inner(values) if kind is list else None
        if kind in _SCALARS:
            return pl.Series(name, values, dtype=_dtype(kind))
        if inner is not None:
            return _lists(name, values, inner)
    return encode_documents(name, values)


def _texts_and_numbers(name: str, values: Sequence[Any], kinds: set[type]) -> pl.Series:
    """Numbers where there is nothing else, else texts."""
    if kinds <= {int}:
        return _longs(name, values, kinds)
    if kinds <= {int, float}:
        return _doubles(name, values, kinds)
    return (_values if kinds == {bool} else _strings)(name, values, kinds)


def _inner(values: Sequence[Any]) -> type | None:
    """The type of all elements, if they are scalars of one type; lists without any have none."""
    kinds = {type(item) for value in values if value is not None for item in value} - {_NULL}
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if kind is int and any(_has_huge(value) for value in values if value is not None):
        return None
    return kind if kind in _SCALARS else None


def _lists(name: str, values: Sequence[Any], kind: type) -> pl.Series:
    """Lists of one kind; through Arrow, as polars makes a series of each."""
    import polars as pl
    import pyarrow as pa

    items = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.large_string()}[kind]
    return pl.Series(name, pa.array(values, pa.large_list(items)))


def _dtype(kind: type) -> Any:
    import polars as pl

    return {int: pl.Int64, float: pl.Float64, bool: pl.Boolean, str: pl.String}[kind]


_MAKERS: dict[str, Callable[[str, Sequence[Any], set[type]], pl.Series]] = {
    "STRING": _strings,
    "LONG": _longs,
    "FLOAT": _doubles,
    "DOUBLE": _doubles,
    "ANY": _texts_and_numbers,
}


def java_text(value: Any) -> str | None:
    """The value as a string dimension takes it: as Java prints it, but null stays null."""
    return value if value is None or isinstance(value, str) else printed(value)


def printed(value: Any) -> str:
    """The value as Java prints it."""
    return expressions.printed(_normal(value))
