"""Java's regular expressions, as far as Python knows their syntax."""

from __future__ import annotations

import functools
import re
from typing import Any

from nemeton.common.errors import invalid_input


@functools.lru_cache(maxsize=256)
def java_regex(pattern: str) -> re.Pattern[str]:
    """Compile a Java pattern, as far as Python knows its syntax. Raises invalid_input."""
    translated = pattern.replace("\\z", "\\Z").replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
    for java, python in _CLASSES.items():
        translated = translated.replace(java, python)
    try:
        return re.compile(translated)
    except re.error as error:
        raise invalid_input(f"Invalid regular expression [{pattern}]: {error}") from None


_CLASSES = {
    "\\p{Alpha}": "[A-Za-z]", "\\p{Digit}": "[0-9]", "\\p{Alnum}": "[A-Za-z0-9]", "\\p{Upper}": "[A-Z]",
    "\\p{Lower}": "[a-z]", "\\p{Punct}": "[!-/:-@\\[-`{-~]", "\\p{Space}": "\\s",
}  # fmt: skip


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
