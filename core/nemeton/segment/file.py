"""The public door: a Druid segment as Arrow, for polars, DuckDB, pandas and whoever speaks Arrow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.column_reader import AnyColumn
from nemeton.segment.columns import UnsupportedColumn
from nemeton.segment.index import QueryableIndex
from nemeton.segment.metadata import SegmentIndexMetadata
from nemeton.segment.zipped import unpack_zip
from nemeton.time import Interval

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 65536
_CACHE_BYTES = 64 * 1024 * 1024


class SegmentFile:
    """An opened segment. Close it, or use it in a ``with`` statement; thread-safe.

    `__time` is a timestamp in milliseconds, UTC. Strings are `large_string`; strings with multiple values are lists,
    and rows without values are null. A column whose kind cannot be read yet stands in `unsupported`, is left out where
    no columns are named, and is an error where it is.
    """

    def __init__(self, index: QueryableIndex, unpacked: tempfile.TemporaryDirectory[str] | None = None) -> None:
        self._index = index
        self._unpacked = unpacked

    @property
    def num_rows(self) -> int:
        """How many rows the segment has."""
        return self._index.num_rows

    @property
    def interval(self) -> Interval:
        """The time that the segment covers."""
        return self._index.interval

    @property
    def metadata(self) -> SegmentIndexMetadata | None:
        """What the writer noted: aggregators, rollup, granularity, order of rows; None when it noted nothing."""
        return self._index.metadata

    @property
    def columns(self) -> list[str]:
        """The columns that can be read: `__time`, then dimensions, then metrics."""
        return [n for n in self._index.column_names if not isinstance(self._index.column(n), UnsupportedColumn)]

    @property
    def dimensions(self) -> list[str]:
        """The names of the dimensions, whether they can be read or not."""
        return list(self._index.dimensions)

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics, whether they can be read or not."""
        return list(self._index.metrics)

    @property
    def unsupported(self) -> dict[str, ColumnType]:
        """The columns that cannot be read, with their types."""
        found = ((n, self._index.column(n)) for n in self._index.column_names)
        return {n: c.type for n, c in found if isinstance(c, UnsupportedColumn)}

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of `columns`."""
        return self._schema(self.columns)

    def _schema(self, names: Sequence[str]) -> pa.Schema:
        import pyarrow as pa

        from nemeton.segment.arrow import arrow_type

        return pa.schema([(n, arrow_type(self._column(n))) for n in names])

    def _column(self, name: str) -> AnyColumn:
        column = self._index.column(name)
        if column is None:
            raise invalid_input(f"There is no column [{name}] in the segment", column=name)
        return column

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return columns (all that can be read when None) as an Arrow table."""
        import pyarrow as pa

        from nemeton.segment.arrow import to_array

        names = self.columns if columns is None else list(columns)
        arrays = [to_array(self._column(n), 0, self.num_rows) for n in names]
        return pa.Table.from_arrays(arrays, schema=self._schema(names))

    def to_batches(self, columns: Sequence[str] | None = None, max_rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order as record batches of at most `max_rows`."""
        import pyarrow as pa

        from nemeton.segment.arrow import to_array

        names = self.columns if columns is None else list(columns)
        schema = self._schema(names)
        for start in range(0, self.num_rows, max_rows):
            stop = min(start + max_rows, self.num_rows)
            yield pa.RecordBatch.from_arrays([to_array(self._column(n), start, stop) for n in names], schema=schema)

    def close(self) -> None:
        """Unmap the segment and remove what was unpacked. Arrow data that was handed out stays valid."""
        self._index.close()
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _check_place(place: Path) -> None:
    """Tell a wrong path from a damaged segment."""
    if not place.exists():
        raise invalid_input(f"There is no segment at [{place}]: no such file or folder")
    if place.is_dir() and not (place / "version.bin").exists():
        raise invalid_input(
            f"[{place}] is not a segment directory: it holds no version.bin; "
            "name the folder of an unpacked segment, or its index.zip"
        )


def open(path: str | PathLike[str]) -> SegmentFile:  # noqa: A001 - reads well as nemeton.segment.open
    """Open a segment: a folder with `version.bin` and `meta.smoosh`, or an `index.zip` of one.

    A zip is unpacked into a temporary folder until the segment is closed. Raises a `DruidException` that names the
    damaged part when it is no whole segment.
    """
    place = Path(path)
    _check_place(place)
    cache = DecodedColumnCache(_CACHE_BYTES)
    if not place.is_file():
        return SegmentFile(QueryableIndex.open(place, cache))
    unpacked = tempfile.TemporaryDirectory(prefix="nemeton-segment-")
    try:
        unpack_zip(place, Path(unpacked.name))
        return SegmentFile(QueryableIndex.open(unpacked.name, cache), unpacked)
    except BaseException:
        unpacked.cleanup()
        raise
