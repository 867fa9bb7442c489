"""Numbers as Java writes them."""

from __future__ import annotations

import math
from typing import Any


def format_double(value: float) -> str:
    """A double as Java's Double.toString writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(float(value))
    return _java_float(text if len(text) > 6 or float(two := f"{value:.1e}") != value else two)


def format_float(value: Any) -> str:
    """A float (32 bit) as Java's Float.toString writes it."""
    number = float(value)
    if math.isnan(number) or math.isinf(number):
        return format_double(number)
    import numpy as np

    text = str(np.float32(value))
    return _java_float(text if len(text) > 6 or np.float32(two := f"{number:.1e}") != np.float32(value) else two)


def _java_float(text: str) -> str:
    """Python's shortest text in Java's notation: plain from 1e-3 up to 1e7, else d.dddE±n."""
    sign = "-" if text.startswith("-") else ""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0") or "0"
    if digits == "0":
        return f"{sign}0.0"
    if -3 < point <= 7:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"
