"""Functions of arrays, and functions that apply a lambda."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from nemeton.common.errors import invalid_input
from nemeton.query.expressions.evaluate import Env, register, register_trees
from nemeton.query.expressions.logic import of_any
from nemeton.query.expressions.parser import Call, Lambda
from nemeton.query.expressions.vec import Vec, constant, map_values, of_objects, text, to_array
from nemeton.query.vectors import object_array


def _element(vec: Vec) -> str:
    return vec.type[6:-1] if vec.is_array and vec.type else vec.type or "STRING"


def _arrays(name: str, kind: str | None, function: Callable[..., Any], first_only: bool = True) -> None:
    """Enter a function of an array and another value; null when the array is. `kind` None: the array's own type."""

    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        array = to_array(args[0])
        other = args[1] if first_only else to_array(args[1])

        def one(a: Any, b: Any) -> Any:
            return None if a is None else function(a, b)

        return map_values([array, other], count, kind or str(array.type), one)


@register("array", 0, None)
def array(args: list[Vec], count: int) -> Vec:
    """An array of the arguments."""
    kind = next((_element(arg) for arg in args if arg.type is not None), "STRING")
    return (
        map_values(args, count, f"ARRAY<{kind}>", lambda *values: list(values))
        if args
        else constant([], "ARRAY<STRING>")
    )


@register("array_length", 1)
def array_length(args: list[Vec], count: int) -> Vec:
    """How many elements."""
    return map_values([to_array(args[0])], count, "LONG", lambda a: None if a is None else len(a))


def _at(name: str, base: int) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(items: Any, at: Any) -> Any:
            if items is None or at is None or not base <= at < len(items) + base:
                return None
            return items[int(at) - base]

        return map_values([to_array(args[0]), args[1]], count, _element(args[0]), one)


_at("array_offset", 0)
_at("array_ordinal", 1)


def _find(name: str, base: int) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(items: Any, value: Any) -> Any:
            if items is None:
                return None
            return items.index(value) + base if value in items else None

        return map_values([to_array(args[0]), args[1]], count, "LONG", one)


_find("array_offset_of", 0)
_find("array_ordinal_of", 1)


def _contains(items: list[Any], other: Any) -> int:
    return int(all(value in items for value in other) if isinstance(other, list) else other in items)


_arrays("array_contains", "LONG", _contains)
_arrays("array_overlap", "LONG", lambda a, b: None if b is None else int(any(v in a for v in b)), first_only=False)
_arrays("array_append", None, lambda a, v: [*a, v])
_arrays("array_concat", None, lambda a, b: [*a, *(b or [])], first_only=False)
_arrays("array_set_add", None, lambda a, v: _sorted_set([*a, v]))
_arrays("array_set_add_all", None, lambda a, b: _sorted_set([*a, *(b or [])]), first_only=False)


def _sorted_set(items: list[Any]) -> list[Any]:
    from nemeton.query.engines.table import object_key

    return sorted(set(items), key=object_key)


@register("array_prepend", 2)
def array_prepend(args: list[Vec], count: int) -> Vec:
    """With a value put first."""
    items = to_array(args[1])
    return map_values([args[0], items], count, str(items.type), lambda v, a: None if a is None else [v, *a])


@register("scalar_in_array", 2)
def scalar_in_array(args: list[Vec], count: int) -> Vec:
    """Whether a value is in an array."""

    def one(value: Any, items: Any) -> int | None:
        if items is None:
            return None
        if value is None:
            return 1 if None in items else None
        return int(value in items)

    return map_values([args[0], to_array(args[1])], count, "LONG", one)


@register("array_slice", 2, 3)
def array_slice(args: list[Vec], count: int) -> Vec:
    """Elements from an index (of 0) until before another; what is beyond the end is null."""

    def one(items: Any, start: Any, end: Any = None) -> Any:
        if items is None or start is None:
            return None
        stop = len(items) if end is None else int(end)
        if start < 0 or start > len(items) or stop < start:
            return None
        return [items[i] if i < len(items) else None for i in range(int(start), stop)]

    items = to_array(args[0])
    return map_values([items, *args[1:]], count, str(items.type), one)


def _joined(name: str) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        def one(items: Any, separator: Any) -> str | None:
            if items is None or items == [None]:  # as in Druid
                return None
            return (separator or "").join("null" if item is None else str(text(item)) for item in items)

        return map_values([to_array(args[0]), args[1]], count, "STRING", one)


_joined("array_to_string")
_joined("mv_to_string")


@register("string_to_array", 2)
def string_to_array(args: list[Vec], count: int) -> Vec:
    """Split by a regular expression."""
    from nemeton.query.expressions.strings import java_regex

    def one(value: Any, separator: Any) -> Any:
        return None if value is None else java_regex(separator).split(value)

    return map_values(args, count, "ARRAY<STRING>", one)


