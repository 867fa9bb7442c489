"""A segment as a query sees it: its columns and the virtual ones, read in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nemeton.common.errors import invalid_input
from nemeton.model import ColumnType
from nemeton.query.kernels import compiled_kernels
from nemeton.query.numbers import double_to_long, strings_to_numbers
from nemeton.query.vectors import (
    COLUMN_TYPES,
    DTYPES,
    AnyVector,
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    null_vector,
    object_array,
)

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.query.fused.conditions import CodeConditions
    from nemeton.spi.query import Block, DimFilter, QueryControl, VirtualColumn
    from nemeton.time import Interval

BLOCK_ROWS = 65_536
_PASS_FROM = 65_536
TIME = "__time"


class SegmentSource:
    """One segment for the duration of one query. Not thread-safe: each thread makes its own."""

    def __init__(
        self,
        segment: Segment,
        virtual_columns: Sequence[VirtualColumn] = (),
        *,
        is_row_by_row: bool = False,
        rows: tuple[int, int] | None = None,
    ) -> None:
        self.segment = segment
        #: whether Druid looks at rows one by one, not by vectors: filters differ in what a null is then
        self.is_row_by_row = is_row_by_row or any(column.is_row_by_row for column in virtual_columns)
        self.virtual_columns: Mapping[str, VirtualColumn] = {item.name: item for item in virtual_columns}
        if len(self.virtual_columns) != len(virtual_columns):
            raise invalid_input("virtualColumns: two virtual columns share a name")
        self.num_rows = segment.num_rows
        self._rows = rows
        self._cache: dict[Any, Any] = {}
        self._columns: dict[str, Any] = {}
        self._in_progress: list[str] = []

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value under the key, made at the first call."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def column(self, name: str) -> Any:
        """The physical column, or None."""
        if name not in self._columns:
            self._columns[name] = self.segment.column(name)
        return self._columns[name]

    def column_type(self, name: str) -> ColumnType | None:
        """The type of a column, virtual or not; None when there is no such column."""
        virtual = self.virtual_columns.get(name)
        if virtual is not None:
            if name in self._in_progress:
                return None
            self._in_progress.append(name)
            try:
                if self._has_open_strings(getattr(virtual, "inferred_from", ())):
                    return ColumnType.FLOAT  # what Druid says when it cannot tell
                return virtual.column_type(self.column_type)
            finally:
                self._in_progress.pop()
        column = self.column(name)
        return None if column is None else column.type

    def _has_open_strings(self, names: Iterable[str]) -> bool:
        """Whether one of the columns is of strings of which Druid does not know whether a row has several."""
        if not getattr(self.segment, "has_open_strings", False):
            return False
        columns = (self.column(name) for name in names if name not in self.virtual_columns)
        return any(column is not None and str(column.type) == "STRING" for column in columns)

    def dictionary(self, name: str) -> Dictionary:
        """The dictionary of a string column; its values are read when first needed."""
        column = self.column(name)
        given = getattr(column, "dictionary", None)
        if isinstance(given, Dictionary):
            return given
        return cast(
            "Dictionary",
            self.cached(
                ("dictionary", name),
                lambda: Dictionary(
                    getattr(column, "values_array", column.values_list),
                    column.cardinality,
                    getattr(column, "is_sorted", True),
                    self.finder(name),
                    getattr(column, "dictionary_digest", None),
                ),
            ),
        )

    def finder(self, name: str) -> Callable[[str | None], int] | None:
        """What finds a value of a string column in its dictionary: each of them once."""
        find = getattr(self.column(name), "index_of", None)
        if find is None:
            return None
        return cast("Callable[[str | None], int]", self.cached(("finder", name), lambda: _once(find)))

    def read(self, name: str, start: int, stop: int) -> AnyVector:
        """The rows [start, stop) of a physical column."""
        column = self.column(name)
        if column is None:
            return null_vector(stop - start)
        type_name = str(column.type)
        if type_name in DTYPES:
            return NumericVector(column.type, column.values(start, stop), column.nulls(start, stop))
        if type_name == "STRING" and getattr(column, "is_dictionary_encoded", True):
            if column.has_multiple_values:
                offsets, codes = column.offsets_codes(start, stop)
                return MultiStringVector(offsets, codes, self.dictionary(name))
            return StringVector(column.codes(start, stop), self.dictionary(name))
        if not hasattr(column, "objects"):  # a column that cannot be read yet says so itself
            return ObjectVector(column.type, object_array(column.values(start, stop)))
        return ObjectVector(column.type, column.objects(start, stop), getattr(column, "text", None))

    def is_indexed(self, name: str) -> bool:
        """Whether it is a column of the segment that has an index of its values."""
        column = None if name in self.virtual_columns else self.column(name)
        return bool(getattr(column, "has_bitmap_index", False) or getattr(column, "is_auto", False))

    def row_ranges(self, intervals: Sequence[Interval]) -> list[tuple[int, int]]:
        """The rows (of those to be read) whose time may lie in the intervals; exact if they are sorted by time."""
        found = self._ranges(intervals)
        if self._rows is None:
            return found
        first, last = self._rows
        cut = [(max(start, first), min(stop, last)) for start, stop in found]
        return [(start, stop) for start, stop in cut if start < stop]

    def _ranges(self, intervals: Sequence[Interval]) -> list[tuple[int, int]]:
        if not self.num_rows:
            return []
        if self.is_in_intervals:
            return [(0, self.num_rows)]
        if self.column(TIME) is None:  # rows without a time are at the epoch
            return [(0, self.num_rows)] if any(i.start <= 0 < i.end for i in intervals) else []
        if not self.sorted_by_time:
            return [(0, self.num_rows)]
        times = self.times(0, self.num_rows)
        first, last = int(times[0]), int(times[-1])
        out = []
        for interval in intervals:
            if interval.start <= first and last < interval.end:  # mostly; of many small segments a search takes longer
                return [(0, self.num_rows)]
            start, stop = np.searchsorted(times, [interval.start, interval.end]).tolist()
            if stop > start:
                out.append((start, stop))
        return out

    def times(self, start: int, stop: int) -> Array:
        """`__time` of the rows [start, stop)."""
        return cast("Array", self.column(TIME).values(start, stop))

    @property
    def is_in_intervals(self) -> bool:
        """Whether the rows were cut to the query's intervals when the segment was made, whatever their time says."""
        return bool(getattr(self.segment, "is_in_intervals", False))

    @property
    def sorted_by_time(self) -> bool:
        """Whether `__time` never goes back."""

        def check() -> bool:
            times = self.times(0, self.num_rows)
            return bool((times[1:] >= times[:-1]).all())

        known = getattr(self.segment, "is_time_ordered", None)
        return bool(known) if known is not None else bool(self.cached("sorted by time", check))

    @property
    def time_bounds(self) -> tuple[int, int] | None:
        """The first and last `__time` of the segment; None when it has no rows or no time."""
        if hasattr(self.segment, "time_bounds"):
            return cast("tuple[int, int] | None", self.segment.time_bounds)
        if not self.num_rows or self.column(TIME) is None:
            return None
        times = self.times(0, self.num_rows)
        return (int(times[0]), int(times[-1])) if self.sorted_by_time else (int(times.min()), int(times.max()))

    @property
    def is_exact(self) -> bool:
        """Whether all rows of `row_ranges` lie in the intervals."""
        return self.is_in_intervals or self.column(TIME) is None or self.sorted_by_time

    @property
    def is_worth_a_pass(self) -> bool:
        """Whether a compiled pass over the rows takes less time than to prepare it, and its kernels are there."""
        return compiled_kernels.module is not None and self.num_rows >= _PASS_FROM

    def candidates(self, condition: DimFilter) -> Array | None:
        """`DimFilter.candidates`, found once."""
        return cast("Array | None", self.cached(("candidates", id(condition)), lambda: condition.candidates(self)))

    def _by_code(self, condition: DimFilter) -> CodeConditions | None:
        from nemeton.query.fused.conditions import CodeConditions

        if not self.is_worth_a_pass:
            return None
        return cast(
            "CodeConditions | None",
            self.cached(("by code", id(condition)), lambda: CodeConditions.of(self, condition)),
        )

    def blocks(
        self,
        intervals: Sequence[Interval],
        condition: DimFilter | None,
        control: QueryControl,
        block_rows: int = BLOCK_ROWS,
        descending: bool = False,
        late: bool = False,
    ) -> Iterator[RowBlock]:
        """The rows that lie in the intervals and meet the condition, in blocks that are never empty, in row order.

        With `descending` the blocks come last first; the rows within each are still ascending. With `late` a block of
        which most rows count comes whole, and with a mask of those.
        """
        known = None if condition is None else condition.constant(self)
        if known is False:
            return
        if known:
            condition = None
        exact = self.is_exact
        candidates = None if condition is None else self.candidates(condition)
        by_code = None if condition is None or candidates is not None else self._by_code(condition)
        if by_code is not None and exact and not late:
            yield from self._coded_blocks(intervals, by_code, control, block_rows, descending)
            return
        spans = self._spans(intervals, block_rows, candidates)
        for start, stop, rows in reversed(spans) if descending else spans:
            control.check()
            block = RowBlock(self, start, stop, rows)
            if not exact:
                block = block.where(in_any(block.times(), intervals))
            if condition is not None and block.num_rows:
                decided = by_code is not None and block.rows is None
                mask = by_code.mask(start, stop) if by_code and decided else condition.matches(block)
                if late and block.rows is None and _LATE_SHARE * np.count_nonzero(mask) > block.num_rows:
                    block.mask = None if mask.all() else mask
                else:
                    block = block.where(mask)
            if block.num_rows:
                yield block

    def _coded_blocks(
        self,
        intervals: Sequence[Interval],
        condition: CodeConditions,
        control: QueryControl,
        block_rows: int,
        descending: bool,
    ) -> Iterator[RowBlock]:
        """As `blocks`: codes decide of many rows at a time, so that blocks are not small where few of these count."""
        spans = self._spans(intervals, _SPAN_BLOCKS * block_rows, None)
        for start, stop, _ in reversed(spans) if descending else spans:
            control.check()
            rows = np.flatnonzero(condition.mask(start, stop))
            firsts = range(0, len(rows), block_rows)
            for at in reversed(firsts) if descending else firsts:
                some = rows[at : at + block_rows]
                first, last = int(some[0]), int(some[-1])
                is_whole = last - first == len(some) - 1
                yield RowBlock(self, start + first, start + last + 1, None if is_whole else some - first)

    def _spans(
        self, intervals: Sequence[Interval], block_rows: int, candidates: Array | None
    ) -> list[tuple[int, int, Array | None]]:
        """Where the blocks are: first row, last row + 1, and which of them, counted from the first (None: all)."""
        ranges = self.row_ranges(intervals)
        if candidates is None:
            return [
                (at, min(at + block_rows, stop), None)
                for start, stop in ranges
                for at in range(start, stop, block_rows)
            ]
        out: list[tuple[int, int, Array | None]] = []
        for start, stop in ranges:
            inside = candidates[slice(*np.searchsorted(candidates, [start, stop]).tolist())]
            for at in range(0, len(inside), block_rows):
                rows = inside[at : at + block_rows]
                out.append((int(rows[0]), int(rows[-1]) + 1, rows - rows[0]))
        return out


