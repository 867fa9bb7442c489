"""Virtual columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from nemeton.common.errors import DruidException, invalid_input
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.expressions.column import ExpressionColumn, output_type
from nemeton.query.expressions.evaluate import check_functions
from nemeton.query.expressions.parser import Identifier
from nemeton.query.expressions.types import is_row_by_row
from nemeton.query.vectors import AnyVector, MultiStringVector, ObjectVector, StringVector, object_array
from nemeton.spi.query import VirtualColumn

if TYPE_CHECKING:
    from nemeton.spi.query import Block


@json_type("expression")
@frozen
class ExpressionVirtualColumn(VirtualColumn):
    """The value of an expression."""

    name: str
    expression: str
    output_type: str | None = None

    def __attrs_post_init__(self) -> None:
        try:
            column = ExpressionColumn.of(self.expression)
            check_functions(column.tree)
            column.fold()
        except DruidException as failure:
            raise invalid_input(failure.message) from failure

    @property
    def is_row_by_row(self) -> bool:
        """By its functions."""
        return is_row_by_row(ExpressionColumn.of(self.expression).tree)

    @property
    def inferred_from(self) -> frozenset[str]:
        """The columns, used as single values, from whose types the type is found; none when it is given."""
        column = ExpressionColumn.of(self.expression)
        is_given = self.output_type is not None or isinstance(column.tree, Identifier)
        return frozenset() if is_given else column.single_uses

    def required_columns(self) -> frozenset[str]:
        """What the expression reads."""
        return ExpressionColumn.of(self.expression).required_columns()

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """What the expression gives; the output type where that cannot be known, or does not fit it."""
        column = ExpressionColumn.of(self.expression)
        if any(type_of(name) is None for name in column.inputs):
            return ColumnType.parse(self.output_type) if self.output_type else column.column_type(type_of)
        found = str(column.column_type(type_of))
        if found == "FLOAT" and self._hint is not None and not isinstance(column.tree, Identifier):
            return ColumnType.parse(self._hint)  # it cannot be told
        return ColumnType.parse(output_type(found, self._hint) or found)

    @property
    def _hint(self) -> str | None:
        return None if self.output_type is None else str(ColumnType.parse(self.output_type))

    def vector(self, block: Block) -> AnyVector:
        """Evaluate."""
        return ExpressionColumn.of(self.expression).vector(block, self._hint)


@json_type("mv-filtered", "list-filtered")
@frozen
class ListFilteredVirtualColumn(VirtualColumn):
    """Another column's values that are in (or not in) a list."""

    name: str
    delegate: Any
    values: frozenset[str | None]
    is_allow_list: bool = True
    #: filters read the index of the other column
    is_by_index: ClassVar[bool] = True

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.delegate, (str, dict)):
            raise invalid_input("delegate must be a column or a dimension spec")

    @property
    def is_row_by_row(self) -> bool:
        """Always."""
        return True

    @property
    def _delegate_name(self) -> str:
        return self.delegate if isinstance(self.delegate, str) else str(self.delegate.get("dimension"))

    def required_columns(self) -> frozenset[str]:
        """The other column."""
        return frozenset([self._delegate_name])

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """STRING."""
        return ColumnType.STRING

    def vector(self, block: Block) -> AnyVector:
        """The values that stay."""
        from nemeton.query.dimensions import DefaultDimensionSpec, ListFilteredDimensionSpec

        inner = DefaultDimensionSpec(self._delegate_name)
        return ListFilteredDimensionSpec(inner, self.values, self.is_allow_list).vector(block)


@json_type("mv-to-array")
@frozen
class MultiValueToArrayVirtualColumn(VirtualColumn):
    """The values of a multi-value column as an array."""

    name: str
    expression: str

    def required_columns(self) -> frozenset[str]:
        """The column."""
        return frozenset([self.expression])

    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """An array of strings."""
        return ColumnType.STRING_ARRAY

    def vector(self, block: Block) -> AnyVector:
        """Arrays."""
        source = block.vector(self.expression)
        if isinstance(source, (MultiStringVector, StringVector)):
            items = [[v] if v is None or isinstance(v, str) else v for v in source.to_list()]
            return ObjectVector(ColumnType.STRING_ARRAY, object_array(items))
        return source  # type: ignore[return-value]
