"""Truth, conditions, nulls and casts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve

from nemeton.query.expressions.evaluate import Env, register, register_trees
from nemeton.query.expressions.failures import misused, rejected
from nemeton.query.expressions.operators import both_strings, compare, numbers
from nemeton.query.expressions.parser import Call, Literal, Node
from nemeton.query.expressions.types import element_type, least_restrictive
from nemeton.query.expressions.vec import (
    Vec,
    constant,
    map_values,
    of_objects,
    to_array,
    to_double,
    to_long,
    to_string,
)
from nemeton.query.vectors import Array, object_array


def truth(vec: Vec) -> tuple[Array, Array]:
    """Where the values are true, and where they are null: numbers above 0, the text "true", an array of one of them."""
    nulls = vec.null_mask()
    if vec.is_numeric:
        return (vec.values > 0) & ~nulls, nulls
    return np.fromiter(map(_is_true, vec.values.tolist()), dtype=bool, count=len(vec.values)), nulls


def _is_true(value: Any) -> bool:
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return value.lower() == "true" if isinstance(value, str) else isinstance(value, (int, float)) and value > 0


def _long(true: Array, nulls: Array) -> Vec:
    return Vec("LONG", true.astype(np.int64), nulls if nulls.any() else None)


@register("&&", 2)
def and_(args: list[Vec], count: int) -> Vec:
    """False when one is false, else null when one is null."""
    (a, an), (b, bn) = truth(args[0]), truth(args[1])
    false = (~a & ~an) | (~b & ~bn)
    nulls = (an | bn) & ~false
    return _long(a & b, nulls)


@register("||", 2)
def or_(args: list[Vec], count: int) -> Vec:
    """True when one is true, else null when one is null."""
    (a, an), (b, bn) = truth(args[0]), truth(args[1])
    true = a | b
    return _long(true, (an | bn) & ~true)


@register("!", 1)
def not_(args: list[Vec], count: int) -> Vec:
    """Not; null stays null."""
    true, nulls = truth(args[0])
    return _long(~true & ~nulls, nulls)


@register("isnull", 1)
def is_null(args: list[Vec], count: int) -> Vec:
    """Whether it is null."""
    return Vec("LONG", args[0].null_mask().astype(np.int64))


@register("notnull", 1)
def not_null(args: list[Vec], count: int) -> Vec:
    """Whether it is not null."""
    return Vec("LONG", (~args[0].null_mask()).astype(np.int64))


@register("istrue", 1)
def is_true(args: list[Vec], count: int) -> Vec:
    """Whether it is true; never null."""
    return Vec("LONG", truth(args[0])[0].astype(np.int64))


@register("isfalse", 1)
def is_false(args: list[Vec], count: int) -> Vec:
    """Whether it is false; never null."""
    true, nulls = truth(args[0])
    return Vec("LONG", (~true & ~nulls).astype(np.int64))


@register("nottrue", 1)
def not_true(args: list[Vec], count: int) -> Vec:
    """Whether it is false or null."""
    return Vec("LONG", (~truth(args[0])[0]).astype(np.int64))


@register("notfalse", 1)
def not_false(args: list[Vec], count: int) -> Vec:
    """Whether it is true or null."""
    true, nulls = truth(args[0])
    return Vec("LONG", (true | nulls).astype(np.int64))


def _distinct(args: list[Vec], count: int) -> Array:
    """Where they differ; texts that are no numbers are all alike beside a number, as in Druid."""
    equal = compare(args, count, np.equal, lambda a, b: bool(a == b))
    a, b = args[0].null_mask(), args[1].null_mask()
    if not both_strings(args) and not all(arg.is_array for arg in args):
        _, (first, second) = numbers(args)
        x, y = first.null_mask(), second.null_mask()
        same = np.where(a | b, a & b, np.where(x | y, x & y, equal.values > 0))
    else:
        same = np.where(a | b, a & b, equal.values > 0)
    return ~np.broadcast_to(same, (count,)) if count != len(same) else ~same


@register("isdistinctfrom", 2)
def is_distinct_from(args: list[Vec], count: int) -> Vec:
    """Whether they differ, null being a value."""
    return Vec("LONG", _distinct(args, count).astype(np.int64))


@register("notdistinctfrom", 2)
def not_distinct_from(args: list[Vec], count: int) -> Vec:
    """Whether they are the same, null being a value."""
    return Vec("LONG", (~_distinct(args, count)).astype(np.int64))


def common_type(types: Sequence[str | None]) -> str:
    """The type that holds values of all: strings win, then doubles."""
    found: str | None = None
    for kind in types:
        found = least_restrictive(found, kind)
    return found or "STRING"


def convert(vec: Vec, type_name: str) -> Vec:
    """A cast."""
    if vec.type == type_name:
        return vec
    if type_name == "LONG":
        return to_long(vec)
    if type_name in ("DOUBLE", "FLOAT"):
        return to_double(vec)
    if type_name == "STRING":
        return to_string(vec)
    if type_name.startswith("ARRAY<"):
        element = type_name[6:-1]
        arrays = to_array(vec).values
        if vec.type == type_name or (vec.is_array and element_type(vec.type) == element):
            return Vec(type_name, arrays, None, vec.is_constant)
        items = [None if a is None else convert(of_any(a), element).objects() for a in arrays]
        return Vec(type_name, object_array(items), None, vec.is_constant)
    return Vec(type_name, vec.values if not vec.is_numeric else object_array(vec.objects()), None, vec.is_constant)


def of_any(items: Sequence[Any]) -> Vec:
    """Python values of whatever type they have."""
    if any(isinstance(item, str) for item in items):
        return of_objects([item if item is None or isinstance(item, str) else str(item) for item in items], "STRING")
    return of_objects(items, "DOUBLE" if any(isinstance(item, float) for item in items) else "LONG")


def choose(conditions: Sequence[Array], values: Sequence[Vec], default: Vec, count: int) -> Vec:
    """For each row the value of the first condition that holds."""
    kind = common_type([vec.type for vec in (*values, default)])
    parts = [convert(vec, kind) for vec in (*values, default)]
    left = np.ones(count, dtype=bool)
    numeric = kind in ("LONG", "DOUBLE")
    out: Array = np.zeros(count, dtype=parts[0].values.dtype) if numeric else np.full(count, None, dtype=object)
    nulls = np.zeros(count, dtype=bool)
    for condition, part in zip([*conditions, np.ones(count, dtype=bool)], parts, strict=True):
        taken = left & np.broadcast_to(condition, (count,))
        picked = np.flatnonzero(taken)
        if len(picked):
            if part.is_constant:
                out[picked] = part.values[0] if numeric else object_array([part.values[0]])
            else:
                out[picked] = part.values[picked]
            if part.is_numeric and part.nulls is not None:
                nulls[picked] = part.nulls[0] if part.is_constant else part.nulls[picked]
        left &= ~taken
    return Vec(kind, out, nulls if numeric and nulls.any() else None)


@register("if", 3)
def if_(args: list[Vec], count: int) -> Vec:
    """The second when the first is true, else the third."""
    return choose([truth(args[0])[0]], [args[1]], args[2], count)


@register("case_searched", 2, None)
def case_searched(args: list[Vec], count: int) -> Vec:
    """The value after the first condition that is true, else the last argument, else null."""
    default = args[-1] if len(args) % 2 else constant(None, None)
    pairs = args[: len(args) // 2 * 2]
    return choose([truth(arg)[0] for arg in pairs[::2]], pairs[1::2], default, count)


@register("case_simple", 3, None)
def case_simple(args: list[Vec], count: int) -> Vec:
    """The value after the first argument that equals the first one, else the last argument, else null."""
    subject, rest = args[0], args[1:]
    default = rest[-1] if len(rest) % 2 else constant(None, None)
    pairs = rest[: len(rest) // 2 * 2]
    conditions = [truth(compare([subject, arg], count, np.equal, lambda a, b: bool(a == b)))[0] for arg in pairs[::2]]
    return choose(conditions, pairs[1::2], default, count)


@register("nvl", 2)
def nvl(args: list[Vec], count: int) -> Vec:
    """The first, or where it is null the second."""
    return choose([~args[0].null_mask()], [args[0]], args[1], count)


@register("coalesce", 1, None)
def coalesce(args: list[Vec], count: int) -> Vec:
    """The first that is not null."""
    return choose([~arg.null_mask() for arg in args[:-1]], args[:-1], args[-1], count)


@register_trees("cast", 2)
def cast(env: Env, node: Call) -> Vec:
    """As another type, which must be a constant."""
    kind = _type_of(node.args[1])
    value = env.evaluate(node.args[0])
    if value.codes is None:
        return evolve(_cast(value, kind), is_constant=value.is_constant)

    def make() -> Any:
        return _cast(evolve(value, codes=None, tag=None), kind), node

    found: Vec = env.cached(("expression", id(node), value.tag), make)[0]
    return found if found.is_constant else evolve(found, codes=value.codes, tag=value.tag)


def _cast(vec: Vec, kind: str) -> Vec:
    """`convert`, but for what cannot be: several values as one, objects as anything else."""
    if vec.type is not None and vec.type != kind and not vec.null_mask().all():
        several = vec.is_array and not kind.startswith(("ARRAY", "COMPLEX"))
        if several and any(v is not None and len(v) != 1 for v in vec.values.tolist()):
            raise rejected("cast", f"encountered exception: Invalid type, cannot cast [{vec.type}] to [{kind}]")
        if vec.type.startswith("COMPLEX") and any(isinstance(v, (dict, list)) for v in vec.values.tolist()):
            raise rejected("cast", f"encountered exception: Invalid type, cannot cast [{vec.type}] to [{kind}]")
    return convert(vec, kind)


def _type_of(node: Node) -> str:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise misused("cast", "second argument must be a literal")
    name = node.value.upper()
    if name not in ("LONG", "DOUBLE", "STRING") and not name.startswith(("ARRAY<", "COMPLEX<")):
        raise misused("cast", f"Invalid type [{node.value}]")
    return name.replace("COMPLEX<JSON>", "COMPLEX<json>")


@register("greatest", 0, None)
def greatest(args: list[Vec], count: int) -> Vec:
    """The greatest that is not null."""
    return _extreme("greatest", args, count, True)


@register("least", 0, None)
def least(args: list[Vec], count: int) -> Vec:
    """The least that is not null."""
    return _extreme("least", args, count, False)


def _extreme(name: str, args: list[Vec], count: int, largest: bool) -> Vec:
    if not args:
        return constant(None, "STRING")
    for arg in args:
        if arg.type is not None and arg.type not in ("LONG", "DOUBLE", "STRING") and not arg.null_mask().all():
            raise rejected(name, f"does not accept {arg.type} types")
    kind = common_type(["LONG", *(arg.type for arg in args)])

    def pick(*values: Any) -> Any:
        present = [value for value in values if value is not None]
        if kind == "DOUBLE" and any(value != value for value in present):
            return math.nan
        return None if not present else max(present) if largest else min(present)

    return map_values([convert(arg, kind) for arg in args], count, kind, pick)