def in_any(times: Array, intervals: Sequence[Interval]) -> Array:
    """A bool per time: whether it lies in one of the intervals."""
    inside = np.zeros(len(times), dtype=bool)
    for interval in intervals:
        inside |= (times >= interval.start) & (times < interval.end)
    return inside


_SPAN_BLOCKS = 4
_LATE_SHARE = 8  # a block of which fewer rows count is cut to them before anything else is read


class RowBlock:
    """Rows [start, stop) of a source, or some of them. Implements `nemeton.spi.query.Block`.

    `mask` tells the rows that count, where the block came whole: see `SegmentSource.blocks`.
    """

    __slots__ = ("_vectors", "mask", "num_rows", "rows", "source", "start", "stop")

    def __init__(self, source: SegmentSource, start: int, stop: int, rows: Array | None = None) -> None:
        self.source = source
        self.start = start
        self.stop = stop
        self.rows = rows
        self.num_rows = stop - start if rows is None else len(rows)
        self._vectors: dict[str, AnyVector] = {}
        self.mask: Array | None = None

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """A value that holds for the whole segment and query, made once."""
        return self.source.cached(key, make)

    def where(self, mask: Array) -> RowBlock:
        """The block of the rows where the mask is true."""
        if mask.all():
            return self
        return self.select(np.flatnonzero(mask))

    def select(self, rows: Array) -> RowBlock:
        """The block of these rows (positions in this block, ascending)."""
        block = RowBlock(self.source, self.start, self.stop, rows if self.rows is None else self.rows[rows])
        for name, vector in self._vectors.items():
            if name in self.source.virtual_columns:  # computed already: taking is cheaper than computing again
                block._vectors[name] = vector.take(rows)
        return block

    def vector(self, name: str) -> AnyVector:
        """A column, real or virtual, for the rows of the block."""
        found = self._vectors.get(name)
        if found is None:
            found = self._vectors[name] = self._make(name)
        return found

    def _make(self, name: str) -> AnyVector:
        virtual = self.source.virtual_columns.get(name)
        if virtual is None:
            whole = self.source.read(name, self.start, self.stop)
            return whole if self.rows is None else whole.take(self.rows)
        in_progress = self.source._in_progress
        if name in in_progress:
            raise invalid_input(f"Self-referential column[{name}]")
        in_progress.append(name)
        try:
            return cast("AnyVector", virtual.vector(self))
        finally:
            in_progress.pop()

    def times(self) -> Array:
        """`__time` of the rows; zeros when the source has no time."""
        vector = self.vector(TIME)
        return vector.values if isinstance(vector, NumericVector) else np.zeros(self.num_rows, dtype=np.int64)

    def numbers(self, name: str, type_name: str) -> tuple[Array, Array | None]:
        """A column as numbers of a type, and the mask of its nulls (None: there are none)."""
        vector = self.vector(name)
        if isinstance(vector, NumericVector):
            return convert_numbers(vector.values, type_name), vector.nulls
        if isinstance(vector, StringVector):
            return numbers_of_strings(self, vector, type_name)
        return strings_to_numbers(object_array([_scalar(item) for item in vector.to_list()]), type_name)


