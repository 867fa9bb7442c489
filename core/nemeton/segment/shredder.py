"""Documents taken apart into their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.json import smile
from nemeton.segment.typed_objects import is_plain_array, typed_values
from nemeton.segment.typed_values import TypedValues

if TYPE_CHECKING:
    import pyarrow as pa

ROOT = "$"
_QUOTED = frozenset(".'\"[]")


def shred(documents: pa.Array) -> dict[str, TypedValues]:
    """The fields of documents in Smile by their path, each with one value per document, null where it is missing."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for number, blob in enumerate(documents.to_pylist()):
        for path, value in leaves(smile.loads(blob)):
            rows, values = found.setdefault(path, ([], []))
            rows.append(number)
            values.append(value)
    count = len(documents)
    return {path: _spread(np.array(rows), typed_values(values), count) for path, (rows, values) in found.items()}


def _spread(rows: np.ndarray, values: TypedValues, count: int) -> TypedValues:
    from attrs import evolve

    ids = np.zeros(count, np.int32)
    ids[rows] = values.ids
    return evolve(values, ids=ids)


def leaves(document: Any) -> Iterator[tuple[str, Any]]:
    """The values of a document with their paths; an array of scalars is one value."""
    open_: list[tuple[str, Any]] = [(ROOT, document)]
    while open_:
        path, value = open_.pop()
        if isinstance(value, dict):
            open_ += [(path + part(name), member) for name, member in value.items()]
        elif isinstance(value, list) and not is_plain_array(value):
            open_ += [(f"{path}[{place}]", member) for place, member in enumerate(value)]
        elif value is not None:
            yield path, value


def part(name: str) -> str:
    """A property's part of a path."""
    return f"['{name}']" if not name or _QUOTED & set(name) else f".{name}"
