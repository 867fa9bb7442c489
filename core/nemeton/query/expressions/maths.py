"""Functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np

from nemeton.common.errors import DruidException, invalid_input
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.operators import numbers
from nemeton.query.expressions.vec import Vec, constant, map_values, merge_nulls, to_double, to_long
from nemeton.query.vectors import Array


def _unary(name: str, function: Callable[[Array], Array]) -> None:
    @register(name, 1)
    def apply(args: list[Vec], count: int) -> Vec:
        value = to_double(args[0])
        with np.errstate(all="ignore"):
            return Vec("DOUBLE", np.asarray(function(value.values), dtype=np.float64), value.nulls)


_UNARY: dict[str, Callable[[Array], Array]] = {
    "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan, "cbrt": np.cbrt, "ceil": np.ceil, "cos": np.cos,
    "cosh": np.cosh, "exp": np.exp, "expm1": np.expm1, "floor": np.floor, "log": np.log, "log10": np.log10,
    "log1p": np.log1p, "rint": np.rint, "signum": np.sign, "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt,
    "tan": np.tan, "tanh": np.tanh, "todegrees": np.degrees, "toradians": np.radians,
    "cot": lambda v: np.cos(v) / np.sin(v), "ulp": lambda v: np.abs(np.spacing(v)),
    "nextup": lambda v: np.nextafter(v, np.inf),
}  # fmt: skip
for _name, _function in _UNARY.items():
    _unary(_name, _function)


def _binary(name: str, function: Callable[[Any, Any], Any]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        a, b = to_double(args[0]), to_double(args[1])
        with np.errstate(all="ignore"):
            return Vec("DOUBLE", function(a.values, b.values), merge_nulls(a, b))


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "atan2": np.arctan2, "copysign": np.copysign, "hypot": np.hypot, "pow": np.power, "nextafter": np.nextafter,
    "remainder": lambda a, b: a - np.rint(a / b) * b,
    "scalb": lambda a, b: a * np.exp2(b),
}  # fmt: skip
for _name, _two in _BINARY.items():
    _binary(_name, _two)


@register("abs", 1)
def absolute(args: list[Vec], count: int) -> Vec:
    """Without the sign."""
    _, (value,) = numbers(args)
    return Vec(value.type, np.abs(value.values), value.nulls)


def _extreme(name: str, pick: Any) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        kind, (a, b) = numbers(args)
        return Vec(kind, pick(a.values, b.values), merge_nulls(a, b))


_extreme("max", np.maximum)
_extreme("min", np.minimum)


@register("getexponent", 1)
def get_exponent(args: list[Vec], count: int) -> Vec:
    """The unbiased binary exponent."""
    value = to_double(args[0])
    exponents = np.frexp(value.values)[1].astype(np.int64) - 1
    return Vec("LONG", np.where(value.values == 0, -1023, exponents), value.nulls)


@register("pi", 0)
def pi(args: list[Vec], count: int) -> Vec:
    """The number."""
    return constant(math.pi, "DOUBLE")


@register("round", 1, 2)
def round_(args: list[Vec], count: int) -> Vec:
    """Half away from zero, to a number of decimals that must be constant; longs stay longs."""
    if args[0].type == "STRING":
        return constant(None, "STRING")
    kind, (value,) = numbers(args[:1])
    scale = to_long(args[1]).constant() if len(args) > 1 else 0
    if scale is None:
        raise invalid_input("Function[round] second argument must be a LONG")
    if kind == "LONG":
        if scale >= 0:
            return value
        unit = 10 ** min(-scale, 18)
        sign = np.sign(value.values)
        return Vec("LONG", sign * ((np.abs(value.values) + unit // 2) // unit * unit), value.nulls)
    if scale == 0:
        # Exact for all doubles: below 2^52 a half is representable, above there are no fractions.
        whole = np.trunc(value.values)
        half = np.abs(value.values - whole) >= 0.5
        rounded = np.where(half, whole + np.sign(value.values), whole)
        return Vec("DOUBLE", np.nan_to_num(rounded, nan=0.0, posinf=np.inf, neginf=-np.inf), value.nulls)
    step = Decimal(1).scaleb(-scale)

    def one(number: float) -> float:
        if math.isnan(number):
            return 0.0
        return number if math.isinf(number) else float(Decimal(repr(number)).quantize(step, rounding=ROUND_HALF_UP))

    distinct, inverse = np.unique(value.values, return_inverse=True)
    return Vec("DOUBLE", np.array([one(n) for n in distinct.tolist()], dtype=np.float64)[inverse], value.nulls)


@register("div", 2)
def div(args: list[Vec], count: int) -> Vec:
    """Whole quotient."""
    from nemeton.query.expressions.operators import _long_divide

    a, b = to_long(args[0]), to_long(args[1])
    zero = b.values == 0
    nulls = merge_nulls(a, b)
    if np.any(zero if nulls is None else zero & ~nulls):
        raise DruidException("/ by zero", persona="ADMIN")
    return Vec("LONG", _long_divide(a.values, b.values), nulls)


@register("safe_divide", 2)
def safe_divide(args: list[Vec], count: int) -> Vec:
    """The quotient, null for a division by zero."""
    from nemeton.query.expressions.operators import _long_divide

    kind, (a, b) = numbers(args)
    zero = np.broadcast_to(b.values == 0, np.broadcast_shapes(a.values.shape, b.values.shape))
    nulls = merge_nulls(a, b)
    with np.errstate(all="ignore"):
        values = _long_divide(a.values, b.values) if kind == "LONG" else a.values / b.values
    return Vec(kind, values, zero if nulls is None else zero | nulls)


def _bitwise(name: str, function: Callable[[Array, Array], Array]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        a, b = to_long(args[0]), to_long(args[1])
        return Vec("LONG", function(a.values, b.values), merge_nulls(a, b))


_bitwise("bitwiseAnd", np.bitwise_and)
_bitwise("bitwiseOr", np.bitwise_or)
_bitwise("bitwiseXor", np.bitwise_xor)
_bitwise("bitwiseShiftLeft", lambda a, b: np.left_shift(a, b & 63))
_bitwise("bitwiseShiftRight", lambda a, b: np.right_shift(a, b & 63))


@register("bitwiseComplement", 1)
def bitwise_complement(args: list[Vec], count: int) -> Vec:
    """All bits turned."""
    value = to_long(args[0])
    return Vec("LONG", ~value.values, value.nulls)


@register("bitwiseConvertDoubleToLongBits", 1)
def double_to_long_bits(args: list[Vec], count: int) -> Vec:
    """The bits of a double."""
    value = to_double(args[0])
    return Vec("LONG", value.values.view(np.int64), value.nulls)


@register("bitwiseConvertLongBitsToDouble", 1)
def long_bits_to_double(args: list[Vec], count: int) -> Vec:
    """The double of these bits; a number that is no long is converted first."""
    value = to_long(args[0])
    return Vec("DOUBLE", value.values.view(np.float64), value.nulls)


def human_readable(number: int, base: int, digits: int, suffix: str) -> str:
    """A size with a unit. All divisions but the last cut off what is left, as in Druid."""
    small = "" if suffix == "" else " B"
    if abs(number) < base:
        return f"{number}{small}"
    sign, size = ("-" if number < 0 else ""), abs(number)
    units = "KMGTPE"
    at = 0
    # So much is shown as the next unit already, because it would be rounded to a whole one.
    edge = base * base - base // 20
    while size >= edge and at < len(units) - 1:
        size //= base
        at += 1
    unit = units[at] + ("i" if base == 1024 else "") + suffix
    return f"{sign}{size / base:.{digits}f} {unit}"


def _byte_format(name: str, base: int, suffix: str) -> None:
    @register(name, 1, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        digits = to_long(args[1]).constant() if len(args) > 1 else 2

        def one(number: int | None) -> str | None:
            return None if number is None else human_readable(number, base, digits, suffix)

        return map_values([to_long(args[0])], count, "STRING", one)


_byte_format("human_readable_binary_byte_format", 1024, "B")
_byte_format("human_readable_decimal_byte_format", 1000, "B")
_byte_format("human_readable_decimal_format", 1000, "")
