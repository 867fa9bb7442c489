"""Functions that apply a lambda to the elements of arrays, for the elements of all rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import define

from nemeton.query.expressions.evaluate import Env, register_trees, uncached
from nemeton.query.expressions.failures import misused
from nemeton.query.expressions.logic import convert, truth
from nemeton.query.expressions.parser import Call, Lambda
from nemeton.query.expressions.types import element_type
from nemeton.query.expressions.vec import Vec, constant, of_objects, to_array
from nemeton.query.vectors import Array, object_array


def _lambda(node: Call, parameters: int) -> Lambda:
    body = node.args[0]
    if not isinstance(body, Lambda):
        raise misused(node.name, "first argument must be a lambda")
    if len(body.parameters) != parameters:
        raise misused(node.name, f"lambda expression argument count of {len(body.parameters)} does not match the "
                      f"{parameters} arguments passed to it")  # fmt: skip
    return body


@define
class _Rows:
    """The arrays of each row (null ones as empty), and where they are null."""

    kind: str
    items: list[list[Any]]
    nulls: Array

    @property
    def lengths(self) -> Array:
        """How many elements each row has."""
        return np.fromiter(map(len, self.items), dtype=np.int64, count=len(self.items))


def _rows(env: Env, vec: Vec) -> _Rows:
    plain = to_array(vec.decoded())
    values = plain.values.tolist()
    if plain.is_constant or len(values) != env.count:
        values = values[:1] * env.count
    nulls = np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    return _Rows(element_type(plain.type) or "STRING", [value or [] for value in values], nulls)


def _take(vec: Vec, rows: Array) -> Vec:
    if vec.is_constant:
        return vec
    plain = vec.decoded()
    return Vec(plain.type, plain.values[rows], None if plain.nulls is None else plain.nulls[rows])


def _inner(env: Env, function: Lambda, rows: Array, bound: Sequence[Vec]) -> Vec:
    """The lambda's value for elements that come from these rows; all other names are the rows' columns."""
    names = dict(zip(function.parameters, bound, strict=True))
    outer: dict[str, Vec] = {}

    def column(name: str) -> Vec:
        if name in names:
            return names[name]
        if name not in outer:
            outer[name] = _take(env.column(name), rows)
        return outer[name]

    return Env(len(rows), column, uncached).evaluate(function.body).decoded()


def _objects(vec: Vec, count: int) -> list[Any]:
    return vec.objects() * count if vec.is_constant or len(vec.values) != count else vec.objects()


def _split(flat: Sequence[Any], lengths: Array, nulls: Array) -> list[Any]:
    ends = np.cumsum(lengths).tolist()
    return [
        None if null else list(flat[end - length : end])
        for end, length, null in zip(ends, lengths.tolist(), nulls.tolist(), strict=True)
    ]


def _mapped(env: Env, function: Lambda, columns: Sequence[_Rows], lengths: Array, nulls: Array) -> Vec:
    rows = np.repeat(np.arange(env.count), lengths)
    bound = [of_objects([item for row in column.items for item in row], column.kind) for column in columns]
    found = _inner(env, function, rows, bound)
    kind = found.type or (columns[0].kind if columns else "STRING")
    return Vec(f"ARRAY<{kind}>", object_array(_split(_objects(found, len(rows)), lengths, nulls)))


@register_trees("map", 2)
def map_(env: Env, node: Call) -> Vec:
    """The lambda of each element."""
    function = _lambda(node, 1)
    column = _rows(env, env.evaluate(node.args[1]))
    return _mapped(env, function, [column], column.lengths, column.nulls)


def _product(columns: Sequence[_Rows]) -> tuple[list[_Rows], Array, Array]:
    """Each column repeated to all combinations of the row; how many; and where an array is null."""
    nulls = np.logical_or.reduce([column.nulls for column in columns])
    lengths = np.multiply.reduce([column.lengths for column in columns]) * ~nulls
    out = []
    for at, column in enumerate(columns):
        before = np.multiply.reduce([np.ones_like(lengths), *(c.lengths for c in columns[:at])])
        after = np.multiply.reduce([np.ones_like(lengths), *(c.lengths for c in columns[at + 1 :])])
        items = [
            [] if null else [item for item in row for _ in range(inner)] * outer
            for row, null, outer, inner in zip(
                column.items, nulls.tolist(), before.tolist(), after.tolist(), strict=True
            )
        ]
        out.append(_Rows(column.kind, items, nulls))
    return out, lengths, nulls


@register_trees("cartesian_map", 2, None)
def cartesian_map(env: Env, node: Call) -> Vec:
    """The lambda of each combination of elements."""
    function = _lambda(node, len(node.args) - 1)
    columns, lengths, nulls = _product([_rows(env, env.evaluate(arg)) for arg in node.args[1:]])
    return _mapped(env, function, columns, lengths, nulls)


@register_trees("filter", 2)
def filter_(env: Env, node: Call) -> Vec:
    """The elements for which the lambda is true; null when there are none."""
    function = _lambda(node, 1)
    column = _rows(env, env.evaluate(node.args[1]))
    keep = _matches(env, function, column)
    ends = np.cumsum(column.lengths)
    kept = np.append(np.zeros(1, dtype=np.int64), np.cumsum(keep))
    lengths = kept[ends] - kept[ends - column.lengths]
    flat = [item for item, ok in zip((i for row in column.items for i in row), keep.tolist(), strict=True) if ok]
    return Vec(f"ARRAY<{column.kind}>", object_array(_split(flat, lengths, lengths == 0)))


def _matches(env: Env, function: Lambda, column: _Rows) -> Array:
    rows = np.repeat(np.arange(env.count), column.lengths)
    found = _inner(env, function, rows, [of_objects([item for row in column.items for item in row], column.kind)])
    return np.broadcast_to(truth(found)[0], (len(rows),))


def _counted(env: Env, node: Call) -> tuple[Array, _Rows]:
    """How many elements of each row match."""
    column = _rows(env, env.evaluate(node.args[1]))
    kept = np.append(np.zeros(1, dtype=np.int64), np.cumsum(_matches(env, _lambda(node, 1), column)))
    ends = np.cumsum(column.lengths)
    return kept[ends] - kept[ends - column.lengths], column


@register_trees("any", 2)
def any_(env: Env, node: Call) -> Vec:
    """Whether the lambda is true for one element."""
    return Vec("LONG", (_counted(env, node)[0] > 0).astype(np.int64))


@register_trees("all", 2)
def all_(env: Env, node: Call) -> Vec:
    """Whether the lambda is true for all elements; not of null."""
    counts, column = _counted(env, node)
    return Vec("LONG", ((counts == column.lengths) & ~column.nulls).astype(np.int64))


@register_trees("fold", 3)
def fold(env: Env, node: Call) -> Vec:
    """The lambda (element, accumulator) over the elements."""
    column = _rows(env, env.evaluate(node.args[1]))
    return _fold(env, _lambda(node, 2), [column], column.lengths, column.nulls, env.evaluate(node.args[2]))


@register_trees("cartesian_fold", 3, None)
def cartesian_fold(env: Env, node: Call) -> Vec:
    """The lambda over all combinations of elements; an empty array when there is nothing to combine."""
    function = _lambda(node, len(node.args) - 1)
    columns, lengths, nulls = _product([_rows(env, env.evaluate(arg)) for arg in node.args[1:-1]])
    found = _fold(env, function, columns, lengths, nulls, env.evaluate(node.args[-1]))
    empty = (lengths == 0) & ~nulls
    if not empty.any():
        return found
    items = _objects(found, env.count)
    return Vec(
        "ARRAY<STRING>", object_array([[] if e else item for e, item in zip(empty.tolist(), items, strict=True)])
    )


def _fold(env: Env, function: Lambda, columns: Sequence[_Rows], lengths: Array, nulls: Array, start: Vec) -> Vec:
    """Step k takes the k-th element of every row that has one, all rows at a time."""
    kind = start.type or "STRING"
    values = _objects(start.decoded(), env.count)
    for step in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > step)
        picked = rows.tolist()
        bound = [of_objects([column.items[i][step] for i in picked], column.kind) for column in columns]
        found = _inner(env, function, rows, [*bound, accumulator_vec([values[i] for i in picked], kind)])
        if found.type is not None:
            kind = found.type
        for i, value in zip(picked, _objects(found, len(picked)), strict=True):
            values[i] = value
    kind = start.type or kind
    out = of_objects(
        [None if null else v for v, null in zip(values, nulls.tolist(), strict=True)], _holding(values, kind)
    )
    return convert(out, kind) if out.type != kind else out


def accumulator_vec(values: list[Any], kind: str) -> Vec:
    """What folding has come to, as values of the type, or of the one that they have become."""
    return constant(None, None) if all(v is None for v in values) else of_objects(values, _holding(values, kind))


def _holding(values: Sequence[Any], kind: str) -> str:
    """The type, or the one that the values have become while folding."""
    if kind.startswith(("ARRAY", "COMPLEX")):
        return kind
    if any(isinstance(value, str) for value in values):
        return "STRING"
    return "DOUBLE" if any(isinstance(value, float) for value in values) else "LONG" if kind != "STRING" else kind
