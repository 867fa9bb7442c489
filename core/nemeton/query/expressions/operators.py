"""Arithmetic and comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nemeton.query.expressions.evaluate import register, register_trees_of
from nemeton.query.expressions.failures import divided_by_zero, failed
from nemeton.query.expressions.parser import Call, stringify
from nemeton.query.expressions.types import least_restrictive
from nemeton.query.expressions.vec import Vec, constant, map_values, merge_nulls, to_double, to_long, to_string
from nemeton.query.vectors import Array


def numbers(args: list[Vec]) -> tuple[str, list[Vec]]:
    """LONG when all are (nulls of no type aside), else DOUBLE; and the arguments as that."""
    kinds = {arg.type for arg in args if arg.type is not None}
    if kinds and kinds <= {"LONG"}:
        return "LONG", [to_long(arg) for arg in args]
    return "DOUBLE", [to_double(arg) for arg in args]


def both_strings(args: list[Vec]) -> bool:
    """Whether all that have a type are strings."""
    return all(arg.type in ("STRING", None) for arg in args) and any(arg.type == "STRING" for arg in args)


def long_divide(a: Array, b: Array) -> Array:
    """Towards zero. Raises as Java does for a division by zero of rows that matter, which the caller looks for."""
    safe = np.where(b == 0, 1, b)
    with np.errstate(all="ignore"):
        quotient = a // safe
        return np.where((quotient < 0) & (quotient * safe != a), quotient + 1, quotient)


def _long_remainder(a: Array, b: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.fmod(a, np.where((b == 0) | (b == -1), 1, b)))


def _long_power(a: Array, b: Array) -> Array:
    if np.any(b < 0):
        raise failed(f"exponent ({int(b[b < 0][0])}) must be >= 0", "java.lang.IllegalArgumentException")
    if np.any(b > 2**31 - 1):
        raise failed(f"Out of range: {int(b.max())}", "java.lang.IllegalArgumentException")
    with np.errstate(all="ignore"):
        return np.asarray(np.power(a, b))


Operation = Callable[[Array, Array], Array]


def arithmetic(name: str, longs: Operation, doubles: Operation, divides: bool = False) -> None:
    """Enter a binary operator. Two texts are joined by + and refused by the others."""

    @register_trees_of(name, 2)
    def apply(node: Call, args: list[Vec], count: int) -> Vec:
        if any(arg.type is None for arg in args):
            return constant(None, None)
        if both_strings(args):
            return _of_texts(node, args, count)
        kind, (left, right) = numbers(args)
        nulls = merge_nulls(left, right)
        if kind == "DOUBLE":
            with np.errstate(all="ignore"):
                return Vec(kind, doubles(left.values, right.values), nulls)
        a, b = np.broadcast_arrays(left.values, right.values)
        if divides and np.any((b == 0) if nulls is None else (b == 0) & ~nulls):
            raise divided_by_zero()
        # under a null lies anything, which no operation may stumble over
        return Vec(kind, longs(a, b if nulls is None else np.where(nulls, 1, b)), nulls)


def _of_texts(node: Call, args: list[Vec], count: int) -> Vec:
    if node.name == "+":
        return map_values(args, count, "STRING", lambda a, b: None if a is None or b is None else a + b)
    if np.any(~(args[0].null_mask() | args[1].null_mask())):
        raise failed(f"operator '{node.name}' in expression ({stringify(node)}) is not supported on type STRING.")
    return constant(None, "STRING")


def _wrapping(operation: Any) -> Operation:
    def apply(a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(operation(a, b))

    return apply


arithmetic("+", _wrapping(np.add), np.add)
arithmetic("-", _wrapping(np.subtract), np.subtract)
arithmetic("*", _wrapping(np.multiply), np.multiply)
arithmetic("/", long_divide, np.divide, divides=True)
arithmetic("%", _long_remainder, np.fmod, divides=True)
arithmetic("^", _long_power, np.power)


@register("neg", 1)
def negate(args: list[Vec], count: int) -> Vec:
    """Unary minus, of numbers only."""
    (arg,) = args
    if arg.type is None:
        return arg
    if not arg.is_numeric:
        if not arg.null_mask().all():
            raise failed(f"unsupported type {arg.type}")
        return constant(None, None)
    with np.errstate(over="ignore"):
        return Vec(arg.type, -arg.values, arg.nulls)


def java_order(operation: Any) -> Callable[[Any, Any], Any]:
    """An order of numbers as Java's Double.compare has it: NaN above all, -0.0 below 0.0."""

    def apply(a: Array, b: Array) -> Array:
        if a.dtype.kind == b.dtype.kind == "i":
            return np.asarray(operation(a, b))
        return np.asarray(operation(_sortable(a), _sortable(b)))

    return apply


def _sortable(values: Array) -> Array:
    """Doubles as int64 in the same order."""
    wide = values.astype(np.float64)
    bits = np.where(np.isnan(wide), np.float64(np.nan), wide).view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits - 1, bits)


def compare(args: list[Vec], count: int, numeric: Callable[[Any, Any], Any], other: Callable[[Any, Any], bool]) -> Vec:
    """1 or 0, null where a side is null; strings by UTF-16 units, arrays element by element, mixed types as doubles."""
    if any(arg.type is None for arg in args):
        return constant(None, "LONG")
    if all(arg.is_array for arg in args):
        return _compare_arrays(args, count, other)
    if both_strings(args):
        return _compare_texts(args, count, other)
    _, (first, second) = numbers(args)
    return Vec("LONG", numeric(first.values, second.values).astype(np.int64), merge_nulls(first, second))


def _compare_arrays(args: list[Vec], count: int, other: Callable[[Any, Any], bool]) -> Vec:
    from nemeton.query.engines.table import object_key
    from nemeton.query.expressions.logic import convert

    common = str(least_restrictive(args[0].type, args[1].type))
    return map_values(
        [convert(arg, common) for arg in args],
        count,
        "LONG",
        lambda a, b: None if a is None or b is None else int(other(object_key(a), object_key(b))),
    )


def _compare_texts(args: list[Vec], count: int, other: Callable[[Any, Any], bool]) -> Vec:
    left, right = (to_string(arg) for arg in args)

    def by_text(a: str | None, b: str | None) -> int:
        if a is None or b is None:
            return 0
        if a.isascii() and b.isascii():
            return int(other(a, b))
        return int(other(a.encode("utf-16-be", "surrogatepass"), b.encode("utf-16-be", "surrogatepass")))

    found = map_values([left, right], count, "LONG", by_text)
    return Vec("LONG", found.values, merge_nulls(left, right))


def _comparison(name: str, numeric: Callable[[Any, Any], Any], other: Callable[[Any, Any], bool]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        return compare(args, count, numeric, other)


_comparison("==", np.equal, lambda a, b: bool(a == b))
_comparison("!=", np.not_equal, lambda a, b: bool(a != b))
_comparison("<", java_order(np.less), lambda a, b: bool(a < b))
_comparison("<=", java_order(np.less_equal), lambda a, b: bool(a <= b))
_comparison(">", java_order(np.greater), lambda a, b: bool(a > b))
_comparison(">=", java_order(np.greater_equal), lambda a, b: bool(a >= b))


@register("concat", 0, None)
def concat(args: list[Vec], count: int) -> Vec:
    """Texts one after another; null when one is."""
    if not args:
        return constant(None, "STRING")
    columns = [to_string(arg) for arg in args]

    def join(*parts: Any) -> str | None:
        return None if any(part is None for part in parts) else "".join(parts)

    return map_values(columns, count, "STRING", join)
