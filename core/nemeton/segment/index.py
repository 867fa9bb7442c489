"""An opened segment."""

from __future__ import annotations

import itertools
import threading
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nemeton.model import ColumnType
from nemeton.segment.bytereader import ByteReader
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.column_reader import AnyColumn, read_column
from nemeton.segment.columns import ColumnContext, NumericColumn
from nemeton.segment.errors import corrupt
from nemeton.segment.metadata import ColumnDescriptor, IndexFile, SegmentIndexMetadata
from nemeton.segment.numbers import read_numbers
from nemeton.segment.smoosh import SmooshReader
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.model.columns import Segment

TIME = "__time"
_OWNERS = itertools.count()


class QueryableIndex:
    """A V9 segment directory, mapped and read lazily; implements the `Segment` protocol. Thread-safe.

    Opening reads a few hundred bytes. A column's headers are read at its first use, its values are decoded at their
    first use into the `DecodedColumnCache` of the process. Damage is reported as a `DruidException` naming the part,
    when the part is first used. Close it when no query works with it any more.
    """

    def __init__(
        self, smoosh: SmooshReader, index: IndexFile, metadata: SegmentIndexMetadata | None, cache: DecodedColumnCache
    ) -> None:
        self._smoosh = smoosh
        self._index = index
        self._cache = cache
        self._owner = next(_OWNERS)
        self._columns: dict[str, AnyColumn] = {}
        self._lock = threading.Lock()
        self.metadata = metadata
        self.interval = Interval(index.interval_start, index.interval_end)
        self.dimensions = index.dimensions
        self.metrics = index.metrics
        self.column_names = [TIME, *index.dimensions, *index.metrics]
        self.num_rows = _count_rows(smoosh)

    @classmethod
    def open(cls, directory: str | PathLike[str], cache: DecodedColumnCache | None = None) -> QueryableIndex:
        """Open an unpacked segment directory."""
        smoosh = SmooshReader.open(Path(directory))
        metadata = None
        if "metadata.drd" in smoosh:
            metadata = SegmentIndexMetadata.parse(bytes(smoosh.file("metadata.drd")))
        index = IndexFile.parse(smoosh.file("index.drd"))
        return cls(smoosh, index, metadata, DecodedColumnCache.shared() if cache is None else cache)

    def column(self, name: str) -> AnyColumn | None:
        """Return a column, None when the segment has none of this name, which reads as all null."""
        column = self._columns.get(name)
        if column is None and name in self.column_names:
            with self._lock:
                column = self._columns.get(name)
                if column is None:
                    ascends = name == TIME and self.is_time_ordered
                    context = ColumnContext(name, self.num_rows, self._cache, self._owner, ascends)
                    column = self._columns[name] = read_column(self._smoosh, context)
        return column

    def column_type(self, name: str) -> ColumnType | None:
        """Return a column's type, None when there is no such column."""
        column = self.column(name)
        return None if column is None else column.type

    @property
    def is_time_ordered(self) -> bool:
        """Whether rows ascend by time, so that an interval is a range of rows."""
        return self.metadata is None or self.metadata.is_time_ordered

    def rows_of(self, interval: Interval) -> tuple[int, int]:
        """Return the range of rows whose time lies in `interval`; the segment must be time-ordered."""
        time = self.column(TIME)
        assert isinstance(time, NumericColumn)
        start, stop = np.searchsorted(time.values(0, self.num_rows), [interval.start, interval.end])
        return int(start), int(stop)

    def check(self) -> None:
        """Read every column's headers, so that a damaged segment is found before it serves queries."""
        for name in self.column_names:
            self.column(name)

    def close(self) -> None:
        """Forget what is cached of this segment and unmap it."""
        self._cache.drop(self._owner)
        self._columns.clear()
        self._smoosh.close()


def _implements(index: QueryableIndex) -> Segment:
    """Let the type checker hold the class against the protocol."""
    return index


def _count_rows(smoosh: SmooshReader) -> int:
    """Read the number of rows: by definition the length of the time column."""
    reader = ByteReader(smoosh.file(TIME), TIME)
    descriptor = ColumnDescriptor.read(reader)
    if descriptor.kind not in ("longV2", "long"):
        raise corrupt(TIME, f"the time column is [{descriptor.kind}]")
    if descriptor.kind == "longV2":
        reader = reader.sub(reader.take(reader.size("size of values")), "values")
    return read_numbers(reader, smoosh, "i8", descriptor.order).total
