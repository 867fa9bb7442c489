"""What post-aggregators of sketches share: a field that gives sketches, and a value for each."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from nemeton.common.errors import DruidException, invalid_input
from nemeton.model import ColumnType
from nemeton.query.vectors import ObjectVector, object_array, vector_from_list
from nemeton.spi.query import PostAggregator
from nemeton_datasketches.base import decode

if TYPE_CHECKING:
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


class ConstantPostAggregator(PostAggregator):
    """The same sketch everywhere, given in base64. Subclasses say how such a sketch is read, and its type."""

    value: str
    sketch_type: ClassVar[ColumnType]

    def __attrs_post_init__(self) -> None:
        if not self.value:
            raise invalid_input("Constant value cannot be null or empty, expecting base64 encoded sketch string")
        self.check(decode(self.value))

    @abstractmethod
    def check(self, blob: bytes | None) -> None:
        """Raise for bytes that are no sketch."""

    def required_columns(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def compute(self, table: ResultTable) -> ObjectVector:
        """The sketch."""
        return sketch_vector(self.sketch_type, [decode(self.value)] * table.num_rows)


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


def check_fields(fields: tuple[PostAggregator, ...]) -> None:
    """A set operation takes two or more."""
    if len(fields) <= 1:
        raise invalid_input(f"Illegal number of fields[{len(fields)}], must be > 1")
