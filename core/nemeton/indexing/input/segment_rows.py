"""The rows of a segment as batches of raw columns, as a format makes them of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.ingest.block import FrameBlock
from nemeton.ingest.documents import encode_documents
from nemeton.ingest.stored_values import stored_series
from nemeton.segment import QueryableIndex
from nemeton.segment.arrow import to_array
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.columns import NumericColumn, UnsupportedColumn
from nemeton.segment.errors import unsupported_column
from nemeton.segment.object_columns import ArrayColumn, NestedColumn, ObjectColumn
from nemeton.time import Interval

if TYPE_CHECKING:
    import polars as pl

    from nemeton.spi.ingest import InputRowSchema
    from nemeton.spi.query import DimFilter

_TIME = "__time"
_CACHE_BYTES = 64 << 20
_BATCH_BYTES = 8 << 20
_BATCH_ROWS = (1_000, 100_000)


@frozen
class SegmentRowsReader:
    """Reads the wanted columns of the rows in the intervals that meet the filter. ``__time`` comes as milliseconds.

    Documents and values of several types come as JSON texts (`nemeton.ingest.documents`), complex values as
    `nemeton.ingest.stored_values` has them. Columns of kinds that cannot be read are refused where they are wanted.
    """

    schema: InputRowSchema
    filter: DimFilter | None = None
    _cache: DecodedColumnCache = field(init=False, factory=lambda: DecodedColumnCache(_CACHE_BYTES))

    def frames(self, folder: Path, intervals: tuple[Interval, ...]) -> Iterator[pl.DataFrame]:
        """Batches of the segment in this folder."""
        index = QueryableIndex.open(folder, self._cache)
        try:
            needed = frozenset() if self.filter is None else frozenset(self.filter.required_columns())
            columns = [name for name in index.column_names if self._reads(index, name, needed)]
            step = _rows_per_batch(folder_size(folder), index.num_rows)
            for interval in intervals:
                start, stop = index.rows_of(interval) if index.is_time_ordered else (0, index.num_rows)
                for first in range(start, stop, step):
                    frame = self._frame(index, columns, first, min(first + step, stop), interval)
                    if frame.height:
                        yield frame
        finally:
            index.close()

    def _reads(self, index: QueryableIndex, name: str, needed: frozenset[str]) -> bool:
        if name == _TIME or not (name in needed or self.schema.wants(name)):
            return False
        column = index.column(name)
        if isinstance(column, UnsupportedColumn):
            raise unsupported_column(name, str(column.type))
        return True

    def _frame(
        self, index: QueryableIndex, columns: list[str], start: int, stop: int, interval: Interval
    ) -> pl.DataFrame:
        import polars as pl

        time = index.column(_TIME)
        assert isinstance(time, NumericColumn)
        times = time.values(start, stop)
        made = {_TIME: pl.Series(_TIME, times)}
        for name in columns:
            column = index.column(name)
            if column is not None:
                made[name] = _series(name, column, start, stop)
        frame = pl.DataFrame(made)
        keep = np.ones(len(times), dtype=bool)
        if not index.is_time_ordered:
            keep &= (times >= interval.start) & (times < interval.end)
        if self.filter is not None:
            keep &= self.filter.matches(FrameBlock(frame, times))
        return frame if keep.all() else frame.filter(keep)


def _series(name: str, column: Any, start: int, stop: int) -> pl.Series:
    import polars as pl

    if not isinstance(column, ObjectColumn) or (isinstance(column, ArrayColumn) and not column.is_variant):
        return pl.Series(name, to_array(column, start, stop))
    values = column.objects(start, stop).tolist()
    if isinstance(column, ArrayColumn | NestedColumn):
        return encode_documents(name, values)
    return stored_series(name, str(column.type), values)


def folder_size(folder: Path) -> int:
    """The bytes of a segment's files."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _rows_per_batch(size: int, rows: int) -> int:
    fewest, most = _BATCH_ROWS
    return min(max(_BATCH_BYTES * rows // max(size, 1), fewest), most)
