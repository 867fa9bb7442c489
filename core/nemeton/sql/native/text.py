"""Native expressions as text: literals and identifiers in Druid's spelling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def string_literal(value: str) -> str:
    """A string in quotes; everything but plain ASCII letters, digits and a few signs is written as ``\\uXXXX``."""
    parts = ["'"]
    for unit in _utf16(value):
        character = chr(unit)
        if unit < 128 and (character.isalnum() or character in " ,._-;:(){}[]<>!@#$%^&*`~?/"):
            parts.append(character)
        else:
            parts.append(f"\\u{unit:04x}")
    parts.append("'")
    return "".join(parts)


def _utf16(value: str) -> Sequence[int]:
    raw = value.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def identifier(name: str) -> str:
    """A column in double quotes, escaped as string literals are."""
    return '"' + string_literal(name)[1:-1] + '"'


def literal(value: Any) -> str:
    """A constant of any native type; arrays in brackets."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return double_literal(value)
    if isinstance(value, (list, tuple)):
        return "array(" + ",".join(literal(item) for item in value) + ")"
    return string_literal(str(value))


def double_literal(value: float) -> str:
    """A double, always with a fraction or an exponent so that it stays one."""
    if math.isnan(value):
        return "(0.0 / 0.0)"
    if math.isinf(value):
        return "(1.0 / 0.0)" if value > 0 else "(-1.0 / 0.0)"
    text = repr(value)
    return text.replace("e", "E") if "e" in text else text
