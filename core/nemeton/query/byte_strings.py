"""Many byte strings at once: those of one length are rows of a matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nemeton.query.vectors import Array


def by_length(values: Sequence[bytes | None] | Array, least: int = 0) -> Iterator[tuple[Array, Array]]:
    """For each length that occurs, the rows that have it and their bytes, a uint8 matrix that cannot be written to.

    None, and what is shorter than `least`, is left out.
    """
    items: Any = values.tolist() if isinstance(values, np.ndarray) else values
    lengths = np.fromiter((-1 if item is None else len(item) for item in items), np.int64, len(items))
    for length in np.unique(lengths[lengths >= least]).tolist():
        rows = np.flatnonzero(lengths == length)
        joined = b"".join(items if len(rows) == len(items) else [items[row] for row in rows.tolist()])
        yield rows, np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), length)
