"""What segments offer to query engines: columns in blocks. Only protocols: readers of segments implement them.

Rows are numbered from 0; ``start`` and ``stop`` cut a slice of rows. Arrays that are handed out are read-only views.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nemeton.model.row_signature import ColumnType
    from nemeton.time import Interval


class Column(Protocol):
    """A column of any type."""

    @property
    def type(self) -> ColumnType:
        """What its values are; complex types are named."""
        ...

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def has_nulls(self) -> bool:
        """Whether a row may be null."""
        ...

    @property
    def has_multiple_values(self) -> bool:
        """Whether a row may hold more than one value."""
        ...

    @property
    def is_dictionary_encoded(self) -> bool:
        """Whether it has codes and a dictionary."""
        ...


class NumericColumn(Column, Protocol):
    """Longs (and ``__time``) as int64, floats as float32, doubles as float64."""

    def values(self, start: int, stop: int) -> NDArray[Any]:
        """The values; under a null stands 0."""
        ...

    def nulls(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Where the nulls are; None when there are none."""
        ...


class StringColumn(Column, Protocol):
    """A dictionary of distinct values in order (null first, then by UTF-16 units) and per row a code, or several."""

    @property
    def cardinality(self) -> int:
        """How many distinct values there are, null included."""
        ...

    @property
    def has_bitmap_index(self) -> bool:
        """Whether `bitmap` can be asked."""
        ...

    def codes(self, start: int, stop: int) -> NDArray[Any]:
        """One code per row, unsigned. For single-value columns."""
        ...

    def offsets_codes(self, start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Offsets (one more than rows, from 0) into the codes that follow. For multi-value columns."""
        ...

    def lookup(self, code: int) -> str | None:
        """The value of a code."""
        ...

    def lookup_many(self, codes: NDArray[Any]) -> NDArray[np.object_]:
        """The values of codes."""
        ...

    def index_of(self, value: str | None) -> int:
        """The code of the value; ``-(insertion point + 1)`` when it is not there."""
        ...

    def values_list(self) -> list[str | None]:
        """The dictionary."""
        ...

    def bitmap(self, code: int) -> Any:
        """The rows that hold the code, as a pyroaring.BitMap."""
        ...


@runtime_checkable
class Segment(Protocol):
    """One queryable segment, on disk or in memory. Threads may read it together; `close` when nobody reads."""

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        ...

    @property
    def interval(self) -> Interval:
        """The time that it covers."""
        ...

    @property
    def dimensions(self) -> list[str]:
        """The dimensions in order."""
        ...

    @property
    def metrics(self) -> list[str]:
        """The metrics in order."""
        ...

    @property
    def metadata(self) -> Any:
        """What the writer noted about the segment (aggregators, rollup, granularity); None when nothing."""
        ...

    @property
    def column_names(self) -> list[str]:
        """All columns, ``__time`` first."""
        ...

    def column(self, name: str) -> Column | None:
        """The column; None when there is none of that name, which reads as all nulls."""
        ...

    def close(self) -> None:
        """Give back files and memory."""
        ...
