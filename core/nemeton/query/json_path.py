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
    r"""\.? (?: \[ \s* (?P<index> -?\d+ ) \s* \]
            | \[ \s* (?P<q1>['"]) (?P<name1> (?: \\. | (?!(?P=q1)) . )* ) (?P=q1) \s* \]
        )
      | \. (?P<q2>['"]) (?P<name2> (?: \\. | (?!(?P=q2)) . )* ) (?P=q2)
      | \. (?P<name3> [^.\[\]'"]+ )""",
    re.VERBOSE | re.DOTALL,
)
_NEEDS_QUOTES = re.compile(r"""[.'"\[\]]""")


@functools.lru_cache(maxsize=1024)
def parse_json_path(text: str) -> Path:
    """The parts of ``$.a[0]['b c']``: names and numbers; negative numbers count from the end. Raises invalid_input."""
    if not text.startswith("$"):
        raise _invalid(text, "it must start with '$'")
    if text == "$.":
        return ()
    parts: list[Part] = []
    at = 1
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise _invalid(text, f"cannot be understood from character {at + 1} on")
        if found["index"] is not None:
            parts.append(int(found["index"]))
        else:
            quoted = found["name1"] if found["q1"] else found["name2"]
            parts.append(found["name3"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
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
