"""What filters on the values of one column share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nemeton.model import ColumnType
from nemeton.query.expressions.vec import text
from nemeton.query.numbers import number_texts
from nemeton.query.vectors import (
    Array,
    Dictionary,
    ListedNumericVector,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    any_of_rows,
    encode_strings,
)
from nemeton.spi.query import DimFilter, ExtractionFn

if TYPE_CHECKING:
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import Block


#: Dictionaries of so many values are searched rather than read, where that is possible.
_SEARCH_FROM = 256


#: How many bitmaps are read at most, and which part of the rows may be in them, when a filter goes by bitmaps.
_FEW_CODES = 64
_FEW_ROWS = 16


def insertion(found: int) -> int:
    """The place of a value in its dictionary, whether it is there or not."""
    return found if found >= 0 else -found - 1


class PredicateFilter(DimFilter):
    """A condition on one column's values: decided once per distinct string, and for whole arrays of numbers.

    Subclasses say what column (their field `dimension`, unless they override `column_name`), whether null matches
    (`null_matches`: True, False, or None for unknown), and decide for values that are not null.
    """

    dimension: str

    @property
    def column_name(self) -> str:
        """The column."""
        return self.dimension

    @property
    def extraction(self) -> ExtractionFn | None:
        """What is done to the values first."""
        return getattr(self, "extraction_fn", None)

    @property
    def null_matches(self) -> bool | None:
        """Whether null matches; None: it is unknown."""
        return None

    @property
    def extracted_null_matches(self) -> bool | None:
        """Whether a null matches that the extraction function gives; None: it is unknown."""
        return self.null_matches

    @property
    def skips_numeric_nulls(self) -> bool:
        """Whether nulls of numbers are unknown whatever the extraction function makes of them."""
        return False

    def rewritten(self) -> DimFilter | None:
        """A filter without extraction function that Druid asks instead, where nulls may be unknown."""
        return None

    def match_strings(self, values: Sequence[str]) -> Sequence[bool] | Array:
        """For each string, none of them null."""
        raise NotImplementedError

    def code_ranges(self, find: Callable[[str], int]) -> list[tuple[int, int]] | None:
        """The codes of a sorted dictionary that match, as ranges, when searching is enough to know them.

        `find` gives a value's code or `-(insertion point + 1)`. Null need not be left out.
        """
        return None

    def match_numbers(self, values: Array, type_name: str) -> Array | None:
        """For each number (nulls are masked later), or None to go by their texts."""
        return None

    def match_object(self, value: Any) -> bool | None:
        """For an array or another object that is not null; None: unknown."""
        return None

    def required_columns(self) -> frozenset[str]:
        """The column."""
        return frozenset([self.column_name])

    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """True where it holds (or may hold)."""
        other = self.rewritten() if include_unknown and self.extraction is not None else None
        if other is not None:
            return other.matches(block, include_unknown)
        vector = block.vector(self.column_name)
        if isinstance(vector, ObjectVector) and vector.type == ColumnType.STRING:  # an auto column with several types
            codes, distinct = encode_strings(text(value) for value in vector.to_list())
            return self._match_all(distinct, include_unknown)[codes]
        if isinstance(vector, StringVector):
            return self.table(block, vector.dictionary, include_unknown, vector.codes)[vector.codes]
        if isinstance(vector, MultiStringVector):
            hits = self.table(block, vector.dictionary, include_unknown)[vector.codes]
            found = any_of_rows(hits, vector.offsets)
            empty = vector.lengths == 0
            return np.where(empty, self._null(include_unknown), found) if empty.any() else found
        if isinstance(vector, ListedNumericVector) and vector.by_value is not None:
            offsets, values = vector.by_value
            return any_of_rows(self._match_numeric(values, include_unknown), offsets)
        if isinstance(vector, NumericVector):
            return self._match_numeric(vector, include_unknown)
        null = self._null(include_unknown)
        decided = [null if v is None else self.match_object(v) for v in vector.to_list()]
        return np.array([include_unknown if item is None else item for item in decided], dtype=bool)

    def candidates(self, source: SegmentSource) -> Array | None:
        """The rows of the codes that match, by the column's bitmaps, when they are few."""
        name = self.column_name
        column: Any = None if name in source.virtual_columns else source.column(name)
        find = source.finder(name) if getattr(column, "has_bitmap_index", False) else None
        if find is None or self.extraction is not None or self.null_matches is True:
            return None
        ranges = self.code_ranges(find)
        return None if ranges is None else few_rows(column, ranges)

    def null_number(self, include_unknown: bool) -> bool:
        """Whether a null of a numeric column matches, where not all nulls are alike."""
        return self._null(include_unknown)

    def _null(self, include_unknown: bool) -> bool:
        if self.extraction is not None:
            return bool(self._match_values([self.extraction.apply(None)], include_unknown)[0])
        return include_unknown if self.null_matches is None else self.null_matches

    def table(self, block: Block, dictionary: Dictionary, include_unknown: bool, codes: Array | None = None) -> Array:
        """A bool per code of the dictionary; with `codes`, possibly only for these."""
        key = ("filter", id(self), include_unknown, id(dictionary))
        done = has_cached(block, key)
        if not done and dictionary.find is not None and self.extraction is None and dictionary.size > _SEARCH_FROM:
            ranges = self.code_ranges(dictionary.find)
            if ranges is not None:
                searched: Array = block.cached(
                    key, lambda: (self._from_ranges(dictionary, ranges, include_unknown), dictionary, self)
                )[0]
                return searched
        if not done and codes is not None and 4 * len(codes) < dictionary.size:
            distinct = np.unique(codes)
            out = np.zeros(dictionary.size, dtype=bool)
            out[distinct] = self._match_all(dictionary.lookup(distinct).tolist(), include_unknown)
            return out

        def make() -> Any:
            # Both are kept with the table, so that no other object gets their ids.
            return self._match_all(dictionary.values.tolist(), include_unknown), dictionary, self

        found: Array = block.cached(key, make)[0]
        return found

    def _from_ranges(self, dictionary: Dictionary, ranges: list[tuple[int, int]], include_unknown: bool) -> Array:
        out = np.zeros(dictionary.size, dtype=bool)
        for start, stop in ranges:
            out[start:stop] = True
        assert dictionary.find is not None
        null = dictionary.find(None)
        if null >= 0:
            out[null] = include_unknown if self.null_matches is None else self.null_matches
        return out

    def _match_all(self, values: list[str | None], include_unknown: bool) -> Array:
        if self.extraction is not None:
            values = self.extraction.apply_all(values)
        return self._match_values(values, include_unknown)

    def _match_values(self, values: list[str | None], include_unknown: bool) -> Array:
        if values and None not in values:
            return np.asarray(self.match_strings(cast("list[str]", values)), dtype=bool)
        decided = self.null_matches if self.extraction is None else self.extracted_null_matches
        null = include_unknown if decided is None else decided
        out = np.full(len(values), null, dtype=bool)
        present = [i for i, value in enumerate(values) if value is not None]
        if present:
            out[present] = self.match_strings([v for v in values if v is not None])
        return out

    def _match_numeric(self, vector: NumericVector, include_unknown: bool) -> Array:
        found = None if self.extraction is not None else self.match_numbers(vector.values, str(vector.type))
        if found is None:
            distinct, inverse = np.unique(vector.values, return_inverse=True)
            if self.extraction is not None:
                texts = self.extraction.apply_all(distinct.tolist())
            else:
                texts = list(number_texts(distinct, str(vector.type)))
            found = self._match_values(texts, include_unknown)[inverse]
        if vector.nulls is not None:
            skipped = self.extraction is not None and self.skips_numeric_nulls
            found = np.where(vector.nulls, include_unknown if skipped else self.null_number(include_unknown), found)
        return found


