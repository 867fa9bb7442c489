"""Functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import numpy as np

from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.failures import divided_by_zero, rejected
from nemeton.query.expressions.operators import both_strings, long_divide
from nemeton.query.expressions.vec import Vec, constant, loose_numbers, map_values, merge_nulls, to_double, to_long
from nemeton.query.numbers import double_to_long
from nemeton.query.vectors import Array


def _unary(name: str, function: Callable[[Array], Array]) -> None:
    @register(name, 1)
    def apply(args: list[Vec], count: int) -> Vec:
        if not args[0].is_numeric:
            return constant(None, "DOUBLE")
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


def operands(args: list[Vec]) -> tuple[str, Vec, Vec] | None:
    """LONG or DOUBLE and the two numbers; None for two texts, and beside a null of no type."""
    if any(arg.type is None for arg in args) or both_strings(args):
        return None
    kind = "LONG" if all(arg.type == "LONG" for arg in args) else "DOUBLE"
    return kind, loose_numbers(args[0], kind), loose_numbers(args[1], kind)


def _binary(name: str, function: Callable[[Any, Any], Any]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        found = operands(args)
        if found is None:
            return constant(None, "DOUBLE")
        a, b = to_double(found[1]), to_double(found[2])
        with np.errstate(all="ignore"):
            return Vec("DOUBLE", function(a.values, b.values), merge_nulls(a, b))


def _ieee_remainder(a: Array, b: Array) -> Array:
    """What is left by the nearest whole quotient, the even one of two."""
    left = np.fmod(a, b)
    size, twice = np.abs(b), 2 * np.abs(left)
    odd = np.abs(np.fmod(a, 2 * b)) >= size
    return np.asarray(np.where((twice > size) | ((twice == size) & odd), left - np.copysign(b, left), left))


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "atan2": np.arctan2, "copysign": np.copysign, "hypot": np.hypot, "pow": np.power, "nextafter": np.nextafter,
    "remainder": lambda a, b: _ieee_remainder(a, b),
}  # fmt: skip
for _name, _two in _BINARY.items():
    _binary(_name, _two)


@register("scalb", 2)
def scalb(args: list[Vec], count: int) -> Vec:
    """A number times a power of two, of which only 32 bits are taken."""
    if operands(args) is None:
        return constant(None, "DOUBLE")
    a, b = to_double(loose_numbers(args[0], "DOUBLE")), loose_numbers(args[1], "LONG")
    steps = b.values.astype(np.int32) if args[1].type != "DOUBLE" else np.clip(b.values, -(2**31), 2**31 - 1)
    with np.errstate(all="ignore"):
        values = np.ldexp(a.values, np.clip(steps, -5000, 5000).astype(np.int64))
    return Vec("DOUBLE", values, merge_nulls(a, b))


@register("abs", 1)
def absolute(args: list[Vec], count: int) -> Vec:
    """Without the sign."""
    (value,) = args
    return Vec(value.type, np.abs(value.values), value.nulls) if value.is_numeric else constant(None, None)


def _extreme(name: str, pick: Any) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        found = operands(args)
        if found is None:
            return constant(None, None)
        kind, a, b = found
        return Vec(kind, pick(a.values, b.values), merge_nulls(a, b))


_extreme("max", np.maximum)
_extreme("min", np.minimum)


@register("getexponent", 1)
def get_exponent(args: list[Vec], count: int) -> Vec:
    """The unbiased binary exponent, as Java's: 1024 for what is not finite, -1023 for zero and subnormal numbers."""
    if not args[0].is_numeric:
        return constant(None, "LONG")
    value = to_double(args[0])
    bits = (value.values.view(np.int64) >> 52) & 0x7FF
    return Vec("LONG", bits - 1023, value.nulls)


@register("pi", 0)
def pi(args: list[Vec], count: int) -> Vec:
    """The number."""
    return constant(math.pi, "DOUBLE")


@register("round", 1, 2)
def round_(args: list[Vec], count: int) -> Vec:
    """Half away from zero, to a number of decimals; longs stay longs. Infinite doubles become the largest ones."""
    value = args[0]
    if not value.is_numeric:
        if not np.all(to_double(value).null_mask()):
            raise rejected("round", f"first argument should be a LONG or DOUBLE but got {value.type} instead")
        return constant(None, value.type)
    if len(args) > 1 and args[1].type != "LONG":
        raise rejected("round", f"second argument should be a LONG but got {args[1].type or 'STRING'} instead")
    scale = to_long(args[1]) if len(args) > 1 else constant(0, "LONG")
    if scale.is_constant:
        return _rounded(value, int(scale.values[0]))
    scales = np.clip(scale.values, -400, 400)
    out = np.zeros(count, dtype=value.values.dtype)
    values = np.broadcast_to(value.values, (count,))
    for each in np.unique(scales).tolist():
        rows = np.flatnonzero(scales == each)
        out[rows] = _rounded(Vec(value.type, values[rows]), each).values
    return Vec(value.type, out, merge_nulls(value, scale))


def _rounded(value: Vec, scale: int) -> Vec:
    if value.type == "LONG":
        return Vec("LONG", _round_longs(value.values, scale), value.nulls)
    limits = np.finfo(np.float64)
    finite = np.nan_to_num(value.values, nan=0.0, posinf=limits.max, neginf=limits.min)
    if scale == 0:
        # Exact for all doubles: below 2^52 a half is representable, above there are no fractions.
        whole = np.trunc(finite)
        half = np.abs(finite - whole) >= 0.5
        return Vec("DOUBLE", np.where(half, whole + np.sign(finite), whole) + 0.0, value.nulls)
    if scale > 330:  # no double has so many decimals
        return Vec("DOUBLE", finite, value.nulls)
    step = Decimal(1).scaleb(-scale)
    distinct, inverse = np.unique(finite, return_inverse=True)
    with localcontext() as context:
        context.prec = 1400
        rounded = [float(Decimal(repr(n)).quantize(step, rounding=ROUND_HALF_UP)) + 0.0 for n in distinct.tolist()]
    return Vec("DOUBLE", np.array(rounded, dtype=np.float64)[inverse], value.nulls)