@register("mv_to_array", 1)
def mv_to_array(args: list[Vec], count: int) -> Vec:
    """The values of a row as an array."""
    return to_array(args[0])


@register("array_to_mv", 1)
def array_to_mv(args: list[Vec], count: int) -> Vec:
    """An array as the values of a row."""
    return to_array(args[0])


def _lambda(node: Call) -> Lambda:
    body = node.args[0]
    if not isinstance(body, Lambda):
        raise invalid_input(f"Function[{node.name}] first argument must be a lambda")
    return body


def call_lambda(env: Env, function: Lambda, values: list[Any]) -> Any:
    """The value of a lambda for one set of arguments."""
    bound = dict(zip(function.parameters, (_vec_of(value) for value in values), strict=True))

    def column(name: str) -> Vec:
        found = bound.get(name)
        if found is None:
            raise invalid_input(f"A lambda may only use its own parameters and constants, not [{name}]")
        return found

    inner = Env(1, column, lambda key, make: make())
    return inner.evaluate(function.body).objects()[0]


def _vec_of(value: Any) -> Vec:
    if isinstance(value, list):
        return constant(value, "ARRAY<STRING>")
    return constant(value, None if value is None else of_any([value]).type)


def _inputs(env: Env, node: Call) -> list[list[Any]]:
    out = []
    for arg in node.args[1:]:
        vec = to_array(env.evaluate(arg).decoded())
        out.append(vec.objects() * env.count if vec.is_constant or len(vec.values) != env.count else vec.objects())
    return out


def _as_arrays(items: list[Any]) -> Vec:
    flat = [value for row in items if row is not None for value in (row if isinstance(row, list) else [row])]
    return Vec(f"ARRAY<{of_any(flat).type if flat else 'LONG'}>", object_array(items))


@register_trees("map", 2)
def map_(env: Env, node: Call) -> Vec:
    """The lambda of each element."""
    function = _lambda(node)
    (rows,) = _inputs(env, node)
    return _as_arrays([None if row is None else [call_lambda(env, function, [v]) for v in row] for row in rows])


@register_trees("filter", 2)
def filter_(env: Env, node: Call) -> Vec:
    """The elements for which the lambda is true."""
    function = _lambda(node)
    (rows,) = _inputs(env, node)
    return _as_arrays([None if r is None else [v for v in r if _true(call_lambda(env, function, [v]))] for r in rows])


def _true(value: Any) -> bool:
    return value is not None and (value > 0 if isinstance(value, (int, float)) else str(value).lower() == "true")


@register_trees("any", 2)
def any_(env: Env, node: Call) -> Vec:
    """Whether the lambda is true for one element."""
    function = _lambda(node)
    (rows,) = _inputs(env, node)
    return of_objects([int(any(_true(call_lambda(env, function, [v])) for v in row or [])) for row in rows], "LONG")


@register_trees("all", 2)
def all_(env: Env, node: Call) -> Vec:
    """Whether the lambda is true for all elements."""
    function = _lambda(node)
    (rows,) = _inputs(env, node)
    return of_objects([int(all(_true(call_lambda(env, function, [v])) for v in row or [])) for row in rows], "LONG")


@register_trees("fold", 3)
def fold(env: Env, node: Call) -> Vec:
    """The lambda (element, accumulator) over the elements."""
    return _fold(env, node, 1)


@register_trees("cartesian_fold", 3, None)
def cartesian_fold(env: Env, node: Call) -> Vec:
    """The lambda over all combinations of elements."""
    return _fold(env, node, len(node.args) - 2)


def _fold(env: Env, node: Call, arrays: int) -> Vec:
    function = _lambda(node)
    rows = _inputs(env, Call(node.name, node.args[: arrays + 1]))
    start = env.evaluate(node.args[-1]).decoded()
    starts = start.objects() * (env.count if start.is_constant else 1)
    out: list[Any] = []
    for row, first in zip(zip(*rows, strict=True), starts, strict=True):
        if any(items is None for items in row):
            out.append(None)
            continue
        if arrays > 1 and any(not items for items in row):  # as in Druid: nothing to combine
            out.append([])
            continue
        value = first
        for combination in itertools.product(*row):
            value = call_lambda(env, function, [*combination, value])
        out.append(value)
    return _as_arrays(out) if any(isinstance(v, list) for v in out) else of_any(out)


@register_trees("cartesian_map", 2, None)
def cartesian_map(env: Env, node: Call) -> Vec:
    """The lambda of each combination of elements."""
    function = _lambda(node)
    rows = _inputs(env, node)
    out: list[Any] = []
    for row in zip(*rows, strict=True):
        if any(items is None for items in row):
            out.append(None)
        else:
            out.append([call_lambda(env, function, list(c)) for c in itertools.product(*row)])
    return _as_arrays(out)
