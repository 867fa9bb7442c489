"""Post-aggregators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.json.scalars import read_int
from nemeton.plugins import json_type
from nemeton.query.dimensions import convert_vector
from nemeton.query.expressions.column import ExpressionColumn
from nemeton.query.expressions.evaluate import check_functions
from nemeton.query.expressions.failures import failed
from nemeton.query.vectors import (
    COLUMN_TYPES,
    DTYPES,
    AnyVector,
    Array,
    NumericVector,
    ObjectVector,
    vector_from_list,
)
from nemeton.spi.query import PostAggregator

if TYPE_CHECKING:
    from collections.abc import Callable

    from nemeton.spi.query import ResultTable


def as_doubles(vector: AnyVector) -> tuple[Array, Array | None]:
    """A column as doubles, and its nulls."""
    if isinstance(vector, NumericVector):
        return vector.values.astype(np.float64), vector.nulls
    if vector.type.is_complex:
        text = f"a value of type {vector.type} cannot be cast to class java.lang.Number"
        raise failed(text, "java.lang.ClassCastException")
    from nemeton.query.numbers import strings_to_numbers

    return strings_to_numbers([v if isinstance(v, (str, int, float)) else None for v in vector.to_list()], "DOUBLE")


@frozen
class _FieldPostAggregator(PostAggregator):
    """One column of the result."""

    field_name: str
    name: str | None = None

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])


@json_type("fieldAccess")
@frozen
class FieldAccessPostAggregator(_FieldPostAggregator):
    """A column of the result; an aggregate not finalised."""

    def compute(self, table: ResultTable) -> AnyVector:
        """The column."""
        return table.intermediate(self.field_name)  # type: ignore[return-value]


@json_type("finalizingFieldAccess")
@frozen
class FinalizingFieldAccessPostAggregator(_FieldPostAggregator):
    """A column of the result; an aggregate finalised."""

    def compute(self, table: ResultTable) -> AnyVector:
        """The column."""
        return table.vector(self.field_name)  # type: ignore[return-value]


@json_type("constant")
@frozen
class ConstantPostAggregator(PostAggregator):
    """The same number everywhere."""

    value: Any = None
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.value is None:
            raise invalid_input("Constant value cannot be null")
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            number = float(self.value) if isinstance(self.value, str) and "." in self.value else read_int(self.value)
            object.__setattr__(self, "value", number)

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def compute(self, table: ResultTable) -> AnyVector:
        """The number."""
        kind = "DOUBLE" if isinstance(self.value, float) else "LONG"
        return vector_from_list(kind, [self.value] * table.num_rows)


def _divide(a: Array, b: Array) -> Array:
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))


_OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
    "quotient": np.divide,
    "pow": np.power,
}


def check_ordering(java_class: str, ordering: str | None) -> None:
    """Refuse an ordering that is none of Druid's."""
    if ordering is not None and ordering != "numericFirst":
        where = f"org.apache.druid.query.aggregation.post.{java_class}.Ordering"
        raise invalid_input(f"No enum constant {where}.{ordering}")


@json_type("arithmetic")
@frozen
class ArithmeticPostAggregator(PostAggregator):
    """The fields combined from left to right, as doubles. `/` by zero is 0, `quotient` by zero infinite."""

    fn: str
    fields: tuple[PostAggregator, ...]
    name: str | None = None
    ordering: str | None = None

    def __attrs_post_init__(self) -> None:
        if len(self.fields) <= 1:
            raise invalid_input(f"Illegal number of fields[{len(self.fields)}], must be > 1")
        if self.fn not in _OPERATIONS:
            raise invalid_input(f"Unknown operation[{self.fn}], known operations[[quotient, pow, *, +, -, /]]")
        check_ordering("ArithmeticPostAggregator", self.ordering)

    def required_columns(self) -> frozenset[str]:
        """Those of the fields."""
        return frozenset().union(*(item.required_columns() for item in self.fields))

    def compute(self, table: ResultTable) -> AnyVector:
        """Null when one of the fields is."""
        values, nulls = as_doubles(self.fields[0].compute(table))  # type: ignore[arg-type]
        for item in self.fields[1:]:
            other, missing = as_doubles(item.compute(table))  # type: ignore[arg-type]
            with np.errstate(all="ignore"):
                values = _OPERATIONS[self.fn](values, other)
            nulls = missing if nulls is None else nulls if missing is None else nulls | missing
        return NumericVector(COLUMN_TYPES["DOUBLE"], values, nulls)


@frozen
class _Bounds:
    min: float
    max: float


_INFINITE = _Bounds(-np.inf, np.inf)


