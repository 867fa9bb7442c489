"""Java's regular expressions, as far as Python knows their syntax."""

from __future__ import annotations

import functools
import re
from typing import Any

from nemeton.common.errors import invalid_input


@functools.lru_cache(maxsize=256)
def java_regex(pattern: str) -> re.Pattern[str]:
    """Compile a Java pattern, as far as Python knows its syntax. Raises invalid_input.

    As in Java ``\\w``, ``\\d``, ``\\s`` and ``(?i)`` are about ASCII; ``\\p{L}`` about Unicode's categories.
    """
    translated = pattern.replace("\\z", "\\Z").replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    try:
        return re.compile(_TOKEN.sub(_Classes(), translated), re.ASCII)
    except re.error as error:
        told = _as_java_tells(pattern, error) or f"Invalid regular expression [{pattern}]: {error}"
        raise invalid_input(told) from None


def _as_java_tells(pattern: str, error: re.error) -> str | None:
    """Java's words: what is wrong, where, the pattern, and a mark below the place; None for what it has others for.

    Of a pattern that Python writes otherwise the places of the two differ.
    """
    end, place = len(pattern), error.pos
    if error.pattern != pattern or place is None:
        return None
    found = {
        "missing ), unterminated subpattern": ("Unclosed group", end),
        "unterminated character set": ("Unclosed character class", end - 1),
        "unbalanced parenthesis": ("Unmatched closing ')'", place - 1),
        "bad escape (end of pattern)": ("Unexpected internal error", end),
        "nothing to repeat": (f"Dangling meta character '{pattern[place : place + 1]}'", place),
        "multiple repeat": (f"Dangling meta character '{pattern[place : place + 1]}'", place),
    }.get(error.msg)
    if found is None:
        return None
    what, index = found
    where = f" near index {index}" if index >= 0 else ""
    mark = f"\n{' ' * index}^" if 0 <= index < end else ""
    return f"{what}{where}\n{pattern}{mark}"


_TOKEN = re.compile(r"\\([pP])(?:\{(\^?)(?:Is)?(\w+)\}|(\w))|\\.|[\[\]]", re.DOTALL)
_NAMED = {
    "Alpha": "A-Za-z", "Digit": "0-9", "Alnum": "A-Za-z0-9", "Upper": "A-Z", "Lower": "a-z",
    "Punct": "!-/:-@\\[-`{-~", "Space": r"\s",
}  # fmt: skip
_CATEGORIES = {"Alphabetic": "L", "Letter": "L", "Uppercase": "Lu", "Lowercase": "Ll", "Punctuation": "P"}


class _Classes:
    """Writes Java's named classes as Python does, without brackets where they stand in some."""

    def __init__(self) -> None:
        self._depth = 0

    def __call__(self, found: re.Match[str]) -> str:
        token = found[0]
        if token == "[":
            self._depth += 1
        elif token == "]":
            self._depth = max(0, self._depth - 1)
        if found[1] is None:
            return token
        name = found[3] or found[4]
        ranges = _NAMED.get(name) or category_ranges(_CATEGORIES.get(name, name))
        if not ranges:
            raise re.error(f"unknown character property name [{name}]")
        negated = (found[1] == "P") != bool(found[2])
        if self._depth and not negated:
            return ranges
        if self._depth:
            raise re.error(f"a negated property [{name}] within brackets is not supported")
        return f"[{'^' if negated else ''}{ranges}]"


@functools.lru_cache(maxsize=32)
def category_ranges(category: str) -> str:
    """The characters of a general category of Unicode ("L", "Lu") as ranges for brackets; "" when there are none."""
    import sys
    import unicodedata

    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith(category):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def java_replacement(replacement: str) -> Any:
    """`$1` as Python writes it."""
    return re.sub(r"\\(.)|\$(\d)", lambda m: f"\\g<{m[2]}>" if m[2] else m[1].replace("\\", r"\\"), replacement)


def java_split(pattern: str, value: str) -> list[str]:
    """Java's String.split: no empty texts at the end, and none before a match of nothing at the start."""
    if not value:
        return [""]
    parts: list[str] = []
    start = 0
    for found in java_regex(pattern).finditer(value):
        if found.end() == 0 or (found.start() == found.end() == len(value)):
            continue
        parts.append(value[start : found.start()])
        start = found.end()
    parts.append(value[start:])
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts if parts != [""] else []
