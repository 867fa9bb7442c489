"""Between strings and numbers, as Java does it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from nemeton.common.java_numbers import format_double as format_double
from nemeton.common.java_numbers import format_float as format_float

Array = np.ndarray[Any, Any]

_LONG = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?)[fFdD]?\Z", re.ASCII)
_HEXADECIMAL = re.compile(r"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+[fFdD]?\Z", re.ASCII)
_NAMED = {"NaN": math.nan, "Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z", re.ASCII)
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


def parse_double(text: str) -> float | None:
    """The number that a text is as a whole, without blanks, or None. Hexadecimal is not understood."""
    if _DOUBLE.match(text):
        return float(text.rstrip("fFdD"))
    return _NAMED.get(text)


def parse_java_double(text: str) -> float | None:
    """As Java's Double.parseDouble: with blanks around it, and in hexadecimal (``0x1.8p1``) too."""
    plain = text.strip("".join(map(chr, range(33))))
    return float.fromhex(plain.rstrip("fFdD")) if _HEXADECIMAL.match(plain) else parse_double(plain)


def parse_long(text: str) -> int | None:
    """The whole number that a text is, without blanks, or None also when it does not fit a long."""
    if not _LONG.match(text):
        return None
    number = int(text)
    return number if LONG_MIN <= number <= LONG_MAX else None


def clamp_long(number: float) -> int:
    """Java's cast of a double to long."""
    if math.isnan(number):
        return 0
    return LONG_MAX if number >= 2.0**63 else LONG_MIN if number <= -(2.0**63) else int(number)


def to_long(value: Any) -> int | None:
    """A scalar as long: a text with a fraction is cut; None for null and for what is no number."""
    if value is None:
        return None
    if isinstance(value, str):
        whole = parse_long(value)
        if whole is not None:
            return whole
        number = parse_double(value)
        return None if number is None else clamp_long(number)
    return value if isinstance(value, int) else clamp_long(float(value))


def to_exact_long(value: Any) -> int | None:
    """As `to_long`, but None for a text with a fraction, and for one beyond the range: as a dimension of longs."""
    if not isinstance(value, str):
        return to_long(value)
    whole = parse_long(value)
    if whole is not None or not _DECIMAL.match(value):
        return whole
    try:
        number = Decimal(value)
    except InvalidOperation:  # an exponent beyond all bounds
        return None
    fits = LONG_MIN <= number <= LONG_MAX and number == number.to_integral_value()
    return int(number) if fits else None


def to_double(value: Any) -> float | None:
    """A scalar as double; None for null and for what is no number."""
    if value is None:
        return None
    return parse_double(value) if isinstance(value, str) else float(value)


def strings_to_numbers(values: Iterable[Any], type_name: str, *, exact: bool = False) -> tuple[Array, Array | None]:
    """Texts (or numbers, or None) as numbers, and the mask of those that are none; with `exact` see `to_exact_long`."""
    convert = to_double if type_name != "LONG" else to_exact_long if exact else to_long
    parsed = [convert(value) for value in values]
    nulls = np.fromiter((item is None for item in parsed), dtype=bool, count=len(parsed))
    dtype = {"LONG": np.int64, "FLOAT": np.float32, "DOUBLE": np.float64}[type_name]
    with np.errstate(over="ignore"):
        array = np.array([0 if item is None else item for item in parsed], dtype=dtype)
    return array, nulls if nulls.any() else None


def number_texts(values: Array, type_name: str) -> list[str]:
    """Numbers as the texts that Druid makes of them."""
    if type_name == "LONG":
        return [str(item) for item in values.tolist()]
    if type_name == "FLOAT":
        return [format_float(item) for item in values]
    return [format_double(item) for item in values.tolist()]


def double_to_long(values: Array) -> Array:
    """Towards zero, NaN to 0, saturating at the ends of the range."""
    with np.errstate(invalid="ignore"):
        wide = values.astype(np.float64)
        out = np.nan_to_num(wide, nan=0.0).astype(np.int64)
    out[wide >= 2.0**63] = np.iinfo(np.int64).max
    out[wide <= -(2.0**63)] = np.iinfo(np.int64).min
    return out
