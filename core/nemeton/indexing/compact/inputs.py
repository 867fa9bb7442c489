"""Which segments a compaction takes: ``ioConfig.inputSpec``."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.model import DataSegment, SegmentId
from nemeton.plugins import extension_point, json_type
from nemeton.time import Interval, umbrella

_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]?")
_NOT_THOSE = (
    "Specified segments in the spec are different from the current used segments. "
    "Possibly new segments would have been added or some segments have been unpublished."
)


@extension_point(hook="compaction_input_specs", name="compaction input spec")
class CompactionInputSpec(ABC):
    """What a compaction reads (Druid: ``CompactionInputSpec``); frozen attrs classes."""

    @abstractmethod
    def find_interval(self, data_source: str) -> Interval:
        """The interval whose segments are read."""

    @abstractmethod
    def is_met_by(self, segments: list[DataSegment]) -> bool:
        """Whether these, the used segments in the interval, are those that were meant."""

    def check(self, segments: list[DataSegment]) -> None:
        """Raise unless there are segments, and those that were meant."""
        if not segments:
            raise invalid_input(
                "No segments found for compaction. Please check that datasource name and interval are correct."
            )
        if not self.is_met_by(segments):
            raise invalid_input(_NOT_THOSE)


@json_type("interval")
@frozen(kw_only=True)
class CompactionIntervalSpec(CompactionInputSpec):
    """What is used in the interval; with a hash of their names, exactly those segments."""

    interval: Interval
    sha256_of_sorted_segment_ids: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.interval.is_empty:
            raise invalid_input(f"Interval[{self.interval}] is empty, must specify a nonempty interval")

    def find_interval(self, data_source: str) -> Interval:
        """See :class:`CompactionInputSpec`."""
        return self.interval

    def is_met_by(self, segments: list[DataSegment]) -> bool:
        """See :class:`CompactionInputSpec`."""
        if not self.interval.overlaps(umbrella(segment.interval for segment in segments)):
            return False
        wanted = self.sha256_of_sorted_segment_ids
        return wanted is None or wanted == hash_of_ids(segments)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


@json_type("segments")
@frozen(kw_only=True)
class SpecificSegmentsSpec(CompactionInputSpec):
    """These segments, which must be all that are used in the interval that they span."""

    segments: tuple[str, ...] = field(converter=_sorted)

    def __attrs_post_init__(self) -> None:
        if not self.segments:
            raise invalid_input("Empty segment list")

    def find_interval(self, data_source: str) -> Interval:
        """See :class:`CompactionInputSpec`."""
        return umbrella(SegmentId.parse(name, data_source).interval for name in self.segments)

    def is_met_by(self, segments: list[DataSegment]) -> bool:
        """See :class:`CompactionInputSpec`."""
        return self.segments == _sorted(str(segment.id) for segment in segments)


def hash_of_ids(segments: Iterable[DataSegment]) -> str:
    """As ``sha256OfSortedSegmentIds`` holds it: the hash's bytes taken for UTF-8, which loses much of it."""
    digest = hashlib.sha256()
    for segment in sorted(segments):
        digest.update(str(segment.id).encode())
    return _java_text(digest.digest())


def _java_text(data: bytes) -> str:
    """Bytes as Java decodes them: half of a surrogate pair is one wrong character to it, and two or three to Python."""
    return _SURROGATE.sub("\ufffd".encode(), data).decode("utf-8", errors="replace")