def is_indexed(block: Block, name: str) -> bool:
    """As `SegmentSource.is_indexed`; no column of a block of other origin is."""
    source: SegmentSource | None = getattr(block, "source", None)
    return source is not None and source.is_indexed(name)


def by_index(block: Block, name: str) -> bool:
    """Whether the column, or what a virtual column reads, has an index."""
    source: SegmentSource | None = getattr(block, "source", None)
    virtual = None if source is None else source.virtual_columns.get(name)
    return getattr(virtual, "is_by_index", False) or is_indexed(block, name)


def few_rows(column: Any, ranges: Sequence[tuple[int, int]]) -> Array | None:
    """The rows of some codes of a column with bitmaps, or None when they are not few."""
    codes = [
        code for start, stop in ranges for code in range(start, min(stop, start + _FEW_CODES + 1, column.cardinality))
    ]
    if len(codes) > _FEW_CODES:
        return None
    from pyroaring import BitMap

    rows = BitMap()
    for code in codes:
        rows |= column.bitmap(code)
        if _FEW_ROWS * len(rows) > column.num_rows:
            return None
    return np.frombuffer(rows.to_array(), np.uint32).astype(np.int64) if rows else np.zeros(0, dtype=np.int64)


def has_cached(block: Block, key: Any) -> bool:
    """Whether the table of the whole dictionary is there already."""
    cache: dict[Any, Any] = getattr(getattr(block, "source", None), "_cache", {})
    return key in cache
