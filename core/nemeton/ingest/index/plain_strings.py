"""Strings of a run that are not encoded: of many values, most of them different.

To find the distinct ones among a run's rows and put them in order would be for nothing: a segment has rows of several
runs, and does it for all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.ingest.index.dictionaries import encode_sorted
from nemeton.ingest.index.sorting import Rows, SortKey
from nemeton.ingest.index.stored import Parts

if TYPE_CHECKING:
    import pyarrow as pa


@frozen(eq=False)
class PlainStringColumn:
    """One string a row, or null: an Arrow large_string array."""

    values: pa.Array

    def cut(self, start: int, stop: int) -> PlainStringColumn:
        """Rows [start, stop)."""
        return PlainStringColumn(self.values[start:stop])

    def compact(self) -> PlainStringColumn:
        """A copy, which holds on to nothing of the original's."""
        import pyarrow as pa

        return PlainStringColumn(pa.concat_arrays([self.values, self.values[:0]]))

    def take(self, rows: Rows) -> PlainStringColumn:
        """These rows."""
        import pyarrow as pa

        return PlainStringColumn(self.values.take(pa.array(rows)))

    def sort_keys(self) -> Iterable[SortKey]:
        """By value."""
        strings = encode_sorted(self.values)
        yield lambda rows: (strings.codes[rows].astype(np.int64), max(len(strings.dictionary), 1))

    def parts(self) -> Parts:
        """What to store."""
        return Parts({}, self.values)

    def of_parts(self, parts: Parts) -> PlainStringColumn:
        """The column that `parts` came from."""
        return PlainStringColumn(parts.values)
