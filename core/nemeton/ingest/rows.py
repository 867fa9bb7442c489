"""A batch of rows ready to be indexed."""

from __future__ import annotations

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
    as it is in the input. A column that is not there is all null.
    """

    times: NDArray[np.int64]
    strings: dict[str, pl.Series] = field(factory=dict)
    numbers: dict[str, Numbers] = field(factory=dict)
    inputs: dict[str, pl.Series] = field(factory=dict)

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.times)

    @property
    def estimated_bytes(self) -> int:
        """About what the batch takes in memory."""
        size = self.times.nbytes
        size += sum(int(column.estimated_size()) for column in (*self.strings.values(), *self.inputs.values()))
        return size + sum(column.values.nbytes for column in self.numbers.values())
