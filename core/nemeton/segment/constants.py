"""Columns that hold nothing but nulls: no bytes in the file, the whole protocol all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from nemeton.segment.dictionary import StringDictionary, arrow_strings

if TYPE_CHECKING:
    import pyarrow as pa


class NullDictionary(StringDictionary):
    """The dictionary ``[null]``."""

    has_null = True

    def __len__(self) -> int:
        return 1

    def utf8(self, code: int) -> bytes | None:
        """Return None for the only code."""
        if code != 0:
            raise IndexError(code)
        return None

    def to_list(self) -> list[str | None]:
        """Return a list of one null."""
        return [None]

    def to_arrow(self) -> pa.LargeStringArray:
        """Return an array of one null."""
        return arrow_strings(np.zeros(2, np.int64), np.zeros(0, np.uint8), has_null=True)


@frozen
class Zeros:
    """`total` zeros of any dtype, as codes or as numbers."""

    total: int
    dtype: np.dtype

    @property
    def item_bytes(self) -> int:
        """Bytes per value once decoded."""
        return self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return a range."""
        return np.zeros(stop - start, self.dtype)
