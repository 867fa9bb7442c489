"""The physical plan: native queries, and the little that is left to do on their rows.

Every node yields rows as tuples in the order of its `fields`, with native values (a TIMESTAMP is milliseconds).
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.sql.logical import Field, SortKey

JsonMap = dict[str, Any]


@frozen
class Physical:
    """Base of the physical nodes."""

    fields: tuple[Field, ...]


@frozen
class NativeQuery(Physical):
    """One native query. `query` lacks only its data source when `source` is another node, whose rows go inline.

    `columns` says for each output field the native column that holds it, or None with the constant in `constants`.
    """

    query: JsonMap
    columns: tuple[str | None, ...]
    constants: tuple[Any, ...] = ()
    source: Physical | None = None
    source_columns: tuple[str, ...] = ()
    source_is_nested: bool = False


@frozen
class Rows(Physical):
    """Rows that are known: constants, and nothing at all for a condition that is never true."""

    rows: tuple[tuple[Any, ...], ...]


@frozen
class SystemRows(Physical):
    """The rows of a system table, fetched when the query runs."""

    source: Any = field(eq=False)


@frozen
class SortRows(Physical):
    """Order rows, skip `offset`, keep `limit`; everything is held in memory when there are keys."""

    input: Physical
    keys: tuple[SortKey, ...]
    offset: int = 0
    limit: int | None = None


@frozen
class PickColumns(Physical):
    """Some of the input's columns."""

    input: Physical
    indexes: tuple[int, ...]


@frozen
class Concatenate(Physical):
    """UNION ALL, one input after the other."""

    inputs: tuple[Physical, ...]


@frozen
class JoinOnGroups(Physical):
    """Aggregates that were computed apart, put together by equal groups.

    The first `groups` columns of every input are the groups. The rows are those of the first input; each later input
    adds its further columns, or `defaults` where it has no such group.
    """

    inputs: tuple[Physical, ...]
    groups: int
    defaults: tuple[Any, ...]
