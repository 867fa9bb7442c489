"""What the inner queries of a query may give: a number of rows, or of bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.common.errors import resource_limit
from nemeton.common.machine import physical_memory
from nemeton.query.model.context import QueryContext, SubqueryBytes

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.query.vectors import AnyVector

_SHARES = 80
"""``auto`` is this part of the memory: half of it, for as many queries as a server answers at a time by default."""
_PER_VALUE = 4
_NUMBER = 9
_FRAME = 20
_SMALLEST_MEMORY = 1024**3


class SubqueryBudget:
    """Counts what all the inner queries of one query give that are held at the Broker.

    Bytes are counted instead of rows where the context has ``maxSubqueryBytes``: about as many as Druid's frames have.
    """

    def __init__(self, context: QueryContext) -> None:
        self._rows = context.max_subquery_rows
        asked = context.max_subquery_bytes
        self._bytes = automatic_bytes() if asked is SubqueryBytes.AUTO else asked if isinstance(asked, int) else 0
        self._taken = 0

    @property
    def most_rows(self) -> int | None:
        """How many rows the next inner query may give; None where rows are not counted."""
        return None if self._bytes or self._rows < 0 else max(self._rows - self._taken, 0)

    def start(self) -> None:
        """Raise Druid's error when nothing is left for one more inner query."""
        if self._bytes:
            if self._taken >= self._bytes:
                raise too_many_bytes(self._bytes)
        elif 0 <= self._rows <= self._taken:
            raise too_many_rows(self._rows)

    def take(self, rows: Segment) -> None:
        """Count the rows of an inner query; raise Druid's error when they are too many."""
        if self._bytes:
            self._taken += size_of(rows)
            if self._taken >= self._bytes:
                raise too_many_bytes(self._bytes)
        else:
            self._taken += rows.num_rows
            if 0 <= self._rows < self._taken:
                raise too_many_rows(self._rows)

    def kept(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Rows of values as a list, no more of them read than may be."""
        if self._bytes:
            return list(self._weighed(rows))
        most = self.most_rows
        taken = list(rows if most is None else itertools.islice(rows, most + 1))
        self._taken += len(taken)
        if 0 <= self._rows < self._taken:
            raise too_many_rows(self._rows)
        return taken

    def _weighed(self, rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
        for row in rows:
            self._taken += _object_size(row)
            if self._taken >= self._bytes:
                raise too_many_bytes(self._bytes)
            yield row


def too_many_rows(limit: int) -> Exception:
    """Druid's error, in its words."""
    return resource_limit(
        f"Cannot issue the query, subqueries generated results beyond maximum[{limit}] rows. Try setting the "
        "'maxSubqueryBytes' in the query context to 'auto' for enabling byte based limit, which chooses an optimal "
        "limit based on memory size and result's heap usage or manually configure the values of either "
        "'maxSubqueryBytes' or 'maxSubqueryRows' in the query context. Manually alter the value carefully as it can "
        "cause the broker to go out of memory."
    )


def too_many_bytes(limit: int) -> Exception:
    """Druid's error, in its words."""
    return resource_limit(
        f"Cannot issue the query, subqueries generated results beyond maximum[{limit}] bytes. Increase the JVM's "
        "memory or set the 'maxSubqueryBytes' in the query context to increase the space allocated for subqueries to "
        "materialize their results. Manually alter the value carefully as it can cause the broker to go out of memory."
    )


def automatic_bytes() -> int:
    """What ``auto`` stands for on this machine."""
    return max(physical_memory(), _SMALLEST_MEMORY) // _SHARES


def size_of(rows: Segment) -> int:
    """About how many bytes the rows are as one of Druid's frames."""
    from nemeton.query.source import SegmentSource

    source = SegmentSource(rows)
    return _FRAME + sum(_FRAME + _size(source.read(name, 0, source.num_rows)) for name in rows.column_names)


def _size(vector: AnyVector) -> int:
    from nemeton.query.vectors import MultiStringVector, NumericVector, ObjectVector

    if isinstance(vector, NumericVector):
        return len(vector) * (int(vector.values.dtype.itemsize) + 1)
    if isinstance(vector, ObjectVector):
        return sum(_object_size(value) for value in vector.values)
    lengths = [_object_size(value) for value in vector.dictionary.values.tolist()]
    total = int(sum(lengths[code] for code in vector.codes.tolist()))
    return total + (_PER_VALUE * len(vector) if isinstance(vector, MultiStringVector) else 0)


def _object_size(value: Any) -> int:
    if isinstance(value, str):
        return _PER_VALUE + len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes):
        return _PER_VALUE + len(value)
    if isinstance(value, (list, tuple)):
        return _PER_VALUE + sum(_object_size(item) for item in value)
    return _NUMBER
