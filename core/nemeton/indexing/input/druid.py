"""A data source as the input of another ingestion: re-indexing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from attrs import define, evolve, field, frozen

from nemeton.common.errors import defensive, invalid_input
from nemeton.indexing.actions import RetrieveSegmentsByIdAction, RetrieveUsedSegmentsAction
from nemeton.indexing.input.pulling import pulled_segment
from nemeton.indexing.input.windows import SegmentWindow, WindowedSegmentId, named_windows, visible_windows
from nemeton.ingest.sources.splitting import grouped
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputSource
from nemeton.spi.query import DimFilter
from nemeton.time import Interval

if TYPE_CHECKING:
    import polars as pl

    from nemeton.model import DataSegment
    from nemeton.spi.ingest import InputRowSchema, InputToolbox, ParseProblems

_TIME = "__time"


def _windows(ids: Iterable[WindowedSegmentId] | None) -> tuple[WindowedSegmentId, ...] | None:
    return None if ids is None else tuple(ids)


@json_type("druid")
@json_options(omit_none=True)
@frozen(kw_only=True)
class DruidInputSource(InputSource):
    """The rows of a data source in an interval, those of the segments that count when it is first read or split.

    Splits name their ``segments`` instead, with the intervals in which each counts; that is not for users.
    ``dimensions`` and ``metrics`` are kept and mean nothing: what is read is what the schema asks for.
    """

    needs_format: ClassVar[bool] = False

    data_source: str
    interval: Interval | None = None
    segments: tuple[WindowedSegmentId, ...] | None = field(default=None, converter=_windows)
    filter: DimFilter | None = None
    dimensions: list[str] | None = None
    metrics: list[str] | None = None
    _place: _Place | None = field(default=None, alias="place", eq=False, repr=False, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        if (self.interval is None) == (self.segments is None):
            raise invalid_input("Specify exactly one of 'interval' and 'segments'")

    def for_task(self, toolbox: InputToolbox) -> DruidInputSource:
        """See :class:`InputSource`."""
        return evolve(self, place=_Place(toolbox))

    @property
    def place(self) -> _Place:
        """Where it is read."""
        if self._place is None:
            raise defensive("A druid input source is read by a task only")
        return self._place

    def entities(self) -> Iterator[InputEntity]:
        """See :class:`InputSource`; rows come from `frames`."""
        return iter(())

    @property
    def is_splittable(self) -> bool:
        """Yes, by segment."""
        return True

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """Groups of whole segments in the order of their names; sizes are those that segments were published with."""
        if self.segments is not None:
            yield self
            return
        sized = ((window.id, window.segment.size) for window in self.place.windows(self))
        for ids in grouped(sized, max_bytes, max_entities):
            yield evolve(self, interval=None, segments=ids, place=_Place(self.place.toolbox))

    @property
    def time_column(self) -> str | None:
        """``__time`` where ``druid.indexer.task.ignoreTimestampSpecForDruidInputSource`` says so."""
        ignores = self._place is not None and self._place.toolbox.config.ignore_timestamp_spec_for_druid_input_source
        return _TIME if ignores else None

    @property
    def segments_read(self) -> int | None:
        """See :class:`InputSource`."""
        return len(self.place.windows(self))

    def segments_of(self, data_source: str) -> list[DataSegment]:
        """See :class:`InputSource`."""
        return [window.segment for window in self.place.windows(self)] if data_source == self.data_source else []

    def frames(self, schema: InputRowSchema, problems: ParseProblems) -> Iterator[tuple[pl.DataFrame, int]]:
        """See :class:`InputSource`. One segment at a time lies on disk."""
        from nemeton.indexing.input.segment_rows import SegmentRowsReader, folder_size

        reader, bytes_read = SegmentRowsReader(schema, self.filter), 0
        for window in self.place.windows(self):
            if window.segment.is_tombstone:
                continue
            with pulled_segment(window.segment, self.place.toolbox) as folder:
                bytes_read += folder_size(folder)
                for frame in reader.frames(folder, window.intervals):
                    yield frame, bytes_read


@define(eq=False)
class _Place:
    """A task that reads the source. The segments are looked up once, so that all reads see the same rows."""

    toolbox: InputToolbox
    _found: list[SegmentWindow] | None = field(init=False, default=None)

    def windows(self, source: DruidInputSource) -> list[SegmentWindow]:
        """The segments to read."""
        if self._found is None:
            self._found = self._look_up(source)
        return self._found

    def _look_up(self, source: DruidInputSource) -> list[SegmentWindow]:
        client, name = self.toolbox.action_client, source.data_source
        if source.interval is not None:
            used = client.submit(RetrieveUsedSegmentsAction(data_source=name, intervals=[source.interval]))
            return visible_windows(used, source.interval)
        ids = source.segments or ()
        wanted = [id_.segment_id for id_ in ids]
        return named_windows(
            ids, client.submit(RetrieveSegmentsByIdAction(data_source=name, segment_ids=wanted)) if wanted else ()
        )
