"""Functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nemeton.query.expressions.evaluate import register, register_trees
from nemeton.query.expressions.failures import misused, rejected
from nemeton.query.expressions.logic import convert
from nemeton.query.expressions.parser import Call, Identifier
from nemeton.query.expressions.types import array_type, element_type, least_restrictive
from nemeton.query.expressions.vec import Vec, constant, map_values, text, to_array, to_double, to_long, to_string


def _element(vec: Vec) -> str:
    return element_type(vec.type) or "STRING"


def _is_null(vec: Vec) -> bool:
    """A null of no type."""
    return vec.type is None


@register("array", 1, None)
def array(args: list[Vec], count: int) -> Vec:
    """An array of the arguments, as the type that holds them all."""
    kind: str | None = None
    for arg in args:
        if not (arg.is_constant and arg.null_mask().all()):
            kind = least_restrictive(kind, arg.type)
    parts = [convert(arg, kind or "LONG") for arg in args]
    return map_values(parts, count, f"ARRAY<{kind or 'LONG'}>", lambda *values: list(values))


@register("array_length", 1)
def array_length(args: list[Vec], count: int) -> Vec:
    """How many elements."""
    return map_values([to_array(args[0])], count, "LONG", lambda a: None if a is None else len(a))


def _int(vec: Vec) -> Vec:
    """An index, of 32 bits as in Java: what is no number is 0."""
    found = to_long(vec)
    whole = (found.values * ~found.null_mask()).astype(np.int32).astype(np.int64)
    return Vec("LONG", whole, None, vec.is_constant)


def _at(name: str, base: int) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if _is_null(args[0]):
            return constant(None, None)

        def one(items: Any, at: int) -> Any:
            return items[at - base] if items is not None and base <= at < len(items) + base else None

        return map_values([to_array(args[0]), _int(args[1])], count, _element(args[0]), one)


_at("array_offset", 0)
_at("array_ordinal", 1)


def _same_kind(items: list[Any], value: Any) -> int:
    """Where a value is; whole numbers and doubles are not alike, as in Java."""
    for at, item in enumerate(items):
        if item == value and type(item) is type(value):
            return at
    return -1


def _find(name: str, base: int) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if args[1].is_array:
            raise rejected(name, f"second argument must be a a scalar type but got {args[1].type} instead")

        def one(items: Any, value: Any) -> Any:
            at = -1 if items is None else _same_kind(items, value)
            return None if at < 0 else at + base

        return map_values([to_array(args[0]), args[1]], count, "LONG", one)


_find("array_offset_of", 0)
_find("array_ordinal_of", 1)


@register("array_contains", 2)
def array_contains(args: list[Vec], count: int) -> Vec:
    """Whether an array has an element, or all elements of another."""
    items, other = to_array(args[0]), args[1]
    if _is_null(args[0]):
        return constant(None, "LONG")
    if other.is_array:
        wanted = convert(other, str(items.type))

        def has_all(a: Any, b: Any) -> int | None:
            return None if a is None else int(b is not None and all(value in a for value in b))

        return map_values([items, wanted], count, "LONG", has_all)

    def has(a: Any, given: Any, value: Any) -> int | None:
        return None if a is None else int(value in a and (value is not None or given is None))

    return map_values([items, other, convert(other, _element(items))], count, "LONG", has)


@register("array_overlap", 2)
def array_overlap(args: list[Vec], count: int) -> Vec:
    """Whether two arrays share an element."""
    items = to_array(args[0])
    if _is_null(args[0]):
        return constant(None, "LONG")
    other = convert(to_array(args[1]), str(items.type))

    def one(a: Any, b: Any) -> int | None:
        return None if a is None else int(b is not None and any(value in b for value in a))

    return map_values([items, other], count, "LONG", one)


@register("scalar_in_array", 2)
def scalar_in_array(args: list[Vec], count: int) -> Vec:
    """Whether a value is in an array; null, which is only equal to itself, else gives null."""
    if _is_null(args[1]):
        return constant(None, "LONG")
    items, value = to_array(args[1]), args[0]
    wanted = _comparable(value, _element(items))

    def one(given: Any, element: Any, array: Any) -> int | None:
        if array is None:
            return None
        if given is None:
            return 1 if None in array else None
        return int(element is not None and element in array)

    return map_values([value, wanted, items], count, "LONG", one)


def _comparable(vec: Vec, kind: str) -> Vec:
    """As another type where the value is the same in it, else null: a text is no number unless the number says it."""
    if vec.type in (kind, None):
        return vec
    if kind in ("LONG", "DOUBLE") and vec.type in ("LONG", "DOUBLE", "STRING"):
        found = to_long(vec) if kind == "LONG" else to_double(vec)
        back = to_double(vec)
        same = [n is not None and n == d for n, d in zip(found.objects(), back.objects(), strict=True)]
        return _masked(found, same)
    return to_string(vec) if kind == "STRING" and not vec.is_array else convert(vec, kind)


def _masked(vec: Vec, keep: list[bool]) -> Vec:
    nulls = ~np.array(keep, dtype=bool) | vec.null_mask()
    return Vec(vec.type, vec.values, nulls if nulls.any() else None, vec.is_constant)


def _adding(name: str, array_at: int, function: Callable[[list[Any], Any], list[Any]]) -> None:
    """Enter a function of an array and an element, which is cast to the array's."""

    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if _is_null(args[array_at]):
            return constant(None, None)
        items = to_array(args[array_at])
        value = convert(args[1 - array_at], _element(items))
        return map_values([items, value], count, str(items.type), lambda a, v: None if a is None else function(a, v))


