"""Sorted lists of fixed-width values: dictionaries of longs, doubles and ids."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.errors import corrupt
from nemeton.segment.java_order import double_keys

_HAS_NULL, _IS_SORTED = 1, 2


@frozen
class FixedIndexed:
    """The values that are not null, in order; with `has_null`, null is entry 0 before them."""

    has_null: bool
    values: np.ndarray

    @classmethod
    def read(cls, reader: ByteReader, order: str, kind: str) -> FixedIndexed:
        """Read the structure; ``kind`` is numpy's for one value (`i4`, `i8`, `f8`)."""
        version, flags = reader.u8(), reader.u8()
        if version != 0 or flags & ~(_HAS_NULL | _IS_SORTED):
            raise corrupt(reader.part, f"version {version} and flags {flags} of a list of fixed-width values")
        count = int(np.frombuffer(reader.take(4), f"{order}i4")[0])
        if count < 0:
            raise corrupt(reader.part, f"{count} values")
        dtype = np.dtype(f"{order}{kind}")
        values = np.frombuffer(reader.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="), copy=False)
        keys = double_keys(values) if kind == "f8" else values
        if flags & _IS_SORTED and (keys[1:] <= keys[:-1]).any():
            raise corrupt(reader.part, "values of a sorted list do not ascend")
        return cls(bool(flags & _HAS_NULL), values)

    def __len__(self) -> int:
        return len(self.values) + self.has_null

    def to_list(self) -> list[int | float | None]:
        """All values, null included."""
        return [*([None] if self.has_null else []), *self.values.tolist()]
