"""Conditions for the compiled pass: decided once for each code where they look at codes, else row by row before it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.common.errors import DruidException
from nemeton.query.filters.logical import conjuncts
from nemeton.query.fused import codes as op
from nemeton.query.fused.columns import NumberColumn, StringCodes
from nemeton.query.fused.program import NotFusedError, Program, instructions
from nemeton.query.source import RowBlock, SegmentSource, convert_numbers
from nemeton.query.vectors import COLUMN_TYPES, Array, NumericVector, StringVector

if TYPE_CHECKING:
    from nemeton.spi.query import DimFilter

_FEWER = 4  # codes are looked at instead of rows when they are so many times fewer
_BITS = 64
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


class CodeConditions:
    """A condition that codes decide. For one thread."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._instructions = instructions(program.conditions)

    @classmethod
    def of(cls, source: SegmentSource, condition: DimFilter) -> CodeConditions | None:
        """None where it is not decided by codes."""
        program = Program(source)
        try:
            program.conditions.extend([_by_code(program, item) for item in conjuncts(condition)])
        except NotFusedError:
            return None
        return cls(program)

    def mask(self, start: int, stop: int) -> Array:
        """A bool for each of these rows."""
        from nemeton.query.fused import compiled_flags

        out = np.empty(stop - start, dtype=np.uint8)
        inputs, kept = self._program.inputs(start, stop)
        compiled_flags.flag_rows(self._instructions, inputs, out)
        del kept
        return out.view(bool)


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
        flags = _flags(item, CodesBlock(source, name, StringVector(codes, source.dictionary(name))))
        rows = program.rows(("strings", name), strings.codes)
        return _chosen(program, strings.dtype.itemsize, rows, flags)
    numbers = NumberColumn.of(source, name)
    if numbers.table is None:
        raise NotFusedError
    flags = _flags(item, CodesBlock(source, name, NumericVector(COLUMN_TYPES[numbers.type], numbers.table)))
    return _chosen(program, 1, program.rows(("codes", name), numbers.codes), flags)


def _chosen(program: Program, width: int, rows: int, flags: Array) -> tuple[int, ...]:
    """The condition that the code, which has so many bytes, is one of those flagged: in the quickest way."""
    chosen = np.flatnonzero(flags)
    if len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1:
        return op.RANGE_OF_WIDTH[width], rows, int(chosen[0]), int(chosen[-1])
    if len(flags) <= _BITS and width == 1:
        bits = np.packbits(flags, bitorder="little").tobytes().ljust(_BITS // 8, b"\0")
        return op.BITS_U8, rows, int.from_bytes(bits, "little", signed=True)
    return op.OF_CODE_WIDTH[width], rows, program.table(flags.view(np.uint8))


def _flags(item: DimFilter, values: CodesBlock) -> Array:
    try:
        return item.matches(values)
    except DruidException as failure:  # of a value that may not be in the rows that are asked for
        raise NotFusedError from failure


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
