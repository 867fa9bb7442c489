"""Several segments of the same interval and bucket made one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from nemeton.ingest.index.assembly import SegmentAssembly, WrittenSegment
from nemeton.ingest.index.blob_columns import BlobColumn
from nemeton.ingest.index.columns import MultiStringColumn, NumberColumn, RunColumn, StringColumn
from nemeton.ingest.index.dictionaries import EncodedStrings
from nemeton.ingest.index.pair_columns import PairColumn
from nemeton.ingest.index.value_columns import DocumentColumn, TypedColumn
from nemeton.ingest.schema import DataSchema, DimensionSchema
from nemeton.query.vectors import ObjectVector
from nemeton.segment import IndexSpec, QueryableIndex
from nemeton.segment.cache import DecodedColumnCache
from nemeton.segment.columns import NumericColumn, UnsupportedColumn
from nemeton.segment.columns import StringColumn as SegmentStringColumn
from nemeton.segment.errors import unsupported_column
from nemeton.segment.object_columns import ArrayColumn, ComplexColumn, NestedColumn, ObjectColumn
from nemeton.segment.pairs import PairColumn as SegmentPairColumn
from nemeton.segment.typed_columns import documents_of, typed_values_of
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.json import Json

_TIME = "__time"
_CACHE_BYTES = 32 << 20


@frozen(kw_only=True)
class MergeSettings:
    """What the merged segment is like."""

    schema: DataSchema
    dimensions: Sequence[DimensionSchema]
    index_spec: IndexSpec
    json: Json


@define(eq=False)
class SegmentRows:
    """The rows of a written segment, as an assembly takes those of a run; columns are decoded as they are needed."""

    index: QueryableIndex

    @property
    def num_rows(self) -> int:
        """How many."""
        return self.index.num_rows

    @property
    def times(self) -> NDArray[np.int64]:
        """The time of each row."""
        column = self.index.column(_TIME)
        assert isinstance(column, NumericColumn)
        times: NDArray[np.int64] = column.values(0, self.num_rows)
        return times

    def column(self, name: str) -> RunColumn | None:
        """A column; None when the segment has none of this name."""
        column = self.index.column(name)
        if column is None:
            return None
        if isinstance(column, NestedColumn):
            return DocumentColumn(*documents_of(column))
        if column.is_auto and isinstance(column, ArrayColumn | NumericColumn | SegmentStringColumn):
            return TypedColumn(typed_values_of(column))
        if isinstance(column, ComplexColumn):
            return BlobColumn.of(str(column.type), ObjectVector(column.type, column.objects(0, self.num_rows)))
        if isinstance(column, SegmentPairColumn):
            return PairColumn.of(str(column.type), column.objects(0, self.num_rows).tolist())
        if isinstance(column, UnsupportedColumn | ObjectColumn):
            raise unsupported_column(name, str(column.type))
        if isinstance(column, NumericColumn):
            return NumberColumn(str(column.type), column.values(0, self.num_rows), column.nulls(0, self.num_rows))
        return _strings(column, self.num_rows)


def _strings(column: SegmentStringColumn, count: int) -> StringColumn | MultiStringColumn:
    dictionary = column.dictionary_array()
    if not column.has_multiple_values:
        return StringColumn(EncodedStrings(dictionary, column.codes(0, count).astype(np.int32), is_sorted=True))
    offsets, codes = column.offsets_codes(0, count)
    strings = EncodedStrings(dictionary, codes.astype(np.int32), is_sorted=True)
    return MultiStringColumn(strings, offsets.astype(np.int64))


def merge_segments(
    folders: Iterable[Path],
    target: Path,
    interval: Interval,
    *,
    schema: DataSchema,
    index_spec: IndexSpec,
    json: Json,
) -> WrittenSegment:
    """Merge the segments in these folders into one in ``target``; with rollup, rows that are alike become one.

    Dimensions that the schema does not name keep the order in which the segments have them. Takes some tens of bytes of
    memory per row.
    """
    with ExitStack() as stack:
        parts = list(_opened(folders, stack))
        dimensions = [*schema.dimensions_spec.dimensions]
        known = {dimension.name for dimension in dimensions}
        found = dict.fromkeys(name for part in parts for name in part.index.dimensions if name not in known)
        dimensions += (_like(name, parts) for name in found)
        settings = MergeSettings(schema=schema, dimensions=dimensions, index_spec=index_spec, json=json)
        pieces = [(part, 0, part.num_rows) for part in parts if part.num_rows]
        return SegmentAssembly(pieces, settings, interval).write(target)


def _like(name: str, parts: Sequence[SegmentRows]) -> DimensionSchema:
    """A dimension of the type that it has in the segments."""
    column = next(column for part in parts if (column := part.index.column(name)) is not None)
    if column.is_auto:
        return DimensionSchema(name, "auto", cast_to=column.type if column.is_cast else None)
    return DimensionSchema(name)


def _opened(folders: Iterable[Path], stack: ExitStack) -> Iterator[SegmentRows]:
    cache = DecodedColumnCache(_CACHE_BYTES)
    for folder in folders:
        index = QueryableIndex.open(folder, cache)
        stack.callback(index.close)
        yield SegmentRows(index)
