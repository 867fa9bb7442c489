"""Java's String.format, and the function that calls it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from nemeton.common.errors import DruidException, invalid_input
from nemeton.query.expressions.evaluate import register
from nemeton.query.expressions.vec import Vec, map_values, text
from nemeton.query.numbers import format_double

_FORMAT = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def java_format(pattern: str, values: tuple[Any, ...]) -> str:
    """Java's String.format for the usual conversions. Raises invalid_input for others, or for too few values."""
    taken = 0

    def one(found: re.Match[str]) -> str:
        nonlocal taken
        index, flags, width, precision, kind = found.groups()
        if kind == "%":
            return "%"
        if kind == "n":
            return "\n"
        at = int(index) - 1 if index else taken
        taken += 0 if index else 1
        if at >= len(values):
            raise invalid_input(f"format: no value for [{found.group(0)}]")
        body = _convert(values[at], kind, flags, precision)
        wide = int(width or 0)
        if "0" in flags and "-" not in flags:
            sign = body[:1] if body[:1] in "+-" else ""
            return sign + body[len(sign) :].rjust(wide - len(sign), "0")
        return body.ljust(wide) if "-" in flags else body.rjust(wide)

    return _FORMAT.sub(one, pattern)


def _convert(value: Any, kind: str, flags: str, precision: str | None) -> str:
    if value is None:
        # a precision cuts the word, also where it was meant for the digits of a number
        return "null"[: int(precision)] if precision else "null"
    if kind in "sS":
        body = format_double(value) if isinstance(value, float) else str(value)
        body = body[: int(precision)] if precision else body
        return body.upper() if kind == "S" else body
    comma = "," if "," in flags else ""
    plus = "+" if "+" in flags else ""
    try:
        if kind in "bB":
            return "true"
        if kind in "hH":
            return f"{_java_hash(value) & 0xFFFFFFFF:x}"
        if kind == "c" and isinstance(value, int):
            return chr(value)
        if kind == "o" and isinstance(value, int):
            return f"{value & (2**64 - 1):o}"
        if kind == "g" and isinstance(value, float):
            return _general(value, int(precision or 6))
        if kind == "d" and isinstance(value, int):
            return f"{value:{plus}{comma}d}"
        if kind in "xX" and isinstance(value, int):
            body = f"{value & (2**64 - 1):x}"
            return body.upper() if kind == "X" else body
        if kind in "feE" and isinstance(value, float):
            return f"{value:{plus}{comma}.{precision or 6}{kind}}"
    except ValueError:
        pass
    raise invalid_input(f"format: %{kind} does not fit the value [{value}]")


def _java_hash(value: Any) -> int:
    """String.hashCode, or that of a number."""
    if isinstance(value, str):
        out = 0
        for unit in np.frombuffer(value.encode("utf-16-le", "surrogatepass"), dtype="<u2").tolist():
            out = (31 * out + unit) & 0xFFFFFFFF
        return out
    bits = value if isinstance(value, int) else int(np.float64(value).view(np.int64))
    return (bits ^ ((bits & (2**64 - 1)) >> 32)) & 0xFFFFFFFF


def _general(value: float, precision: int) -> str:
    """Java's %g: never shortened, and with an exponent beyond the digits."""
    size = abs(value)
    if size == 0 or 1e-4 <= size < 10**precision:
        whole = len(str(int(size))) if size >= 1 else 1 - (int(f"{size:e}".partition("e")[2]) + 1 if size else 0)
        return (
            f"{value:.{max(precision - whole, 0) if size >= 1 else precision - 2 + whole if size else precision - 1}f}"
        )
    return f"{value:.{precision - 1}e}"


@register("format", 1, None)
def format_(args: list[Vec], count: int) -> Vec:
    """Java's String.format."""

    def one(pattern: Any, *values: Any) -> str | None:
        if pattern is None:
            return None
        try:
            return java_format(str(text(pattern)), values)
        except DruidException:  # then Druid writes them one after another
            return "; ".join([str(text(pattern)), *("null" if value is None else str(text(value)) for value in values)])

    return map_values(args, count, "STRING", one)
