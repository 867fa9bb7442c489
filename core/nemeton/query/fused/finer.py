"""Groups finer than those asked for: also by columns of few values that expressions read.

Of a finer group all rows have the same values in those columns. What reads only these follows from its count of rows,
and the sum of what is linear in one other column (as a price less a discount, with a tax) from the sum of that column:
two or three additions a row, however many aggregates there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.query.expressions.parser import Call, Identifier, Node, identifiers
from nemeton.query.expressions.vec import Vec
from nemeton.query.fused.arithmetic import evaluated, expression_of, is_finite
from nemeton.query.fused.columns import NumberColumn
from nemeton.query.fused.program import NotFusedError
from nemeton.query.source import convert_numbers
from nemeton.query.vectors import Array

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import AggregatorFactory

MOST_GROUPS = 1 << 14  #: in all: their states stay in the second cache
_MOST_STEPS = 1 << 31
_SEVERAL = 2


@frozen(eq=False)
class Linear:
    """`slope * column + offset`, where both have a value for each combination; without a column the offset alone."""

    column: NumberColumn | None
    slope: Array | float
    offset: Array | float

    def plus(self, other: Linear, sign: float) -> Linear:
        """The sum, or the difference: of one column."""
        if self.column is not None and other.column is not None and self.column.name != other.column.name:
            raise NotFusedError
        column = self.column if self.column is not None else other.column
        return Linear(column, self.slope + sign * other.slope, self.offset + sign * other.offset)

    def by(self, function: Callable[..., Any], factor: Array | float) -> Linear:
        """Both multiplied, or divided."""
        return Linear(self.column, function(self.slope, factor), function(self.offset, factor))


class Finer:
    """The columns, and what aggregators are by their combinations. `size` of these there are."""

    def __init__(self, source: SegmentSource, columns: Sequence[NumberColumn]) -> None:
        self._source = source
        self.columns = columns
        self.factors: list[int] = []
        self.size = 1
        for column in reversed(columns):
            self.factors.insert(0, self.size)
            self.size *= len(_table(column))
        combinations = np.arange(self.size)
        self._values = {
            column.name: Vec(column.type, _table(column)[combinations // factor % len(_table(column))])
            for column, factor in zip(columns, self.factors, strict=True)
        }
        self._forms: dict[int, Linear | None] = {}

    @classmethod
    def of(cls, source: SegmentSource, factories: Sequence[AggregatorFactory], num_groups: int | None) -> Finer | None:
        """What makes less of a pass for these aggregators; None where nothing does. `num_groups` is None without keys:
        then each expression alone is as fast as this.
        """
        virtual = source.virtual_columns
        if not any(
            getattr(each, "expression", None) is not None or getattr(each, "field_name", None) in virtual
            for each in factories
        ):
            return None
        try:
            reading = [(factory, _tree(source, factory)) for factory in factories if _is_of_numbers(factory)]
            computed = [tree for _, tree in reading if not isinstance(tree, Identifier)]
            if len(computed) < (_SEVERAL if num_groups is None else 1):
                return None
            columns = _columns(source, computed)
            if not columns or (num_groups or 1) * math.prod(len(_table(each)) for each in columns) > MOST_GROUPS:
                return None
            made = cls(source, columns)
            with np.errstate(all="ignore"):
                made._forms = {id(factory): made._form(factory, tree) for factory, tree in reading}
        except NotFusedError:
            return None
        return made

    def form(self, factory: AggregatorFactory) -> Linear | None:
        """What one of the aggregators takes in, if it is to be found from the finer groups."""
        return self._forms.get(id(factory))

    def _form(self, factory: Any, tree: Node) -> Linear | None:
        if isinstance(tree, Identifier) and tree.name not in self._values:
            return None
        found = self._linear(tree)
        slope, offset = self._each(found.slope), self._each(found.offset)
        if found.column is None:
            return Linear(None, 0.0, convert_numbers(offset, factory.number_type))
        if not is_finite(slope) or not is_finite(offset) or factory.kernel != "add" or factory.number_type != "DOUBLE":
            raise NotFusedError
        return Linear(found.column, slope, offset)

    def _each(self, numbers: Array | float) -> Array:
        return numbers if isinstance(numbers, np.ndarray) else np.full(self.size, numbers)

    def _linear(self, node: Node) -> Linear:
        if _physical(self._source, node) <= self._values.keys():
            vec = self._vec(node)
            return Linear(None, 0.0, vec.values)
        if isinstance(node, Identifier):
            tree = expression_of(self._source, node.name)
            return self._column(node.name) if tree is None else self._linear(tree)
        if not isinstance(node, Call) or len(node.args) != 2:
            raise NotFusedError
        left, right = (self._linear(arg) for arg in node.args)
        if node.name in ("+", "-"):
            return left.plus(right, 1.0 if node.name == "+" else -1.0)
        if node.name == "*" and left.column is None:
            left, right = right, left
        if node.name not in ("*", "/") or right.column is not None:
            raise NotFusedError
        return left.by(np.multiply if node.name == "*" else np.divide, right.offset)

    def _column(self, name: str) -> Linear:
        """One of doubles, whose steps can be summed exactly: longs would wrap before they are made doubles."""
        numbers = NumberColumn.of(self._source, name)
        steps = numbers.narrow
        if numbers.type != "DOUBLE" or steps is None or not steps.scale or abs(steps.low) > _MOST_STEPS:
            raise NotFusedError
        return Linear(numbers, 1.0, 0.0)

    def _vec(self, node: Node) -> Vec:
        """What reads columns of few values alone, by combination."""
        return evaluated(node, self._named, self.size)

    def _named(self, name: str) -> Vec:
        tree = expression_of(self._source, name)
        return self._values[name] if tree is None else self._vec(tree)


def _columns(source: SegmentSource, trees: Sequence[Node]) -> list[NumberColumn]:
    """The columns of few values that expressions read."""
    names = frozenset().union(*(_physical(source, tree) for tree in trees))
    found = [NumberColumn.of(source, name) for name in sorted(names)]
    return [each for each in found if each.table is not None]


def _is_of_numbers(factory: Any) -> bool:
    return bool(factory.kernel != "count")


def _tree(source: SegmentSource, factory: Any) -> Node:
    """The expression of an aggregator, or its column as one."""
    from nemeton.query.expressions.column import ExpressionColumn

    if factory.number_type not in ("LONG", "DOUBLE"):
        raise NotFusedError
    if factory.expression is not None:
        return ExpressionColumn.of(factory.expression).tree
    name = str(factory.field_name)
    return expression_of(source, name) or Identifier(name)


def _physical(source: SegmentSource, node: Node) -> frozenset[str]:
    """The columns of the segment that an expression reads."""
    found: set[str] = set()
    for name in identifiers(node):
        tree = expression_of(source, name)
        found |= {name} if tree is None else _physical(source, tree)
    return frozenset(found)


def _table(column: NumberColumn) -> Array:
    assert column.table is not None
    return column.table
