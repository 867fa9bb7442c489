"""Bound row expressions: what the validator makes of SQL expressions, and what the planners read.

They know nothing of the parser. Columns are positions in the fields of the input relation, types are resolved, and
operators carry canonical names (the names of :mod:`nemeton.sql.functions`, or the symbols of SQL for operators).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve, field, frozen

from nemeton.sql.types import BOOLEAN, SqlType


@frozen
class Rex:
    """Base of all bound expressions; equality is structural."""

    type: SqlType


@frozen
class InputRef(Rex):
    """The value of the input's field at `index`."""

    index: int


@frozen
class Literal(Rex):
    """A constant. Timestamps and dates are epoch milliseconds; day intervals milliseconds, month intervals months."""

    value: Any


@frozen
class Call(Rex):
    """An operator or function applied to arguments."""

    op: str
    args: tuple[Rex, ...]


@frozen
class AggCall:
    """An aggregate function: `args` and `filter` are expressions over the aggregate's input."""

    name: str
    type: SqlType
    args: tuple[Rex, ...] = ()
    distinct: bool = False
    filter: Rex | None = None


@frozen
class SubqueryValue(Rex):
    """A scalar subquery, or (with `operand`) an IN subquery; `plan` is a logical plan of one column."""

    plan: Any = field(eq=False)
    operand: Rex | None = None


TRUE = Literal(BOOLEAN.with_nullable(False), True)
FALSE = Literal(BOOLEAN.with_nullable(False), False)


def conjunction(parts: list[Rex]) -> Rex | None:
    """AND of the parts; None for none."""
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return Call(BOOLEAN, "AND", tuple(parts))


def conjuncts(rex: Rex | None) -> list[Rex]:
    """The parts of a tree of ANDs, from left to right."""
    if rex is None:
        return []
    if isinstance(rex, Call) and rex.op == "AND":
        return [part for arg in rex.args for part in conjuncts(arg)]
    return [rex]


def transform(rex: Rex, visit: Callable[[Rex], Rex | None]) -> Rex:
    """Rewrite from the top: where `visit` gives an expression it replaces the node, where None the arguments follow."""
    replacement = visit(rex)
    if replacement is not None:
        return replacement
    if isinstance(rex, Call):
        args = tuple(transform(arg, visit) for arg in rex.args)
        return rex if all(map(operator.is_, args, rex.args)) else evolve(rex, args=args)
    if isinstance(rex, SubqueryValue) and rex.operand is not None:
        return evolve(rex, operand=transform(rex.operand, visit))
    return rex


def walk(rex: Rex) -> Iterator[Rex]:
    """The expression and all below it, parents first."""
    yield rex
    children: tuple[Rex, ...] = ()
    if isinstance(rex, Call):
        children = rex.args
    elif isinstance(rex, SubqueryValue) and rex.operand is not None:
        children = (rex.operand,)
    for child in children:
        yield from walk(child)


def substitute(rex: Rex, expressions: tuple[Rex, ...] | list[Rex]) -> Rex:
    """Replace each column by the expression at its position: an expression over a projection, seen from beneath it."""
    return transform(rex, lambda node: expressions[node.index] if isinstance(node, InputRef) else None)


def is_constant(rex: Rex) -> bool:
    """Whether the value is the same for every row."""
    return all(isinstance(node, (Literal, Call)) for node in walk(rex))
