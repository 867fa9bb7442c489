"""Rows of a segment as JSON values, as Druid shows them."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from nemeton.common.errors import invalid_input
from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.index import QueryableIndex
from nemeton.segment.object_columns import ObjectColumn

_BATCH_ROWS = 8192


def json_rows(index: QueryableIndex, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield each row as a dict in the order of `names`.

    Rows of a multi-value column are a list, but a single value stands for itself and no value is null. Numbers that
    JSON cannot hold are the strings `NaN`, `Infinity` and `-Infinity`. Meant for looking at segments, not for speed.
    """
    for start in range(0, index.num_rows, _BATCH_ROWS):
        stop = min(start + _BATCH_ROWS, index.num_rows)
        for values in zip(*(json_values(index, n, start, stop) for n in names), strict=True):
            yield dict(zip(names, values, strict=True))


def json_values(index: QueryableIndex, name: str, start: int, stop: int) -> list[Any]:
    """Return a range of one column as JSON values."""
    column = index.column(name)
    if column is None:
        raise invalid_input(f"There is no column [{name}] in the segment", column=name)
    if isinstance(column, StringColumn):
        return _multi(column, start, stop) if column.has_multiple_values else _single(column, start, stop)
    if isinstance(column, ObjectColumn):
        return [_plain(value) for value in column.objects(start, stop)]
    values = _numbers(column.values(start, stop))
    nulls = column.nulls(start, stop) if isinstance(column, NumericColumn) else None
    return values if nulls is None else [None if null else v for v, null in zip(values, nulls.tolist(), strict=True)]


def _plain(value: Any) -> Any:
    """An object as JSON: bytes in base64, and within arrays and documents the same names for odd numbers."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return _numbers(np.array([value]))[0]
    if isinstance(value, tuple):
        return {"lhs": value[0], "rhs": _plain(value[1])}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _numbers(values: np.ndarray) -> list[Any]:
    if values.dtype == np.float32:  # a float is shown with the digits that it takes to tell it from other floats
        values = values.astype(str).astype(np.float64)
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values.tolist()  # type: ignore[no-any-return]
    names = {np.inf: "Infinity", -np.inf: "-Infinity"}
    return ["NaN" if v != v else names.get(v, v) for v in values.tolist()]


def _single(column: StringColumn, start: int, stop: int) -> list[Any]:
    return column.lookup_many(column.codes(start, stop)).tolist()  # type: ignore[no-any-return]


def _multi(column: StringColumn, start: int, stop: int) -> list[Any]:
    offsets, codes = column.offsets_codes(start, stop)
    values, bounds = column.lookup_many(codes).tolist(), offsets.tolist()
    rows = [values[a:b] for a, b in pairwise(bounds)]
    return [row if len(row) > 1 else row[0] if row else None for row in rows]
