"""Values of an `auto` dimension as the one type that its ``castToType`` asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import evolve

from nemeton.ingest.index.value_columns import DocumentColumn, TypedColumn
from nemeton.ingest.values import java_text
from nemeton.model import ColumnType
from nemeton.query.numbers import to_double, to_long
from nemeton.segment.typed_objects import typed_values
from nemeton.segment.typed_values import TypedValues


def cast_values(column: TypedColumn | DocumentColumn, kind: ColumnType) -> TypedValues:
    """The values, each distinct one converted as Druid's expressions do; what cannot be converted is null."""
    if isinstance(column, DocumentColumn):
        return TypedValues.nulls(len(column))
    target = kind if kind.element is None else kind.element
    found = [_cast(value, target.kind, kind.is_array) for value in column.distinct()]
    typed = typed_values(found)
    return evolve(typed, ids=np.append(np.int32(0), typed.ids)[column.values.ids])


def _cast(value: Any, kind: str, is_array: bool) -> Any:
    if is_array:
        items = value if isinstance(value, list) else [value]
        return [_scalar(item, kind) for item in items]
    if isinstance(value, list):  # only an array of one value is a value
        return _scalar(value[0], kind) if len(value) == 1 else None
    return _scalar(value, kind)


def _scalar(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "LONG":
        return to_long(value)
    if kind == "DOUBLE":
        return to_double(value)
    return java_text(value)
