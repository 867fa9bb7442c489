"""What the compiled pass reads of a segment: columns of numbers without nulls, those of few values by code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.query.fused.narrow import NarrowNumbers, narrow
from nemeton.query.fused.program import NotFusedError
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource

_DTYPES = {"LONG": np.dtype(np.int64), "DOUBLE": np.dtype(np.float64)}


@frozen(eq=False)
class NumberColumn:
    """A column of longs or doubles, none of them null; `narrow` is its narrower form, if it has one."""

    name: str
    type: str
    column: Any
    narrow: NarrowNumbers | None

    @property
    def table(self) -> Array | None:
        """The values by code, where codes are of one byte."""
        return None if self.narrow is None else self.narrow.table

    def values(self, start: int, stop: int) -> Array:
        """Eight bytes a row."""
        found = self.column.values(start, stop)
        return np.ascontiguousarray(found, dtype=_DTYPES[self.type])

    def codes(self, start: int, stop: int) -> Array:
        """Those of the narrower form."""
        assert self.narrow is not None
        return self.narrow.codes[start:stop]

    @classmethod
    def of(cls, source: SegmentSource, name: str) -> NumberColumn:
        """The column of the segment of that name. Raises `NotFusedError` for any other kind."""
        return source.cached(("fused", name), lambda: cls._read(source, name))  # type: ignore[no-any-return]

    @classmethod
    def _read(cls, source: SegmentSource, name: str) -> NumberColumn:
        column: Any = None if name in source.virtual_columns else source.column(name)
        kind = "" if column is None else str(column.type)
        if kind not in _DTYPES or getattr(column, "has_nulls", True):
            raise NotFusedError
        return cls(name, kind, column, column.coded(narrow) if hasattr(column, "coded") else None)


@frozen(eq=False)
class StringCodes:
    """The codes of a column of single strings: `size` of them, of an unsigned type of at most four bytes."""

    column: Any
    size: int
    dtype: Any

    def codes(self, start: int, stop: int) -> Array:
        """The code of each row."""
        return np.ascontiguousarray(self.column.codes(start, stop), dtype=self.dtype)

    @classmethod
    def of(cls, source: SegmentSource, name: str) -> StringCodes:
        """The column of the segment of that name. Raises `NotFusedError` for any other kind."""
        column: Any = None if name in source.virtual_columns else source.column(name)
        if column is None or str(column.type) != "STRING":
            raise NotFusedError
        if not getattr(column, "is_dictionary_encoded", True) or column.has_multiple_values:
            raise NotFusedError
        dtype = column.codes(0, 0).dtype
        if dtype.kind != "u" or dtype.itemsize > 4:
            raise NotFusedError
        return cls(column, int(column.cardinality), dtype)
