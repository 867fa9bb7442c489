"""Human-readable bytes."""

from __future__ import annotations

import re
from typing import NewType

from nemeton.common.errors import invalid_input

HumanReadableBytes = NewType("HumanReadableBytes", int)
"""A number of bytes that JSON and properties may spell as ``"1GiB"``."""

_PATTERN = re.compile(r"([+-]?\d+)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def parse_bytes(text: str | int) -> int:
    """The number of bytes that the text names: ``1K`` and ``1KB`` are 1000, ``1Ki`` and ``1KiB`` are 1024.

    Raises invalid_input for what is no size, or is out of the range of a signed 64-bit number.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None or (match[3] and not match[2]):
        raise invalid_input(f"Invalid format of number of bytes: [{text}]; write e.g. 1024, 500MB or 1GiB")
    value: int = int(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].upper()]
    if not -(2**63) <= value < 2**63:
        raise invalid_input(f"Number of bytes out of range: [{text}]")
    return value


def format_bytes(value: int) -> str:
    """A short spelling for messages: ``1.50 GiB``."""
    size = float(value)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            return f"{value} B" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PiB"
