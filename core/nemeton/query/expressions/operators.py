"""Arithmetic and comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nemeton.common.errors import DruidException
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.vec import Vec, constant, map_values, merge_nulls, text, to_double, to_long, to_string
from nemeton.query.vectors import Array


def numbers(args: list[Vec]) -> tuple[str, list[Vec]]:
    """LONG when all are (nulls of no type aside), else DOUBLE; and the arguments as that."""
    kinds = {arg.type for arg in args if arg.type is not None}
    if kinds and kinds <= {"LONG"}:
        return "LONG", [to_long(arg) for arg in args]
    return "DOUBLE", [to_double(arg) for arg in args]


def _both_strings(args: list[Vec]) -> bool:
    return all(arg.type in ("STRING", None) for arg in args) and any(arg.type == "STRING" for arg in args)


def arithmetic(name: str, longs: Callable[[Array, Array], Array], doubles: Callable[[Array, Array], Array]) -> None:
    """Enter a binary operator."""

    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if _both_strings(args):
            if name == "+":
                return map_values(args, count, "STRING", lambda a, b: None if a is None or b is None else a + b)
            return constant(None, "STRING") if any(arg.type is None for arg in args) else _to_numbers(args)
        kind, (left, right) = numbers(args)
        with np.errstate(all="ignore"):
            values = (longs if kind == "LONG" else doubles)(left.values, right.values)
        return Vec(kind, values, merge_nulls(left, right))

    def _to_numbers(args: list[Vec]) -> Vec:
        left, right = to_double(args[0]), to_double(args[1])
        with np.errstate(all="ignore"):
            return Vec("DOUBLE", doubles(left.values, right.values), merge_nulls(left, right))


def _long_divide(a: Array, b: Array) -> Array:
    """Towards zero; a division by zero gives 0 here and null in `_divide`."""
    safe = np.where(b == 0, 1, b)
    quotient = np.abs(a) // np.abs(safe)
    return np.where((a < 0) != (safe < 0), -quotient, quotient)


def _long_remainder(a: Array, b: Array) -> Array:
    safe = np.where(b == 0, 1, b)
    return np.asarray(np.fmod(a, safe))


arithmetic("+", np.add, np.add)
arithmetic("-", np.subtract, np.subtract)
arithmetic("*", np.multiply, np.multiply)


def _dividing(name: str, longs: Callable[[Array, Array], Array], doubles: Callable[[Array, Array], Array]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        kind, (left, right) = numbers(args)
        nulls = merge_nulls(left, right)
        if kind == "LONG":
            zero = right.values == 0
            if nulls is not None:
                zero = zero & ~nulls
            if np.any(zero & np.ones_like(left.values, dtype=bool)):
                raise DruidException("/ by zero", persona="ADMIN")
        with np.errstate(all="ignore"):
            return Vec(kind, (longs if kind == "LONG" else doubles)(left.values, right.values), nulls)


_dividing("/", _long_divide, np.divide)
_dividing("%", _long_remainder, np.fmod)


@register("^", 2)
def power(args: list[Vec], count: int) -> Vec:
    """To the power; whole numbers give a whole number."""
    kind, (left, right) = numbers(args)
    with np.errstate(all="ignore"):
        values = np.power(left.values.astype(np.float64), right.values.astype(np.float64))
    result = Vec("DOUBLE", values, merge_nulls(left, right))
    return to_long(result) if kind == "LONG" else result


@register("neg", 1)
def negate(args: list[Vec], count: int) -> Vec:
    """Unary minus."""
    _, (value,) = numbers(args)
    with np.errstate(over="ignore"):
        return Vec(value.type, -value.values, value.nulls)


def compare(args: list[Vec], count: int, numeric: Callable[[Any, Any], Any], other: Callable[[Any, Any], bool]) -> Vec:
    """1 or 0, null where a side is null; strings by UTF-16 units, mixed types as doubles."""
    if any(arg.is_array for arg in args):
        from nemeton.query.engines.table import object_key

        return map_values(
            args,
            count,
            "LONG",
            lambda a, b: None if a is None or b is None else int(other(object_key(a), object_key(b))),
        )
    if all(arg.type is None for arg in args):
        return constant(None, "LONG")
    if _both_strings(args):
        left, right = (to_string(arg) for arg in args)
        nulls = merge_nulls(left, right)

        def by_text(a: str | None, b: str | None) -> int:
            if a is None or b is None:
                return 0
            if a.isascii() and b.isascii():
                return int(other(a, b))
            return int(other(a.encode("utf-16-be", "surrogatepass"), b.encode("utf-16-be", "surrogatepass")))

        found = map_values([left, right], count, "LONG", by_text)
        return Vec("LONG", found.values, nulls)
    _, (first, second) = numbers(args)
    return Vec("LONG", numeric(first.values, second.values).astype(np.int64), merge_nulls(first, second))


def _comparison(name: str, numeric: Callable[[Any, Any], Any], other: Callable[[Any, Any], bool]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        return compare(args, count, numeric, other)


_comparison("==", np.equal, lambda a, b: bool(a == b))
_comparison("!=", np.not_equal, lambda a, b: bool(a != b))
_comparison("<", np.less, lambda a, b: bool(a < b))
_comparison("<=", np.less_equal, lambda a, b: bool(a <= b))
_comparison(">", np.greater, lambda a, b: bool(a > b))
_comparison(">=", np.greater_equal, lambda a, b: bool(a >= b))


@register("concat", 0, None)
def concat(args: list[Vec], count: int) -> Vec:
    """Texts one after another; null when one is."""
    if not args:
        return constant(None, "STRING")

    def join(*parts: Any) -> str | None:
        texts = [text(part) for part in parts]
        return None if any(part is None for part in texts) else "".join(str(part) for part in texts)

    return map_values(args, count, "STRING", join)