def _round_longs(values: Array, scale: int) -> Array:
    if scale >= 0:
        return values
    if scale < -19:
        return np.zeros_like(values)
    unit = 10**-scale
    exact = [((abs(n) + unit // 2) // unit * unit) * (-1 if n < 0 else 1) for n in values.tolist()]
    return np.array([(n + 2**63) % 2**64 - 2**63 for n in exact], dtype=np.int64)


@register("div", 2)
def div(args: list[Vec], count: int) -> Vec:
    """Whole quotient; of doubles the quotient cut."""
    found = operands(args)
    if found is None:
        return constant(None, None)
    kind, a, b = found
    nulls = merge_nulls(a, b)
    if kind == "DOUBLE":
        with np.errstate(all="ignore"):
            return Vec("LONG", double_to_long(np.asarray(a.values / b.values)), nulls)
    zero = np.broadcast_to(b.values == 0, np.broadcast_shapes(a.values.shape, b.values.shape))
    if np.any(zero if nulls is None else zero & ~nulls):
        raise divided_by_zero()
    return Vec("LONG", long_divide(a.values, b.values), nulls)


@register("safe_divide", 2)
def safe_divide(args: list[Vec], count: int) -> Vec:
    """The quotient; a division by zero gives null, but 0.0 by 0.0 gives 0.0."""
    found = operands(args)
    if found is None:
        return constant(None, None)
    kind, a, b = found
    nulls = merge_nulls(a, b)
    x, y = np.broadcast_arrays(a.values, b.values)
    if kind == "LONG":
        values, zero = long_divide(x, y), y == 0
    else:
        bad = (y == 0) | np.isnan(y)
        with np.errstate(all="ignore"):
            values, zero = np.where(bad, 0.0, x / y), bad & (x != 0)
    return Vec(kind, values, zero if nulls is None else zero | nulls)


def _bitwise(name: str, function: Callable[[Array, Array], Array]) -> None:
    @register(name, 2)
    def apply(args: list[Vec], count: int) -> Vec:
        if operands(args) is None:
            return constant(None, "LONG")
        a, b = loose_numbers(args[0], "LONG"), loose_numbers(args[1], "LONG")
        return Vec("LONG", function(a.values, b.values), merge_nulls(a, b))


_bitwise("bitwiseAnd", np.bitwise_and)
_bitwise("bitwiseOr", np.bitwise_or)
_bitwise("bitwiseXor", np.bitwise_xor)
_bitwise("bitwiseShiftLeft", lambda a, b: np.left_shift(a, b & 63))
_bitwise("bitwiseShiftRight", lambda a, b: np.right_shift(a, b & 63))


@register("bitwiseComplement", 1)
def bitwise_complement(args: list[Vec], count: int) -> Vec:
    """All bits turned."""
    value = _long_argument("bitwiseComplement", args[0])
    return constant(None, "LONG") if value is None else Vec("LONG", ~value.values, value.nulls)


def _long_argument(name: str, arg: Vec) -> Vec | None:
    """A number as long; None for what is none. A double beyond the longs is refused."""
    if not arg.is_numeric:
        return None
    if arg.type == "DOUBLE":
        beyond = np.abs(arg.values) > 2.0**63
        if np.any(beyond if arg.nulls is None else beyond & ~arg.nulls):
            raise rejected(name, "Possible data truncation, a param is out of LONG value range")
    return to_long(arg)


@register("bitwiseConvertDoubleToLongBits", 1)
def double_to_long_bits(args: list[Vec], count: int) -> Vec:
    """The bits of a double."""
    if not args[0].is_numeric:
        return constant(None, "LONG")
    value = to_double(args[0])
    return Vec("LONG", value.values.view(np.int64), value.nulls)


@register("bitwiseConvertLongBitsToDouble", 1)
def long_bits_to_double(args: list[Vec], count: int) -> Vec:
    """The double of these bits; a number that is no long is converted first."""
    value = _long_argument("bitwiseConvertLongBitsToDouble", args[0])
    return constant(None, "DOUBLE") if value is None else Vec("DOUBLE", value.values.view(np.float64), value.nulls)


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
        value = args[0]
        if not value.is_numeric:
            if not np.all(to_double(value).null_mask()):
                raise rejected(name, f"needs a number as its first argument but got {value.type} instead")
            return constant(None, "STRING")
        precision = args[1] if len(args) > 1 else constant(2, "LONG")
        if precision.type != "LONG":
            raise rejected(name, f"needs a LONG as its second argument but got {precision.type or 'STRING'} instead")
        bad = (precision.values < 0) | (precision.values > 3)
        if np.any(bad):
            raise rejected(name, f"given precision[{precision.values[bad][0]}] must be in the range of [0,3]")

        def one(number: int | None, digits: int) -> str | None:
            return None if number is None else human_readable(number, base, digits or 0, suffix)

        return map_values([to_long(value), precision], count, "STRING", one)


_byte_format("human_readable_binary_byte_format", 1024, "B")
_byte_format("human_readable_decimal_byte_format", 1000, "B")
_byte_format("human_readable_decimal_format", 1000, "")
