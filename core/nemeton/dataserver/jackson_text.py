"""Jackson's way to write an error: its place in the body, and the places of values there."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s,:{}\[\]]+|[,:{}\[\]])')
INSTANTIATION, MISMATCH = "exc.ValueInstantiationException", "exc.MismatchedInputException"

Path = tuple[str | int, ...]
Places = dict[Path, tuple[int, int]]


def place(column: int) -> str:
    """Where in the body."""
    return f"\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: {column}]"


@frozen
class JacksonError:
    """A text of Jackson's and the class of its exception."""

    message: str
    error_class: str

    @classmethod
    def at(cls, text: str, kind: str, column: int, chain: str = "") -> JacksonError:
        """With the place; bodies have one line, as the clients of Druid write them."""
        source = place(column)
        shown = f" (through reference chain: {chain})" if chain else ""
        return cls(text + source + shown, f"com.fasterxml.jackson.{kind}")


def value_at(value: Any, path: Path) -> Any:
    """The value there; None when there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def value_places(text: str) -> dict[Path, tuple[int, int]]:
    """Where each value of a well-formed JSON text begins and ends (offsets, the end exclusive)."""
    places: dict[Path, tuple[int, int]] = {}
    tokens = [(found.group(1), found.start(1), found.end(1)) for found in _TOKEN.finditer(text)]

    def value(at: int, path: Path) -> int:
        token, start, _ = tokens[at]
        at += 1
        if token in "{[" and tokens[at][0] not in "}]":
            index = 0
            while True:
                inner = json.loads(tokens[at][0]) if token == "{" else index
                at = value(at + 2 if token == "{" else at, (*path, inner))
                index += 1
                at += 1
                if tokens[at - 1][0] != ",":
                    break
        elif token in "{[":
            at += 1
        places[path] = (start, tokens[at - 1][2])
        return at

    value(0, ())
    return places
