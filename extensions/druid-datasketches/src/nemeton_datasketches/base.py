"""What the aggregators of all sketches share: a value is a sketch in the bytes that the Java library writes."""

from __future__ import annotations

import base64
import binascii
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nemeton.common.errors import DruidException, invalid_input, unsupported
from nemeton.model import ColumnType
from nemeton.query.vectors import MultiStringVector, ObjectVector, StringVector, object_array
from nemeton.segment.errors import naming_part
from nemeton.spi.query import AggregatorFactory

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector, Array
    from nemeton.spi.query import Block


class SketchState(Protocol):
    """Sketches by group."""

    def resize(self, num_groups: int) -> None:
        """Add empty groups."""
        ...

    def take(self, groups: Array) -> Any:
        """A copy of these groups in this order."""
        ...

    def merge(self, other: Any, group_ids: Array) -> None:
        """Take in the groups of another state."""
        ...

    def merge_blobs(self, group_ids: Array, blobs: Array) -> None:
        """Take in sketches as bytes; None and no bytes are empty ones."""
        ...

    def to_bytes(self) -> list[bytes]:
        """Each sketch as Java writes it, also the empty ones."""
        ...


class SketchAggregator(AggregatorFactory):
    """An aggregator whose state is sketches. Subclasses say how rows are taken in, and what a finished one is."""

    field_name: str
    should_finalize: bool = True

    def required_columns(self) -> frozenset[str]:
        """The field."""
        return frozenset([self.field_name])

    @abstractmethod
    def init(self, num_groups: int) -> Any:
        """Empty sketches."""

    def resize(self, state: Any, num_groups: int) -> Any:
        """Empty sketches added."""
        state.resize(num_groups)
        return state

    def merge(self, state: Any, other: Any, group_ids: Array) -> None:
        """Unite."""
        state.merge(other, group_ids)

    def take(self, state: Any, groups: Array) -> Any:
        """These groups."""
        return state.take(groups)

    def merge_column(self, state: Any, group_ids: Array, blobs: Array) -> None:
        """Unite with sketches of a segment's column; raises damage of the segment for bytes that are none."""
        with naming_part(f"{self.field_name}: sketches", InvalidSketch):
            state.merge_blobs(group_ids, blobs)

    def finalise(self, state: Any) -> AnyVector:
        """The estimates, or the sketches themselves when they are not to be finalised."""
        return self.estimates(state) if self.should_finalize else self.intermediate(state)

    @abstractmethod
    def estimates(self, state: Any) -> AnyVector:
        """The finished values."""

    def intermediate(self, state: Any) -> ObjectVector:
        """The sketches as bytes."""
        return ObjectVector(self.intermediate_type, object_array(state.to_bytes()))

    def to_wire(self, state: Any) -> list[Any]:
        """Java's bytes in base64."""
        return [base64.b64encode(blob).decode() for blob in state.to_bytes()]

    def from_wire(self, values: Sequence[Any]) -> Any:
        """Read Java's bytes, as base64 or as they are; null is the empty sketch."""
        import numpy as np

        state = self.init(len(values))
        state.merge_blobs(np.arange(len(values)), object_array([decode(value) for value in values]))
        return state

    # ---- at ingestion

    #: the name of the complex type in segments
    stored_name: ClassVar[str]
    #: what stands there for an empty sketch
    stored_empty: ClassVar[bytes | None] = b""

    @property
    def stored_type(self) -> ColumnType:
        """The type in segments, which is one for sketches that were built and that were merged."""
        return ColumnType.complex(self.stored_name)

    def to_stored(self, state: Any) -> ObjectVector:
        """The sketches as bytes; as in Druid an empty one has none."""
        blobs = self.intermediate(state).values
        stored = [self.stored_empty if self.is_empty(blob) else blob for blob in blobs]
        return ObjectVector(self.stored_type, object_array(stored))

    @abstractmethod
    def is_empty(self, blob: bytes) -> bool:
        """Whether these are the bytes of an empty sketch."""

    def merge_input(self, state: Any, block: Block, group_ids: Array) -> None:
        """Unite sketches that the input has in base64, each distinct text decoded once."""
        vector: Any = block.vector(self.field_name)
        if isinstance(vector, MultiStringVector):
            self.refuse_input(vector.type)
        if isinstance(vector, StringVector):
            blobs = object_array([decode(value) for value in vector.dictionary.values.tolist()])
            state.merge_blobs(group_ids, blobs[vector.codes])
        else:
            self.aggregate(state, block, group_ids)

    def refuse_input(self, column_type: ColumnType) -> None:
        """Raise Druid's error for a column that the aggregator cannot read."""
        raise unsupported(
            f"Unsupported input [{self.field_name}] of type [{column_type}] for aggregator [{self.intermediate_type}]."
        )


def decode(value: Any) -> bytes | None:
    """A sketch as it stands in JSON or Smile."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise invalid_input(f"A sketch has to be base64: {error}") from None


def check_power_of_2(value: int, name: str) -> None:
    """Refuse what is no positive power of 2, in the words of the Java library."""
    if value <= 0 or value & (value - 1):
        raise invalid_input(
            f'The value of the parameter "{name}" must be a positive integer-power of 2 and greater than 0: {value}'
        )


class InvalidSketch(DruidException):
    """Bytes that are no sketch."""


def corrupt(kind: str, why: object) -> InvalidSketch:
    """The error for bytes that are no sketch of that kind."""
    text = f"{kind}: these bytes are no sketch of this kind: {why}"
    return InvalidSketch(text, error_code="invalidInput", category="INVALID_INPUT")
