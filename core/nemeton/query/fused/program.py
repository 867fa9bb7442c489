"""A program for the compiled pass, as it is put together for one segment: see `codes` for its instructions."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import numpy as np

from nemeton.query.fused import codes as op
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource

_MOST_REGISTERS = 24
_FIELDS = 4
_NO_INSTRUCTIONS = np.zeros((0, _FIELDS), dtype=np.int64)


class NotFusedError(Exception):
    """Something that the compiled pass cannot do: the query goes the other way."""


class Program:
    """The instructions, the columns and tables that they read, and the constants that they begin with."""

    def __init__(self, source: SegmentSource) -> None:
        self.source = source
        self.conditions: list[tuple[int, ...]] = []
        self.keys: list[tuple[int, ...]] = []
        self.steps: list[tuple[int, ...]] = []
        self.takes: list[tuple[int, ...]] = []
        self._columns: list[tuple[int, Callable[[int, int], Array]]] = []
        self._tables: list[Array] = []
        self._addresses: list[int] = []
        self._constants: dict[int, float | int] = {}
        self._num_registers = 0
        self._known: dict[Hashable, int] = {}

    # ---- inputs

    def rows(self, key: Hashable, read: Callable[[int, int], Array]) -> int:
        """The input of a column: `read(start, stop)` gives the rows, contiguous; equal keys are one input."""

        def make() -> int:
            self._columns.append((len(self._addresses), read))
            return self._input(0)

        return self._once(("rows", key), make)

    def reads(self, key: Hashable) -> bool:
        """Whether the rows of that key are an input."""
        return ("rows", key) in self._known

    def table(self, values: Array) -> int:
        """The input of a table by code."""

        def make() -> int:
            kept = np.ascontiguousarray(values)
            self._tables.append(kept)
            return self._input(address(kept))

        return self._once(("table", values.dtype.str, values.tobytes()), make)

    def _input(self, at: int) -> int:
        self._addresses.append(at)
        return len(self._addresses) - 1

    def _once(self, key: Hashable, make: Callable[[], int]) -> int:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def inputs(self, start: int, stop: int) -> tuple[Array, list[Array]]:
        """The addresses for these rows, and what has to be kept as long as they are used."""
        found = np.array(self._addresses, dtype=np.int64)
        kept = [read(start, stop) for _, read in self._columns]
        for (number, _), rows in zip(self._columns, kept, strict=True):
            found[number] = address(rows)
        return found, kept

    # ---- registers

    def step(self, kind: int, left: int, right: int = 0) -> int:
        """The register of what an instruction gives; the same one is not run twice."""

        def make() -> int:
            register = self._register()
            self.steps.append((kind, register, left, right))
            return register

        return self._once(("step", kind, left, right), make)

    def constant(self, value: float | int) -> int:
        """The register that holds a number in all places."""

        def make() -> int:
            register = self._register()
            self._constants[register] = value
            return register

        return self._once(("constant", type(value), repr(value)), make)

    def _register(self) -> int:
        if self._num_registers == _MOST_REGISTERS:
            raise NotFusedError
        self._num_registers += 1
        return self._num_registers - 1

    def registers(self) -> Array:
        """New registers, with the constants in them."""
        out = np.empty((max(1, self._num_registers), op.CHUNK))
        for register, value in self._constants.items():
            (out.view(np.int64) if isinstance(value, int) else out)[register] = value
        return out


def address(array: Array) -> int:
    """Where the first item is."""
    return int(array.__array_interface__["data"][0])


def instructions(rows: list[tuple[int, ...]]) -> Array:
    """As `compiled.run` wants them."""
    if not rows:
        return _NO_INSTRUCTIONS
    return np.array([(*row, 0, 0)[:_FIELDS] for row in rows], dtype=np.int64)
