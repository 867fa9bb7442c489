"""The columns that one native query reads: those of its data source, and virtual columns for expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nemeton.sql.catalog import TIME_COLUMN
from nemeton.sql.native.check import check_constant, check_functions
from nemeton.sql.native.expressions import ExpressionWriter
from nemeton.sql.rex import Call, InputRef, Rex, is_constant

if TYPE_CHECKING:
    from nemeton.sql.functions.base import FunctionTable


class Columns:
    """Names for expressions: a plain column is itself, everything else becomes a virtual column ``v0``, ``v1``, …

    Belongs to one native query while it is built; not thread-safe.
    """

    def __init__(
        self, names: Sequence[str], native_types: Sequence[str], functions: FunctionTable, time_zone: str
    ) -> None:
        self.names = tuple(names)
        self.native_types = tuple(native_types)
        self.writer = ExpressionWriter(self.names, functions, time_zone)
        self._virtual: dict[tuple[str, str], str] = {}
        self._prefix = "v"
        while any(name.startswith(self._prefix) and name[len(self._prefix) :].isdigit() for name in self.names):
            self._prefix = "_" + self._prefix

    def field(self, rex: Rex) -> str:
        """The column that holds the expression's value."""
        plain = self.plain(rex)
        if plain is not None:
            return plain
        key = (self.expression(rex), rex.type.native)
        if key not in self._virtual:
            self._virtual[key] = f"{self._prefix}{len(self._virtual)}"
        return self._virtual[key]

    def plain(self, rex: Rex) -> str | None:
        """The data source's column that the expression merely names, through casts that change nothing."""
        while isinstance(rex, Call) and rex.op == "CAST" and self._is_void(rex):
            rex = rex.args[0]
        return self.names[rex.index] if isinstance(rex, InputRef) else None

    def _is_void(self, cast: Call) -> bool:
        source = cast.args[0].type
        return (source.name, cast.type.name) in {
            ("CHAR", "VARCHAR"),
            ("TIMESTAMP", "BIGINT"),
            ("BIGINT", "TIMESTAMP"),
        } or (source.name == cast.type.name and source.inner == cast.type.inner)

    def expression(self, rex: Rex) -> str:
        """The native expression, without a column for it; UNSUPPORTED when the engine lacks a function of it."""
        text = self.writer.write(rex)
        check_functions(text)
        if is_constant(rex):
            check_constant(text)
        return text

    def filter(self, rex: Rex) -> dict[str, Any]:
        """The native filter for a condition."""
        from nemeton.sql.native.filters import to_filter

        return to_filter(rex, self)

    def time_column(self) -> str:
        """The column that orders EARLIEST and LATEST."""
        return TIME_COLUMN

    def virtual_columns(self) -> list[dict[str, Any]]:
        """The virtual columns asked for so far, as the query lists them."""
        return [
            {"type": "expression", "name": name, "expression": expression, "outputType": output}
            for (expression, output), name in self._virtual.items()
        ]
