"""The expression aggregator, as far as it folds whole numbers bit by bit: what BIT_AND, BIT_OR and BIT_XOR become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen

from nemeton.common.errors import unsupported
from nemeton.plugins import json_type
from nemeton.query.aggregators.base import NumericAggregator, NumericState
from nemeton.query.expressions.parser import Call, Identifier, parse
from nemeton.query.vectors import Array
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.spi.query import Block

_OPERATIONS: dict[str, tuple[Any, int]] = {
    "bitwiseand": (np.bitwise_and, -1),
    "bitwiseor": (np.bitwise_or, 0),
    "bitwisexor": (np.bitwise_xor, 0),
}
"""The fold of each function and the number that changes nothing."""


@json_type("expression")
@frozen(kw_only=True)
class ExpressionLambdaAggregatorFactory(NumericAggregator):
    """Folds of the form ``bitwiseAnd("__acc", "column")``; other folds are refused. Nulls are skipped."""

    fold: str
    fields: tuple[str, ...] = ()
    accumulator_identifier: str = "__acc"
    initial_value: str = "0"
    initial_combine_value: str | None = None
    is_null_unless_aggregated: bool = True
    should_aggregate_null_inputs: bool = True

    def __attrs_post_init__(self) -> None:
        if self._operation is None or not self.is_null_unless_aggregated:
            raise unsupported(f"An expression aggregator that folds [{self.fold}] is not supported yet")

    @property
    def _operation(self) -> tuple[str, str] | None:
        """The function and the column, when it is one of the folds that are known."""
        tree = parse(self.fold)
        if not isinstance(tree, Call) or tree.name.lower() not in _OPERATIONS or len(tree.args) != 2:
            return None
        names = [arg.name for arg in tree.args if isinstance(arg, Identifier)]
        columns = [name for name in names if name != self.accumulator_identifier]
        if len(names) != 2 or len(columns) != 1 or self.initial_value != str(_OPERATIONS[tree.name.lower()][1]):
            return None
        return tree.name.lower(), columns[0]

    @property
    def _function(self) -> tuple[Any, int]:
        assert self._operation is not None
        return _OPERATIONS[self._operation[0]]

    @property
    def identity(self) -> int:
        """The number that the fold starts from."""
        return self._function[1]

    def required_columns(self) -> frozenset[str]:
        """The column."""
        assert self._operation is not None
        return frozenset([self._operation[1]])

    def input(self, block: Block) -> tuple[Array, Array | None]:
        """The column as longs."""
        assert self._operation is not None
        return block.numbers(self._operation[1], "LONG")

    def combine(self, state: NumericState, group_ids: Array, values: Array, nulls: Array | None) -> None:
        """Fold the values into their groups."""
        if nulls is not None:
            values, group_ids = values[~nulls], group_ids[~nulls]
        self._function[0].at(state.values, group_ids, values)
        state.seen[group_ids] = True

    def combining_factory(self) -> AggregatorFactory:
        """The same fold of the column of this name."""
        assert self._operation is not None
        fold = f'{self._operation[0]}("{self.accumulator_identifier}", "{self.name}")'
        return evolve(self, fields=(self.name,), fold=fold)
