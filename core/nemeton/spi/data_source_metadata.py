"""What a data source has read of its stream: the offsets that are stored beside its segments, and how they compare."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nemeton.plugins import extension_point


@extension_point(hook="data_source_metadata", name="data source metadata")
class DataSourceMetadata(ABC):
    """Where a data source's ingestion stands; immutable. A publish moves it from ``start`` to ``end``.

    It succeeds only when ``start`` matches what is stored, which then becomes ``stored.plus(end)``: so every record of
    a stream is published once, whatever dies and however often it is tried again.
    """

    @abstractmethod
    def is_valid_start(self) -> bool:
        """True when a publish may start here while nothing is stored yet."""

    def as_start(self) -> DataSourceMetadata:
        """The same as the start of what comes next: the end of one task is the start of the following one."""
        return self

    @abstractmethod
    def matches(self, other: DataSourceMetadata) -> bool:
        """True when the two contradict each other nowhere; what only one of them knows does not count."""

    def is_ahead_of(self, other: DataSourceMetadata) -> bool:
        """True when this goes further than ``other`` anywhere.

        A publish that starts ahead of what is stored may succeed later: whoever reads what lies between is not done.
        """
        return False

    @abstractmethod
    def plus(self, other: DataSourceMetadata) -> DataSourceMetadata:
        """This, with all that ``other`` knows put over it."""