def _merging(name: str, function: Callable[[list[Any], list[Any]], list[Any]]) -> None:
    """Enter a function of two arrays."""

    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if _is_null(args[0]) or _is_null(args[1]):
            return constant(None, array_type(args[0].type or args[1].type))
        a, b = to_array(args[0]), to_array(args[1])
        return map_values([a, b], count, str(a.type), lambda x, y: None if x is None or y is None else function(x, y))


def _sorted_set(items: list[Any]) -> list[Any]:
    from nemeton.query.engines.table import object_key

    distinct = {object_key(item): item for item in reversed(items)}
    return [distinct[key] for key in sorted(distinct)]


_adding("array_append", 0, lambda a, v: [*a, v])
_adding("array_prepend", 1, lambda a, v: [v, *a])
_adding("array_set_add", 0, lambda a, v: _sorted_set([*a, v]))
_merging("array_concat", lambda a, b: [*a, *b])
_merging("array_set_add_all", lambda a, b: _sorted_set([*a, *b]))


@register("array_slice", 2, 3)
def array_slice(args: list[Vec], count: int) -> Vec:
    """Elements from an index (of 0) until before another; what is beyond the end is null."""
    if _is_null(args[0]):
        return constant(None, None)

    def one(items: Any, start: int, *ends: int) -> Any:
        if items is None:
            return None
        end = ends[0] if ends else len(items)
        if start < 0 or start > len(items) or start > end:
            return None
        return [items[i] if i < len(items) else None for i in range(start, end)]

    items = to_array(args[0])
    return map_values([items, *map(_int, args[1:])], count, str(items.type), one)


@register("array_to_string", 2)
def array_to_string(args: list[Vec], count: int) -> Vec:
    """The elements' texts, joined; null for a single null, as in Druid."""

    def one(items: Any, separator: str | None) -> str | None:
        if items is None or items == [None]:
            return None
        return (separator or "").join("null" if item is None else str(text(item)) for item in items)

    return map_values([to_array(args[0]), to_string(args[1])], count, "STRING", one)


@register("string_to_array", 2)
def string_to_array(args: list[Vec], count: int) -> Vec:
    """Split by a regular expression, as Java splits: without empty texts at the end."""
    from nemeton.query.expressions.regexes import java_split

    def one(value: str | None, separator: str | None) -> Any:
        return None if value is None else java_split(separator or "", value)

    return map_values([to_string(args[0]), to_string(args[1])], count, "ARRAY<STRING>", one)


def _strings(vec: Vec) -> Vec:
    return convert(to_array(vec), "ARRAY<STRING>")


@register_trees("mv_to_array", 1)
def mv_to_array(env: Any, node: Call) -> Vec:
    """The values of a column's row as an array of strings."""
    if not isinstance(node.args[0], Identifier):
        raise misused("mv_to_array", "argument should be an identifier expression. Use array() instead")
    return _strings(env.evaluate(node.args[0]).decoded())


@register("array_to_mv", 1)
def array_to_mv(args: list[Vec], count: int) -> Vec:
    """An array as the values of a row."""
    return _strings(args[0])


@register("mv_harmonize_nulls", 1)
def mv_harmonize_nulls(args: list[Vec], count: int) -> Vec:
    """Null and the empty array as an array of one null."""
    return map_values([_strings(args[0])], count, "ARRAY<STRING>", lambda items: items or [None])
