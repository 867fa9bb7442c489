"""Values of an expression for many rows, kept by distinct value wherever that is possible."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from attrs import define

from nemeton.query.numbers import double_to_long, format_double, strings_to_numbers
from nemeton.query.vectors import Array, is_none, object_array


@define(slots=True)
class Vec:
    """Values of one type.

    LONG and DOUBLE: `values` is an int64 or float64 array with `nulls` as mask (None: no nulls). STRING and all else:
    an object array with None for null. `type` None is a null of no type. A constant has one value that stands for
    all rows. With `codes`, row i has the value at `codes[i]`; `tag` says which codes they are: two vecs of equal tag
    have the same ones.
    """

    type: str | None
    values: Array
    nulls: Array | None = None
    is_constant: bool = False
    codes: Array | None = None
    tag: Hashable = None

    @property
    def is_numeric(self) -> bool:
        """LONG or DOUBLE."""
        return self.type in ("LONG", "DOUBLE")

    @property
    def is_array(self) -> bool:
        """An array type."""
        return self.type is not None and self.type.startswith("ARRAY")

    def null_mask(self) -> Array:
        """Where the values are null."""
        if self.is_numeric:
            return np.zeros(len(self.values), dtype=bool) if self.nulls is None else self.nulls
        return is_none(self.values)

    def decoded(self) -> Vec:
        """One value per row."""
        if self.codes is None:
            return self
        nulls = None if self.nulls is None else self.nulls[self.codes]
        return Vec(self.type, self.values[self.codes], nulls)

    def objects(self) -> list[Any]:
        """Python values, None for null."""
        if not self.is_numeric:
            return list(self.values.tolist())
        out: list[Any] = self.values.tolist()
        if self.nulls is not None:
            for i in np.flatnonzero(self.nulls).tolist():
                out[i] = None
        return out

    def numbers(self) -> tuple[Array, Array | None]:
        """As doubles (longs as longs) and the mask of nulls, None when there are none."""
        plain = self if self.is_numeric else to_double(self)
        return plain.values, plain.nulls

    def constant(self) -> Any:
        """The value of a constant."""
        return self.objects()[0]


def constant(value: Any, type_name: str | None) -> Vec:
    """A constant."""
    if type_name in ("LONG", "DOUBLE"):
        array = np.array([0 if value is None else value], dtype=np.int64 if type_name == "LONG" else np.float64)
        return Vec(type_name, array, np.array([True]) if value is None else None, True)
    return Vec(type_name, object_array([value]), None, True)


def of_objects(values: Iterable[Any], type_name: str) -> Vec:
    """Python values as a vec."""
    items = list(values)
    if type_name in ("LONG", "DOUBLE"):
        nulls = np.fromiter((item is None for item in items), dtype=bool, count=len(items))
        dtype = np.int64 if type_name == "LONG" else np.float64
        return Vec(
            type_name, np.array([0 if v is None else v for v in items], dtype=dtype), nulls if nulls.any() else None
        )
    return Vec(type_name, object_array(items))


def to_double(vec: Vec) -> Vec:
    """As DOUBLE; what is no number becomes null."""
    if vec.type == "DOUBLE":
        return vec
    if vec.type == "LONG":
        return Vec("DOUBLE", vec.values.astype(np.float64), vec.nulls, vec.is_constant)
    values, nulls = strings_to_numbers([_number_text(v) for v in vec.values.tolist()], "DOUBLE")
    return Vec("DOUBLE", values, nulls, vec.is_constant)


def to_long(vec: Vec) -> Vec:
    """As LONG; what is no number becomes null."""
    if vec.type == "LONG":
        return vec
    if vec.type == "DOUBLE":
        return Vec("LONG", double_to_long(vec.values), vec.nulls, vec.is_constant)
    values, nulls = strings_to_numbers([_number_text(v) for v in vec.values.tolist()], "LONG")
    return Vec("LONG", values, nulls, vec.is_constant)


def _number_text(value: Any) -> Any:
    """What is read as a number: the element of a list of one; "true" and "false" are 1 and 0; null for objects."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if isinstance(value, str):
        lower = value.lower() if len(value) in (4, 5) else ""
        return 1 if lower == "true" else 0 if lower == "false" else value
    return value if isinstance(value, (int, float)) else None


def loose_numbers(vec: Vec, kind: str) -> Vec:
    """As `to_long` or `to_double`, for functions of two numbers: what is no number is 0, and only null is null."""
    found = to_long(vec) if kind == "LONG" else to_double(vec)
    if vec.is_numeric:
        return found
    nulls = vec.null_mask()
    values = found.values if found.nulls is None else np.where(found.nulls, 0, found.values)
    return Vec(found.type, values, nulls if nulls.any() else None, vec.is_constant)


def text(value: Any) -> str | None:
    """A value as Druid casts it to string."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(printed, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={printed(item)}" for key, item in value.items()) + "}"
    return str(value)


def printed(value: Any) -> str:
    """A value as Java prints it, null too."""
    return "null" if value is None else str(text(value))


def single(value: Any) -> Any:
    """An array of one element counts as that where a string is wanted."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def to_string(vec: Vec) -> Vec:
    """As STRING."""
    if vec.type == "STRING":
        return vec
    return Vec("STRING", object_array([text(single(value)) for value in vec.objects()]), None, vec.is_constant)


def to_array(vec: Vec) -> Vec:
    """As an array; single values become arrays of one."""
    if vec.is_array:
        return vec
    items = [value if value is None or isinstance(value, list) else [value] for value in vec.objects()]
    return Vec(f"ARRAY<{vec.type or 'STRING'}>", object_array(items), None, vec.is_constant)


def merge_nulls(*vecs: Vec) -> Array | None:
    """Where any is null; None when nowhere."""
    out: Array | None = None
    for vec in vecs:
        mask = vec.nulls if vec.is_numeric else vec.null_mask()
        if mask is not None and mask.any():
            out = mask if out is None else out | mask
    return out


def rows_of(vecs: Sequence[Vec], count: int) -> list[list[Any]]:
    """The Python values of each, constants repeated to `count`."""
    return [vec.objects() * count if vec.is_constant and count != 1 else vec.objects() for vec in vecs]


def map_values(vecs: Sequence[Vec], count: int, type_name: str, function: Callable[..., Any]) -> Vec:
    """The function of the values of each row."""
    columns = rows_of(vecs, count)
    return of_objects([function(*row) for row in zip(*columns, strict=True)], type_name)
