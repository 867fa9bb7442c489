"""Paths into documents: the part of JSONPath that Druid understands."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Sequence
from typing import Any

from nemeton.common.errors import DruidException, invalid_input

Part = str | int
Path = tuple[Part, ...]

_PART = re.compile(
    r"""\[ (?P<index> [+-]?\d{1,10} ) \]
      | \[' (?P<quoted> .+? ) (?<!\\)'\]
      | \. (?P<name> [^.\[']+ )""",
    re.VERBOSE | re.DOTALL,
)
#: A part that has only begun, at the end, is as good as none.
_BEGUN = ("", ".", "[", "['")
_NEEDS_QUOTES = re.compile(r"""[.'"\[\]]""")


@functools.lru_cache(maxsize=1024)
def parse_json_path(text: str) -> Path:
    """The parts of ``$.a[0]['b c']``: names and numbers; negative numbers count from the end. Raises invalid_input.

    As in Druid a name in quotes is taken as it stands, a backslash too, and ends at a quote before a bracket.
    """
    if not text:
        return ()
    if not text.startswith("$"):
        raise _invalid(text, "it must start with '$'")
    parts: list[Part] = []
    at = 1
    while text[at:] not in _BEGUN:
        found = _PART.match(text, at)
        if found is None:
            raise _invalid(text, f"cannot be understood from character {at + 1} on")
        parts.append(int(found["index"]) if found["index"] is not None else found["quoted"] or found["name"])
        at = found.end()
    return tuple(parts)


def _invalid(text: str, why: str) -> DruidException:
    return invalid_input(f"JSONPath [{text}] is invalid, {why}")


def format_json_path(path: Sequence[Part]) -> str:
    """The path as Druid writes it: quotes only around names that need them."""
    out = ["$"]
    for part in path:
        if isinstance(part, int):
            out.append(f"[{part}]")
        else:
            out.append(f"['{part}']" if _NEEDS_QUOTES.search(part) else f".{part}")
    return "".join(out)


def find(document: Any, path: Sequence[Part]) -> Any:
    """What lies at the path; None where there is nothing."""
    for part in path:
        if isinstance(part, int):
            if not isinstance(document, list) or not -len(document) <= part < len(document):
                return None
            document = document[part]
        elif isinstance(document, dict):
            document = document.get(part)
        else:
            return None
    return document


def find_literal(document: Any, path: Sequence[Part]) -> Any:
    """The string or number at the path, booleans as 1 and 0; None for objects and arrays."""
    found = find(document, path)
    if isinstance(found, dict | list):
        return None
    return int(found) if isinstance(found, bool) else found


def leaf_paths(document: Any) -> list[str]:
    """The paths of all values that are neither objects nor arrays, nearest to the root first."""
    found: list[str] = []
    left: deque[tuple[Path, Any]] = deque([((), document)])
    while left:
        path, value = left.popleft()
        if isinstance(value, dict):
            left.extend(((*path, name), item) for name, item in value.items())
        elif isinstance(value, list):
            left.extend(((*path, at), item) for at, item in enumerate(value))
        elif path or value is not None:
            found.append(format_json_path(path))
    return found