def numbers_of_strings(
    block: Block, vector: StringVector, type_name: str, *, exact: bool = False
) -> tuple[Array, Array | None]:
    """`strings_to_numbers` of a vector: of each distinct string once, where that is less."""
    dictionary = vector.dictionary
    if len(vector) < dictionary.size:
        return strings_to_numbers(vector.values(), type_name, exact=exact)
    # The dictionary is kept with its numbers, so that its id stays its own.
    values, nulls, _ = block.cached(
        ("numbers", type_name, exact, id(dictionary)),
        lambda: (*strings_to_numbers(dictionary.values, type_name, exact=exact), dictionary),
    )
    mask = None if nulls is None else nulls[vector.codes]
    return values[vector.codes], mask if mask is None or mask.any() else None


def _scalar(value: Any) -> Any:
    """A number or string as it is; null for what has no single value."""
    return value if isinstance(value, (str, int, float)) else None


def convert_numbers(values: Array, type_name: str) -> Array:
    """Numbers as another type, as Java casts them: towards zero and saturating, NaN to 0."""
    dtype = DTYPES[type_name]
    if values.dtype == dtype:
        return values
    if type_name != "LONG":
        with np.errstate(over="ignore", invalid="ignore"):
            return values.astype(dtype)
    return double_to_long(values)


def as_type(vector: AnyVector, type_name: str) -> NumericVector:
    """A numeric vector as numbers of another type."""
    assert isinstance(vector, NumericVector)
    return NumericVector(COLUMN_TYPES[type_name], convert_numbers(vector.values, type_name), vector.nulls)


def _once(find: Callable[[str | None], int]) -> Callable[[str | None], int]:
    """As `find`, which it asks once for each value.

    It knows nothing of the source that keeps it: dictionaries hold it, and a source that held itself so would keep all
    that it has decoded until the collector comes by.
    """
    found: dict[str | None, int] = {}

    def finder(value: str | None) -> int:
        code = found.get(value)
        if code is None:
            code = found[value] = find(value)
        return code

    return finder
