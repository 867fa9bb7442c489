"""Expressions for the compiled pass: what reads one column of few values is evaluated once for each of them, sums,
differences, products and quotients of the rest are instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import DruidException
from nemeton.query.expressions.column import ExpressionColumn, by_row
from nemeton.query.expressions.evaluate import Env, uncached
from nemeton.query.expressions.parser import Call, Identifier, Node, identifiers
from nemeton.query.expressions.vec import Vec
from nemeton.query.fused import codes as op
from nemeton.query.fused.columns import NumberColumn
from nemeton.query.fused.program import NotFusedError, Program
from nemeton.query.source import convert_numbers
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource

_OPERATORS = {
    "+": (op.ADD_F, op.ADD_I),
    "-": (op.SUB_F, op.SUB_I),
    "*": (op.MUL_F, op.MUL_I),
    "/": (op.DIV_F, None),
}


@frozen(eq=False)
class Operand:
    """Numbers of a type, LONG or DOUBLE: of `codes` (an input) with their `table`, in a register, or the same for all
    rows (a table of one). What is a column as it is says so; it may be in none of these yet.
    """

    type: str
    register: int | None = None
    codes: int | None = None
    table: Array | None = None
    column: NumberColumn | None = None

    def converted(self, kind: str) -> Operand:
        """By code as any other type; a long in a register as double only."""
        if self.table is None or self.type == kind:
            return self
        return Operand(kind, None, self.codes, convert_numbers(self.table, kind))


def operand(program: Program, text: str) -> Operand:
    """The values of an expression."""
    return _node(program, ExpressionColumn.of(text).tree)


def column(program: Program, name: str) -> Operand:
    """The values of a column, or of an expression that has its name."""
    virtual: Any = program.source.virtual_columns.get(name)
    if virtual is None:
        numbers = NumberColumn.of(program.source, name)
        if numbers.table is not None:
            return Operand(numbers.type, None, program.rows(("codes", name), numbers.codes), numbers.table, numbers)
        return Operand(numbers.type, column=numbers)
    tree = expression_of(program.source, name)
    assert tree is not None
    return _node(program, tree)


def expression_of(source: SegmentSource, name: str) -> Node | None:
    """The tree of a virtual column of numbers; None of a column. Raises `NotFusedError` for any other."""
    virtual: Any = source.virtual_columns.get(name)
    if virtual is None:
        return None
    expression = getattr(virtual, "expression", None)
    hint = str(getattr(virtual, "output_type", None) or "DOUBLE").upper()
    reads_itself = any(each in source.virtual_columns for each in virtual.required_columns())
    if not hasattr(virtual, "inferred_from") or expression is None or hint not in ("LONG", "DOUBLE") or reads_itself:
        raise NotFusedError
    return ExpressionColumn.of(expression).tree


def _node(program: Program, node: Node) -> Operand:
    names = identifiers(node)
    if not names:
        return _evaluated(node, {}, None)
    if isinstance(node, Identifier):
        return column(program, node.name)
    if len(names) == 1:
        (name,) = names
        only = column(program, name)
        if only.table is not None:
            return _evaluated(node, {name: Vec(only.type, only.table)}, only.codes)
    if not isinstance(node, Call) or node.name not in _OPERATORS or len(node.args) != 2:
        raise NotFusedError
    left, right = (_node(program, arg) for arg in node.args)
    kind = "LONG" if left.type == right.type == "LONG" else "DOUBLE"
    step = _OPERATORS[node.name][kind == "LONG"]
    if step is None:  # a division by zero would have to be found
        raise NotFusedError
    registers = [in_register(program, each, kind) for each in (left, right)]
    return Operand(kind, program.step(step, *registers))


def _evaluated(node: Node, columns: dict[str, Vec], codes: int | None) -> Operand:
    """By code, or a constant."""
    count = max([1, *(len(vec.values) for vec in columns.values())])
    found = evaluated(node, columns.__getitem__, count)
    return Operand(str(found.type), None, codes, found.values)


def evaluated(node: Node, columns: Callable[[str], Vec], count: int) -> Vec:
    """So many numbers; as of any rows, but what fails for some of them may never come to a row."""
    try:
        found = by_row(Env(count, columns, uncached).evaluate(node), count)
    except (DruidException, KeyError) as failure:
        raise NotFusedError from failure
    if not found.is_numeric or found.nulls is not None:
        raise NotFusedError
    return found


def in_register(program: Program, numbers: Operand, kind: str) -> int:
    """The register that holds the numbers as a type."""
    numbers = numbers.converted(kind)
    if numbers.table is not None:
        if numbers.codes is None:
            return program.constant(numbers.table[0].item())
        return program.step(op.LOAD_TABLE, numbers.codes, program.table(numbers.table))
    register = numbers.register
    if register is None:
        assert numbers.column is not None
        register = program.step(op.LOAD_64, program.rows(("values", numbers.column.name), numbers.column.values))
    if numbers.type == kind:
        return register
    if kind != "DOUBLE":
        raise NotFusedError
    return program.step(op.TO_DOUBLE, register)


def is_finite(table: Array) -> bool:
    """Whether no number of it is infinite or none."""
    return bool(np.isfinite(table).all())
