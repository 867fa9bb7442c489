"""The values of one dimension as codes, within one run over a segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nemeton.query.engines.table import hashable, numeric_bits
from nemeton.query.kernels import IdMap
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import (
    COLUMN_TYPES,
    AnyVector,
    Array,
    Dictionary,
    NumericVector,
    ObjectVector,
    StringVector,
    object_array,
)
from nemeton.segment.encode import narrowest

if TYPE_CHECKING:
    from nemeton.model import ColumnType
    from nemeton.spi.query import DimensionSpec


class KeyEncoder:
    """The codes of one dimension within a segment. The first dictionary's codes are used as they are."""

    def __init__(self) -> None:
        self._dictionary: Dictionary | None = None
        self._remaps: dict[int, tuple[Dictionary, Array]] = {}
        self._values: dict[Any, int] | None = None
        self._ids: IdMap | None = None
        self._type: ColumnType | None = None
        self._dtype: Any = None

    def encode(self, vector: AnyVector) -> Array:
        """Codes of the values, equal where the values are, over all calls."""
        if isinstance(vector, StringVector):
            return self._encode_strings(vector)
        if isinstance(vector, NumericVector):
            return self._encode_numbers(vector)
        assert isinstance(vector, ObjectVector)
        self._type = vector.type
        values = self._values = {} if self._values is None else self._values
        return np.array([values.setdefault(hashable(v), len(values)) for v in vector.to_list()], dtype=np.int64)

    def _encode_strings(self, vector: StringVector) -> Array:
        if self._dictionary is None:
            self._dictionary = vector.dictionary
        if vector.dictionary is self._dictionary:
            return vector.codes
        if self._values is None:
            values = self._dictionary.values.tolist()
            self._values = dict(zip(values, range(len(values)), strict=True))
        known = self._remaps.get(id(vector.dictionary))
        if known is None:
            table = self._values
            remap = np.array([table.setdefault(v, len(table)) for v in vector.dictionary.values], dtype=np.int64)
            known = self._remaps[id(vector.dictionary)] = (vector.dictionary, remap)
        return known[1][vector.codes]

    def _encode_numbers(self, vector: NumericVector) -> Array:
        self._type, self._dtype = vector.type, vector.values.dtype
        if self._ids is None:
            self._ids = IdMap()
        if vector.nulls is None:
            return self._ids.ids(numeric_bits(vector.values)) + 1
        codes = np.zeros(len(vector), dtype=np.int64)
        present = ~vector.nulls
        codes[present] = self._ids.ids(numeric_bits(vector.values[present])) + 1
        return codes

    def decode(self, codes: Array) -> AnyVector:
        """The values of the codes."""
        if self._ids is not None:
            bits = np.append(np.zeros(1, dtype=np.int64), self._ids.keys)[codes]
            wide = bits if np.dtype(self._dtype).kind in "iu" else bits.view(np.float64)
            nulls = codes == 0
            assert self._type is not None
            return NumericVector(self._type, wide.astype(self._dtype), nulls if nulls.any() else None)
        if self._type is not None:
            values = [list(v) if isinstance(v, tuple) else v for v in self._values or ()]
            return ObjectVector(self._type, object_array(values)[codes])
        if self._values is not None:
            return StringVector(codes, Dictionary(list(self._values), len(self._values)))
        assert self._dictionary is not None
        return StringVector(codes, self._dictionary)


class OffsetEncoder:
    """Whole numbers of a column whose least and greatest value are known: the code is the distance from the least."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self._dtype = narrowest(high - low + 1)

    def encode(self, vector: AnyVector) -> Array:
        """One code per row."""
        assert isinstance(vector, NumericVector)
        return (vector.values - self.low).astype(self._dtype)

    def decode(self, codes: Array) -> AnyVector:
        """The values of the codes."""
        return NumericVector(COLUMN_TYPES["LONG"], codes.astype(np.int64) + self.low)


def known_range(source: SegmentSource, spec: DimensionSpec, most: int) -> tuple[int, int] | None:
    """The least and greatest value of a plain long dimension without nulls, when they are at most `most` apart."""
    plain = getattr(spec, "is_plain", False) and spec.dimension not in source.virtual_columns
    if not plain or spec.result_type != "LONG":
        return None
    bounds = getattr(source.column(spec.dimension), "bounds", None)
    found: tuple[int, int] | None = None if bounds is None else bounds()
    return found if found is not None and found[1] - found[0] < most else None


def fixed_size(source: SegmentSource, spec: DimensionSpec) -> int | None:
    """How many codes a dimension has in this segment, when that is known before reading: plain string columns."""
    plain = getattr(spec, "is_plain", False) and spec.dimension not in source.virtual_columns
    if not plain or spec.result_type != "STRING":
        return None
    column = source.column(spec.dimension)
    if column is None:
        return 1
    if str(column.type) != "STRING" or not getattr(column, "is_dictionary_encoded", True):
        return None
    # One more for the null that a row without values stands for.
    return int(column.cardinality) + (1 if column.has_multiple_values else 0)
