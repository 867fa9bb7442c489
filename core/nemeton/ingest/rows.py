"""A batch of rows ready to be indexed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from nemeton.ingest.coerce import Numbers

if TYPE_CHECKING:
    import polars as pl


@define
class RowBatch:
    """Rows with their times; columns by name.

    ``strings``: dimensions, String or List(String). ``numbers``: numeric dimensions. ``inputs``: what aggregators read,
    as it is in the input. ``values``: `auto` and `json` dimensions, as they are there: integers, floats, booleans,
    Strings, lists of these, or, where values are documents or of several types, Binary: each the text of a JSON value
    (see `nemeton.ingest.documents`). A column that is not there is all null.
    """

    times: NDArray[np.int64]
    strings: dict[str, pl.Series] = field(factory=dict)
    numbers: dict[str, Numbers] = field(factory=dict)
    inputs: dict[str, pl.Series] = field(factory=dict)
    values: dict[str, pl.Series] = field(factory=dict)

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.times)

    @property
    def estimated_bytes(self) -> int:
        """About what the batch takes in memory."""
        size = self.times.nbytes
        size += sum(int(column.estimated_size()) for column in self._raw())
        return size + sum(column.values.nbytes for column in self.numbers.values())

    def _raw(self) -> Iterator[pl.Series]:
        for columns in (self.strings, self.inputs, self.values):
            yield from columns.values()
