"""Writing a segment directory that the real Druid loads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from attrs import define, field

from nemeton.segment.column_data import ColumnData, LongData, StringData
from nemeton.segment.column_writer import encode_column
from nemeton.segment.errors import bad_column
from nemeton.segment.index_spec import IndexSpec
from nemeton.segment.metadata import IndexFile, SegmentIndexMetadata
from nemeton.segment.settings import ColumnSettings
from nemeton.segment.smoosh import FORMAT_VERSION, SmooshWriter
from nemeton.time import Interval

TIME = "__time"


def write_segment(
    directory: str | PathLike[str],
    *,
    interval: Interval,
    columns: Iterable[ColumnData],
    dimensions: Sequence[str],
    metrics: Sequence[str],
    metadata: SegmentIndexMetadata | None = None,
    index_spec: IndexSpec | None = None,
    lz4_level: int = 0,
) -> int:
    """Write a whole segment and return the size of its files in bytes, as a DataSegment states it.

    `columns` holds `__time` and every dimension and metric, in any order; it may be a generator, so that only one
    column is in memory at a time. Rows are in their final order: time ascending, then as `metadata.ordering` says.
    Raises an invalid-input `DruidException` that names the column when the data is not fit to be written; the directory
    then holds an incomplete segment, which no reader accepts. `lz4_level` trades time for size, see `Compressor`.
    """
    writer = IndexWriter(
        Path(directory), interval, list(dimensions), list(metrics), metadata, index_spec or IndexSpec(), lz4_level
    )
    try:
        for column in columns:
            writer.add(column)
        return writer.finish()
    finally:
        writer.abort()


@define
class IndexWriter:
    """Writes a segment column by column. Not thread-safe."""

    directory: Path
    interval: Interval
    dimensions: list[str]
    metrics: list[str]
    metadata: SegmentIndexMetadata | None = None
    index_spec: IndexSpec = field(factory=IndexSpec)
    lz4_level: int = 0
    _smoosh: SmooshWriter = field(init=False)
    _num_rows: int | None = field(init=False, default=None)
    _written: set[str] = field(init=False, factory=set)
    _null_columns: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.index_spec.check()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._smoosh = SmooshWriter(self.directory)

    def add(self, column: ColumnData) -> None:
        """Write one column; each name once, of as many rows as the others."""
        self._check(column)
        may_be_null_only = column.name in self.dimensions
        encoded = encode_column(column, ColumnSettings(self.index_spec, self.lz4_level), may_be_null_only)
        for suffix, pieces in encoded.files:
            self._smoosh.add(f"{column.name}.{suffix}", pieces)
        self._smoosh.add(column.name, encoded.pieces)
        self._written.add(column.name)
        if encoded.is_null_only:
            self._null_columns.add(column.name)

    def _check(self, column: ColumnData) -> None:
        if column.name != TIME and column.name not in self.dimensions and column.name not in self.metrics:
            raise bad_column(column.name, "it is neither a dimension nor a metric")
        if self._num_rows is None:
            self._num_rows = column.num_rows
        if column.num_rows != self._num_rows:
            raise bad_column(column.name, f"it has {column.num_rows} rows, other columns have {self._num_rows}")
        if column.name == TIME:
            self._check_time(column)

    def _check_time(self, column: ColumnData) -> None:
        if not isinstance(column, LongData) or column.nulls is not None:
            raise bad_column(TIME, "it must be longs without nulls")
        values = column.values
        is_time_ordered = self.metadata is None or self.metadata.is_time_ordered
        if is_time_ordered and (values[1:] < values[:-1]).any():
            raise bad_column(TIME, "rows are not in ascending order of time")
        if len(values) and not (self.interval.start <= values.min() and values.max() < self.interval.end):
            raise bad_column(TIME, f"there are rows outside of the segment's interval {self.interval}")

    def finish(self) -> int:
        """Write the files that make the segment complete; returns the size of all files together."""
        missing = [n for n in (TIME, *self.dimensions, *self.metrics) if n not in self._written]
        if missing:
            raise bad_column(missing[0], "it was announced, but never written")
        columns = [*self.metrics, *self.dimensions]
        index = IndexFile(
            columns,
            self.dimensions,
            self.interval.start,
            self.interval.end,
            self.index_spec.is_concise,
            frozenset(self._null_columns),
        )
        self._smoosh.add("index.drd", index.encode())
        if self.metadata is not None:
            self._smoosh.add("metadata.drd", [self.metadata.encode()])
        loader = self.index_spec.segment_loader or {"type": "mMapSegmentFactory"}
        (self.directory / "factory.json").write_text(json.dumps(loader, separators=(",", ":")))
        self._smoosh.finish()
        (self.directory / "version.bin").write_bytes(FORMAT_VERSION.to_bytes(4, "big"))
        return sum(f.stat().st_size for f in self.directory.iterdir())

    def abort(self) -> None:
        """Close files after a failure; harmless after `finish`."""
        self._smoosh.abort()


def all_null(name: str, num_rows: int) -> StringData:
    """Return a string column in which every row is null."""
    return StringData(name, [None], np.zeros(num_rows, np.uint8))