def as_numbers(vector: AnyVector, type_name: str) -> tuple[Array, Array | None]:
    """A column as longs or doubles, and its nulls."""
    if type_name == "LONG" and isinstance(vector, NumericVector) and vector.values.dtype == np.int64:
        return vector.values, vector.nulls
    from nemeton.query.source import convert_numbers

    values, nulls = as_doubles(vector)
    return convert_numbers(values, type_name), nulls


@frozen
class _Extreme(PostAggregator):
    fields: tuple[PostAggregator, ...]
    name: str | None = None

    number_type = "DOUBLE"
    largest = True

    def __attrs_post_init__(self) -> None:
        if not self.fields:
            raise invalid_input("Illegal number of fields[0], must be > 0")

    def required_columns(self) -> frozenset[str]:
        """Those of the fields."""
        return frozenset().union(*(item.required_columns() for item in self.fields))

    def compute(self, table: ResultTable) -> AnyVector:
        """Nulls are passed over."""
        found = [item.compute(table) for item in self.fields]
        columns = [as_numbers(item, self.number_type) for item in found]  # type: ignore[arg-type]
        limits: Any = np.iinfo(np.int64) if self.number_type == "LONG" else _INFINITE
        edge = limits.min if self.largest else limits.max
        stack = np.stack([np.where(nulls, edge, values) if nulls is not None else values for values, nulls in columns])
        values = stack.max(axis=0) if self.largest else stack.min(axis=0)
        missing = np.ones(table.num_rows, dtype=bool)
        for _, nulls in columns:
            missing &= nulls if nulls is not None else False
        return NumericVector(
            COLUMN_TYPES[self.number_type], np.where(missing, 0, values), missing if missing.any() else None
        )


@json_type("doubleGreatest")
@frozen
class DoubleGreatestPostAggregator(_Extreme):
    """The greatest of the fields, as double."""


@json_type("doubleLeast")
@frozen
class DoubleLeastPostAggregator(_Extreme):
    """The least of the fields, as double."""

    largest = False


@json_type("longGreatest")
@frozen
class LongGreatestPostAggregator(_Extreme):
    """The greatest of the fields, as long."""

    number_type = "LONG"


@json_type("longLeast")
@frozen
class LongLeastPostAggregator(_Extreme):
    """The least of the fields, as long."""

    number_type = "LONG"
    largest = False


class TableBlock:
    """A result table as a block, for expressions."""

    def __init__(self, table: ResultTable) -> None:
        self._table = table
        self.num_rows = table.num_rows
        self._cache: dict[Any, Any] = {}

    def vector(self, name: str) -> AnyVector:
        """A finished column."""
        return self._table.vector(name)  # type: ignore[return-value]

    def numbers(self, name: str, type_name: str) -> tuple[Array, Array | None]:
        """A column as numbers."""
        from nemeton.query.source import convert_numbers

        values, nulls = as_doubles(self.vector(name))
        return convert_numbers(values, type_name), nulls

    def select(self, rows: Array) -> TableBlock:
        """Rows of the table."""
        raise NotImplementedError

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Made once."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


@json_type("expression")
@frozen
class ExpressionPostAggregator(PostAggregator):
    """The value of an expression over the result's columns."""

    expression: str
    name: str | None = None
    ordering: str | None = None
    output_type: str | None = None

    def __attrs_post_init__(self) -> None:
        check_functions(ExpressionColumn.of(self.expression).tree)
        check_ordering("ExpressionPostAggregator", self.ordering)

    def required_columns(self) -> frozenset[str]:
        """What the expression reads."""
        return ExpressionColumn.of(self.expression).required_columns()

    def compute(self, table: ResultTable) -> AnyVector:
        """Evaluate; single values become what the output type says."""
        block = TableBlock(table)
        vector = ExpressionColumn.of(self.expression).vector(block, self.output_type)
        kind = (self.output_type or "").upper()
        if kind in ("STRING", *DTYPES) and str(vector.type) != kind and not isinstance(vector, ObjectVector):
            return convert_vector(block, vector, kind)
        return vector


@json_type("hyperUniqueCardinality")
@frozen
class HyperUniqueFinalizingPostAggregator(FinalizingFieldAccessPostAggregator):
    """The estimate of an aggregate of distinct values; a number as it is."""


@json_type("javascript")
@frozen
class JavaScriptPostAggregator(PostAggregator):
    """Refused, as Druid does unless it is told otherwise."""

    name: str | None = None
    field_names: tuple[str, ...] = ()
    function: str = ""

    def required_columns(self) -> frozenset[str]:
        """The fields."""
        return frozenset(self.field_names)

    def compute(self, table: ResultTable) -> AnyVector:
        """Refuse."""
        from nemeton.query.filters.texts import javascript_disabled

        raise javascript_disabled()
