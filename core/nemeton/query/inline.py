"""Rows in memory as a segment: inline data, and the answers of inner queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define

from nemeton.common.errors import illegal_state
from nemeton.model import ColumnType
from nemeton.query.lookups import find_lookup
from nemeton.query.model.data_sources import InlineDataSource
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import (
    AnyVector,
    Array,
    Dictionary,
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    vector_from_list,
)
from nemeton.time import ETERNITY, Interval

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


@define
class _Numbers:
    vector: NumericVector

    has_multiple_values = False
    is_dictionary_encoded = False

    @property
    def type(self) -> ColumnType:
        return self.vector.type

    @property
    def num_rows(self) -> int:
        return len(self.vector)

    @property
    def has_nulls(self) -> bool:
        return self.vector.nulls is not None

    def values(self, start: int, stop: int) -> Array:
        return self.vector.values[start:stop]

    def nulls(self, start: int, stop: int) -> Array | None:
        return None if self.vector.nulls is None else self.vector.nulls[start:stop]


@define
class _Strings:
    """Its dictionary may be in any order, which the engine allows for by asking `is_sorted`."""

    vector: StringVector | MultiStringVector

    is_dictionary_encoded = True
    has_bitmap_index = False
    type = ColumnType.STRING

    @property
    def dictionary(self) -> Dictionary:
        return self.vector.dictionary

    @property
    def is_sorted(self) -> bool:
        return self.vector.dictionary.is_sorted

    @property
    def num_rows(self) -> int:
        return len(self.vector)

    @property
    def has_nulls(self) -> bool:
        return True

    @property
    def has_multiple_values(self) -> bool:
        return isinstance(self.vector, MultiStringVector)

    @property
    def cardinality(self) -> int:
        return self.vector.dictionary.size

    def codes(self, start: int, stop: int) -> Array:
        return self.vector.codes[start:stop]

    def offsets_codes(self, start: int, stop: int) -> tuple[Array, Array]:
        assert isinstance(self.vector, MultiStringVector)
        offsets = self.vector.offsets[start : stop + 1]
        return offsets - offsets[0], self.vector.codes[offsets[0] : offsets[-1]]

    def values_list(self) -> list[str | None]:
        return list(self.vector.dictionary.values.tolist())


@define
class _Objects:
    vector: ObjectVector

    has_multiple_values = False
    is_dictionary_encoded = False
    has_nulls = True

    @property
    def type(self) -> ColumnType:
        return self.vector.type

    @property
    def num_rows(self) -> int:
        return len(self.vector)

    @property
    def text(self) -> Callable[[Any], str | None] | None:
        return self.vector.text

    def objects(self, start: int, stop: int) -> Array:
        return self.vector.values[start:stop]


class VectorSegment:
    """Columns in memory as a segment. Implements `nemeton.model.columns.Segment`; safe to read from many threads."""

    has_open_strings = True
    """To Druid, rows in memory may have several values in any column of strings."""

    def __init__(
        self,
        columns: Mapping[str, AnyVector],
        num_rows: int,
        interval: Interval = ETERNITY,
        id: str | None = None,  # noqa: A002
    ) -> None:
        self.num_rows = num_rows
        self.interval = interval
        self.id = id
        self.dimensions = [name for name, vector in columns.items() if not isinstance(vector, NumericVector)]
        self.metrics = [name for name in columns if name not in self.dimensions and name != "__time"]
        self.metadata = None
        self._columns = {name: vector_column(vector) for name, vector in columns.items()}

    @property
    def column_names(self) -> list[str]:
        """All columns in the order they were given."""
        return list(self._columns)

    def column(self, name: str) -> Any:
        """The column or None."""
        return self._columns.get(name)

    def close(self) -> None:
        """Nothing to give back."""


def vector_column(vector: AnyVector) -> Any:
    """The vector as a column of a segment."""
    if isinstance(vector, NumericVector):
        return _Numbers(vector)
    return _Objects(vector) if isinstance(vector, ObjectVector) else _Strings(vector)


def rows_segment(
    columns: Mapping[str, tuple[str, Sequence[Any]]],
    num_rows: int,
    id: str | None = None,  # noqa: A002
) -> VectorSegment:
    """A segment of columns of JSON values, each with its type."""
    return VectorSegment({n: vector_from_list(kind, values) for n, (kind, values) in columns.items()}, num_rows, id=id)


def inline_segment(source: InlineDataSource) -> VectorSegment:
    """The rows of an inline data source; types that are not given follow from the values."""
    columns: dict[str, tuple[str, Sequence[Any]]] = {}
    for i, name in enumerate(source.column_names):
        values = [row[i] for row in source.rows]
        given = source.column_types[i] if source.column_types else None
        columns[name] = (str(ColumnType.parse(given)) if given else _guess(values), values)
    return rows_segment(columns, len(source.rows), id=f"inline_{str(ETERNITY).replace('/', '_')}_dummy_version")


def inline_data(segment: Segment) -> InlineDataSource:
    """The rows of a segment as a data source that can be written as JSON."""
    source = SegmentSource(segment)
    names = tuple(segment.column_names)
    vectors = [source.read(name, 0, source.num_rows) for name in names]
    rows = tuple(zip(*(vector.to_list() for vector in vectors), strict=True)) if names else ()
    return InlineDataSource(names, rows, tuple(str(vector.type) for vector in vectors))


def lookup_segment(name: str) -> VectorSegment:
    """The entries of a lookup, keys as `k` and values as `v`; none where there is no such lookup, as in Druid."""
    lookup = find_lookup(name)
    entries = {} if lookup is None else lookup.as_map()
    if entries is None:
        raise illegal_state(f"Cannot retrieve map view from lookup[{name}]")
    columns: dict[str, tuple[str, Sequence[Any]]] = {
        "k": ("STRING", list(entries)),
        "v": ("STRING", list(entries.values())),
    }
    return rows_segment(columns, len(entries), id=f"{name}_{str(ETERNITY).replace('/', '_')}_dummy_version")


def _guess(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, bool}:
        return "LONG"
    return "DOUBLE" if kinds and kinds <= {int, float, bool} else "STRING"
