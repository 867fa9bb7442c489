"""How input sources cut themselves into parts of whole files or segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def grouped(sized: Iterable[tuple[T, int]], max_bytes: int, max_entities: int) -> Iterator[list[T]]:
    """Things with their sizes, in groups that stay below both bounds unless a single thing is larger."""
    group: list[T] = []
    total = 0
    for thing, size in sized:
        if group and (total + size > max_bytes or len(group) >= max_entities):
            yield group
            group, total = [], 0
        group.append(thing)
        total += size
    if group:
        yield group
