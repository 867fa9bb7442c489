"""Conditions for the compiled pass: decided once for each code where they look at codes, else row by row before it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.filters.logical import conjuncts
from nemeton.query.fused import codes as op
from nemeton.query.fused.columns import NumberColumn, StringCodes
from nemeton.query.fused.program import NotFusedError, Program
from nemeton.query.source import RowBlock, SegmentSource, convert_numbers
from nemeton.query.vectors import COLUMN_TYPES, Array, NumericVector, StringVector

if TYPE_CHECKING:
    from nemeton.spi.query import DimFilter

_FEWER = 4  # codes are looked at instead of rows when they are so many times fewer
_FLAGS = np.array([0, 1], dtype=np.uint8)


def add_conditions(program: Program, condition: DimFilter) -> bool:
    """Add them to the program. Whether rows' flags are read, which numpy makes before: of few rows at a time, then."""
    try:
        program.conditions.extend([_by_code(program, item) for item in conjuncts(condition)])
        return False
    except NotFusedError:

        def flags(start: int, stop: int) -> Array:
            return np.ascontiguousarray(condition.matches(RowBlock(program.source, start, stop))).view(np.uint8)

        program.conditions.append((op.OF_U8, program.rows("flags", flags), program.table(_FLAGS)))
        return True


def _by_code(program: Program, item: DimFilter) -> tuple[int, ...]:
    """One condition on one column of the segment that has codes."""
    source, names = program.source, item.required_columns()
    if len(names) != 1:
        raise NotFusedError
    (name,) = names
    if str(source.column_type(name)) == "STRING":
        strings = StringCodes.of(source, name)
        if strings.size * _FEWER > source.num_rows:
            raise NotFusedError
        codes = np.arange(strings.size, dtype=strings.dtype)
        flags = item.matches(CodesBlock(source, name, StringVector(codes, source.dictionary(name))))
        rows = program.rows(("strings", name), strings.codes)
        return op.OF_CODE_WIDTH[strings.dtype.itemsize], rows, program.table(flags.view(np.uint8))
    numbers = NumberColumn.of(source, name)
    if numbers.table is None:
        raise NotFusedError
    flags = item.matches(CodesBlock(source, name, NumericVector(COLUMN_TYPES[numbers.type], numbers.table)))
    return op.OF_U8, program.rows(("codes", name), numbers.codes), program.table(flags.view(np.uint8))


class CodesBlock:
    """The values of one column of a segment, each once. See `nemeton.spi.query.Block`."""

    def __init__(self, source: SegmentSource, name: str, values: NumericVector | StringVector) -> None:
        self.source = source
        self.num_rows = len(values)
        self._name = name
        self._values = values

    def vector(self, name: str) -> NumericVector | StringVector:
        """The values."""
        assert name == self._name
        return self._values

    def numbers(self, name: str, type_name: str) -> tuple[Array, Array | None]:
        """The values as numbers."""
        from nemeton.query.source import numbers_of_strings

        values = self.vector(name)
        if isinstance(values, StringVector):
            return numbers_of_strings(self, values, type_name)
        return convert_numbers(values.values, type_name), values.nulls

    def select(self, rows: Array) -> CodesBlock:
        """Some of them."""
        return CodesBlock(self.source, self._name, self._values.take(rows))

    def cached(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """As of any block of the segment."""
        return self.source.cached(key, make)
