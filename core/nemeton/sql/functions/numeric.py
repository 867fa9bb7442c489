"""Numeric and bitwise functions, and those that choose among values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nemeton.sql.functions.base import NativeBuilder, SqlFunction, always, call, like_argument, returns, template
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import BIGINT, DOUBLE, VARCHAR, SqlType, least_restrictive

if TYPE_CHECKING:
    from nemeton.sql.native.expressions import ExpressionWriter


def _widest(args: Sequence[Rex]) -> SqlType:
    return least_restrictive([arg.type for arg in args]) or VARCHAR


def _modulo(args: Sequence[Rex]) -> SqlType:
    wide = _widest(args)
    return wide if wide.is_integer else DOUBLE.with_nullable(wide.nullable)


def _round_to_integer(native: str) -> NativeBuilder:
    """FLOOR and CEIL of an integer are the integer itself; of numbers they keep the type."""

    def build(writer: ExpressionWriter, rex: Call) -> str:
        argument = writer.write(rex.args[0])
        return argument if rex.args[0].type.is_integer else f"{native}({argument})"

    return build


def _truncate(writer: ExpressionWriter, rex: Call) -> str:
    """Towards zero, at so many decimals: there is no native function for it."""
    value = writer.write(rex.args[0])
    digits = rex.args[1] if len(rex.args) == 2 else None
    if digits is None:
        return f"(cast(cast({value} * 1.0,'LONG'),'DOUBLE') / 1.0)"
    scale = f"{10.0**digits.value!r}" if isinstance(digits, Literal) else f"pow(10,{writer.write(digits)})"
    return f"(cast(cast({value} * {scale},'LONG'),'DOUBLE') / {scale})"


def _fixed(native: str, name: str) -> SqlFunction:
    return SqlFunction(name, ("NUMERIC",), returns(DOUBLE), call(native))


_N, _I = "NUMERIC", "INTEGER"

NUMERIC_FUNCTIONS = [
    SqlFunction("PI", (), always(DOUBLE.with_nullable(False)), template("pi()")),
    SqlFunction("ABS", (_N,), like_argument(), call("abs")),
    SqlFunction("CEIL", (_N,), like_argument(), _round_to_integer("ceil")),
    SqlFunction("CEILING", (_N,), like_argument(), _round_to_integer("ceil")),
    SqlFunction("FLOOR", (_N,), like_argument(), _round_to_integer("floor")),
    SqlFunction("ROUND", (_N, _I), like_argument(), call("round"), required=1),
    SqlFunction("TRUNCATE", (_N, _I), like_argument(), _truncate, required=1),
    SqlFunction("TRUNC", (_N, _I), like_argument(), _truncate, required=1),
    SqlFunction("MOD", (_N, _N), _modulo, template("({0} % {1})")),
    SqlFunction("DIV", (_N, _N), returns(BIGINT), call("div")),
    SqlFunction("SAFE_DIVIDE", (_N, _N), lambda args: _widest(args).with_nullable(True), call("safe_divide")),
    SqlFunction("POWER", (_N, _N), returns(DOUBLE), call("pow")),
    *(
        _fixed(native, name)
        for native, name in (
            ("sqrt", "SQRT"),
            ("exp", "EXP"),
            ("log", "LN"),
            ("log10", "LOG10"),
            ("sin", "SIN"),
            ("cos", "COS"),
            ("tan", "TAN"),
            ("cot", "COT"),
            ("asin", "ASIN"),
            ("acos", "ACOS"),
            ("atan", "ATAN"),
            ("toRadians", "RADIANS"),
            ("toDegrees", "DEGREES"),
        )
    ),
    SqlFunction("ATAN2", (_N, _N), returns(DOUBLE), call("atan2")),
    SqlFunction("BITWISE_AND", (_N, _N), returns(BIGINT), call("bitwiseAnd")),
    SqlFunction("BITWISE_OR", (_N, _N), returns(BIGINT), call("bitwiseOr")),
    SqlFunction("BITWISE_XOR", (_N, _N), returns(BIGINT), call("bitwiseXor")),
    SqlFunction("BITWISE_COMPLEMENT", (_N,), returns(BIGINT), call("bitwiseComplement")),
    SqlFunction("BITWISE_SHIFT_LEFT", (_N, _N), returns(BIGINT), call("bitwiseShiftLeft")),
    SqlFunction("BITWISE_SHIFT_RIGHT", (_N, _N), returns(BIGINT), call("bitwiseShiftRight")),
    SqlFunction("BITWISE_CONVERT_DOUBLE_TO_LONG_BITS", (_N,), returns(BIGINT), call("bitwiseConvertDoubleToLongBits")),
    SqlFunction("BITWISE_CONVERT_LONG_BITS_TO_DOUBLE", (_N,), returns(DOUBLE), call("bitwiseConvertLongBitsToDouble")),
    SqlFunction("GREATEST", ("ANY",), lambda args: _widest(args).with_nullable(True), call("greatest"), variadic=True),
    SqlFunction("LEAST", ("ANY",), lambda args: _widest(args).with_nullable(True), call("least"), variadic=True),
    SqlFunction(
        "HUMAN_READABLE_BINARY_BYTE_FORMAT",
        (_N, _I),
        returns(VARCHAR),
        call("human_readable_binary_byte_format"),
        required=1,
    ),
    SqlFunction(
        "HUMAN_READABLE_DECIMAL_BYTE_FORMAT",
        (_N, _I),
        returns(VARCHAR),
        call("human_readable_decimal_byte_format"),
        required=1,
    ),
    SqlFunction(
        "HUMAN_READABLE_DECIMAL_FORMAT", (_N, _I), returns(VARCHAR), call("human_readable_decimal_format"), required=1
    ),
]
