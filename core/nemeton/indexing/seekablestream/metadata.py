"""Offsets of a stream's partitions: what ``kafka``, ``kinesis`` and their kind store beside the segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import evolve, field, frozen

from nemeton.common.errors import illegal_argument, invalid_input
from nemeton.spi.data_source_metadata import DataSourceMetadata


def _copy(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


def _set(values: Iterable[str]) -> frozenset[str]:
    return frozenset(values)


@frozen
class SeekableStreamSequenceNumbers:
    """A number for each partition of a stream: of the record to read next, or (``exclusive``) of the one before it.

    ``is_end``: where a task ends, with the number of the first record that it does not read. Druid has two classes,
    ``SeekableStreamStartSequenceNumbers`` and ``SeekableStreamEndSequenceNumbers``.
    """

    stream: str
    numbers: dict[str, Any] = field(converter=_copy)
    exclusive: frozenset[str] = field(default=(), converter=_set)
    is_end: bool = False

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> SeekableStreamSequenceNumbers:
        """Both spellings that Druid knows: ``stream`` or ``topic``, two names of the map; the older ones hold."""
        if isinstance(value, SeekableStreamSequenceNumbers):
            return value
        if not isinstance(value, dict) or value.get("type") not in ("start", "end"):
            raise invalid_input("partitions: expected an object of type [start] or [end]")
        stream = value.get("stream") if value.get("stream") is not None else value.get("topic")
        numbers = value.get("partitionOffsetMap")
        if numbers is None:
            numbers = value.get("partitionSequenceNumberMap")
        if stream is None or not isinstance(numbers, dict):
            raise invalid_input("partitions: stream and partitionSequenceNumberMap are required")
        return cls(str(stream), numbers, value.get("exclusivePartitions") or (), value["type"] == "end")

    def to_json(self, json: Any = None) -> dict[str, Any]:
        """As Druid writes it, every value under both names."""
        numbers = dict(self.numbers)
        value: dict[str, Any] = {
            "type": "end" if self.is_end else "start",
            "stream": self.stream,
            "topic": self.stream,
            "partitionSequenceNumberMap": numbers,
            "partitionOffsetMap": numbers,
        }
        return value if self.is_end else {**value, "exclusivePartitions": sorted(self.exclusive)}

    def plus(self, other: SeekableStreamSequenceNumbers) -> SeekableStreamSequenceNumbers:
        """This, with the partitions of ``other`` put over it; all of ``other`` when it is of another stream."""
        if self.is_end != other.is_end:
            raise illegal_argument("Start and end sequence numbers cannot be merged")
        if self.stream != other.stream:
            return other
        kept = frozenset(partition for partition in self.exclusive if partition not in other.numbers)
        return evolve(self, numbers={**self.numbers, **other.numbers}, exclusive=kept | other.exclusive)


@frozen
class SeekableStreamDataSourceMetadata(DataSourceMetadata):
    """The base of every stream's metadata. Subclasses carry the type name, and say how numbers compare."""

    #: Whether the number where a task ends is that of the first record that it has not read (Kafka) or of the last one
    #: that it has (Kinesis).
    end_is_exclusive: ClassVar[bool] = True

    partitions: SeekableStreamSequenceNumbers

    def is_valid_start(self) -> bool:
        """Any place may be the first."""
        return True

    def as_start(self) -> DataSourceMetadata:
        """See the base class."""
        numbers = self.partitions
        if not numbers.is_end:
            return self
        exclusive: Iterable[str] = () if self.end_is_exclusive else numbers.numbers
        return evolve(self, partitions=evolve(numbers, exclusive=exclusive, is_end=False))

    def matches(self, other: DataSourceMetadata) -> bool:
        """True when partitions that both know have the same number."""
        return type(other) is type(self) and self.plus(other) == other.plus(self)

    def plus(self, other: DataSourceMetadata) -> DataSourceMetadata:
        """See the base class."""
        if type(other) is not type(self):
            raise illegal_argument(f"Expected instance of {type(self).__name__}, got {type(other).__name__}")
        return evolve(self, partitions=self.partitions.plus(other.partitions))

    def is_ahead_of(self, other: DataSourceMetadata) -> bool:
        """True when a partition of the same stream has a higher number here."""
        if type(other) is not type(self) or other.partitions.stream != self.partitions.stream:
            return False
        theirs = other.partitions.numbers
        return any(
            partition in theirs and self.is_later(number, theirs[partition])
            for partition, number in self.partitions.numbers.items()
        )

    def is_later(self, number: Any, other: Any) -> bool:
        """True when the record of ``number`` comes after that of ``other`` in its partition."""
        return bool(number > other)
