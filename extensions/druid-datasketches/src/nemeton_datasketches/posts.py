"""What post-aggregators of sketches share: a field that gives sketches, and a value for each."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from nemeton.common.errors import DruidException, invalid_input
from nemeton.query.vectors import ObjectVector, object_array, vector_from_list
from nemeton.spi.query import PostAggregator
from nemeton_datasketches.base import decode

if TYPE_CHECKING:
    from nemeton.model import ColumnType
    from nemeton.query.vectors import AnyVector
    from nemeton.spi.query import ResultTable


class UnaryPostAggregator(PostAggregator):
    """A value of each sketch of one field. `result_kind` is the type of the values."""

    field: PostAggregator
    result_kind = "DOUBLE"

    def required_columns(self) -> frozenset[str]:
        """The field's."""
        return self.field.required_columns()

    def compute(self, table: ResultTable) -> AnyVector:
        """One by one."""
        return vector_from_list(self.kind(), [self.of(blob) for blob in self.blobs(table)])

    def blobs(self, table: ResultTable) -> list[bytes | None]:
        """The sketches of the field."""
        return sketches_of(self.field, table)

    def kind(self) -> str:
        """The type of the values."""
        return self.result_kind

    @abstractmethod
    def of(self, blob: bytes | None) -> Any:
        """The value of one sketch; None where there is none."""


class MultiPostAggregator(PostAggregator):
    """Sketches, or other values, made of the sketches of several fields."""

    fields: tuple[PostAggregator, ...]

    def required_columns(self) -> frozenset[str]:
        """The fields'."""
        return frozenset().union(*(item.required_columns() for item in self.fields))

    def rows(self, table: ResultTable) -> list[tuple[bytes | None, ...]]:
        """The sketches of each row of the table."""
        return list(zip(*(sketches_of(item, table) for item in self.fields), strict=True))


def sketches_of(item: PostAggregator, table: ResultTable) -> list[bytes | None]:
    """The sketches of a field as bytes."""
    vector: Any = item.compute(table)
    values = vector.values if isinstance(vector, ObjectVector) else vector.to_list()
    if any(isinstance(value, (int, float)) for value in values[:1]):
        raise DruidException(
            "Expected a sketch, and this is a number; use a post-aggregator of type [fieldAccess] for the field"
        )
    return [decode(value) for value in values]


def sketch_vector(column_type: ColumnType, blobs: list[Any]) -> ObjectVector:
    """Sketches as a column of the result."""
    return ObjectVector(column_type, object_array(blobs))


def require_name(name: str | None) -> None:
    """Druid's post-aggregators of sketches have to be named."""
    if name is None:
        raise invalid_input("name is null")


def check_fields(fields: tuple[PostAggregator, ...]) -> None:
    """A set operation takes two or more."""
    if len(fields) <= 1:
        raise invalid_input(f"Illegal number of fields[{len(fields)}], must be > 1")
