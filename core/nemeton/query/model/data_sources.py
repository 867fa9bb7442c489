"""The data sources: table, union, inline, query, filter."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.query import DataSource, DimFilter, Query

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


@json_type("table")
@frozen
class TableDataSource(DataSource):
    """One data source by name."""

    name: str

    @property
    def table_names(self) -> frozenset[str]:
        """The table."""
        return frozenset([self.name])

    @property
    def is_concrete(self) -> bool:
        """Always."""
        return True


@json_type("union")
@frozen
class UnionDataSource(DataSource):
    """The rows of several tables."""

    data_sources: tuple[DataSource, ...]

    def __attrs_post_init__(self) -> None:
        if not self.data_sources:
            raise invalid_input("'dataSources' must be non-null and non-empty for 'union'")

    @property
    def table_names(self) -> frozenset[str]:
        """The tables."""
        return frozenset().union(*(item.table_names for item in self.data_sources))

    @property
    def is_concrete(self) -> bool:
        """When all its parts are."""
        return all(item.is_concrete for item in self.data_sources)


class LocalDataSource(DataSource):
    """Rows that are in the query, or in this process: no table is asked."""

    @property
    def table_names(self) -> frozenset[str]:
        """None."""
        return frozenset()

    @property
    def is_concrete(self) -> bool:
        """Always."""
        return True

    @abstractmethod
    def local_segment(self) -> Segment:
        """The rows."""


@json_type("inline")
@frozen
class InlineDataSource(LocalDataSource):
    """Rows given in the query. They have no time but all of it, unless a column is called `__time`."""

    column_names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    column_types: tuple[str | None, ...] | None = None

    def __attrs_post_init__(self) -> None:
        if self.column_types is not None and len(self.column_types) != len(self.column_names):
            raise invalid_input("columnTypes must be as many as columnNames")
        for row in self.rows:
            if len(row) != len(self.column_names):
                raise invalid_input(f"A row of inline data has {len(row)} values for {len(self.column_names)} columns")

    def local_segment(self) -> Segment:
        """The rows."""
        from nemeton.query.inline import inline_segment

        return inline_segment(self)


@json_type("lookup")
@frozen
class LookupDataSource(LocalDataSource):
    """The keys and values of a lookup, as the columns `k` and `v`."""

    lookup: str

    def local_segment(self) -> Segment:
        """The entries of the lookup here. Raises when there is none of the name."""
        from nemeton.query.inline import lookup_segment

        return lookup_segment(self.lookup)


@json_type("query")
@frozen
class QueryDataSource(DataSource):
    """The result rows of another query."""

    query: Query

    @property
    def table_names(self) -> frozenset[str]:
        """The tables of the inner query."""
        return self.query.data_source.table_names


@json_type("filter")
@frozen
class FilteredDataSource(DataSource):
    """Another data source's rows that pass a filter (on columns before any virtual ones)."""

    base: DataSource
    filter: DimFilter | None = field(default=None)

    @property
    def table_names(self) -> frozenset[str]:
        """The tables of the base."""
        return self.base.table_names

    @property
    def is_concrete(self) -> bool:
        """When the base is."""
        return self.base.is_concrete


def strip_filters(query: Any) -> Any:
    """The query with the filters of its data source moved into its own."""
    from nemeton.query.filters.logical import AndDimFilter

    while isinstance(query.data_source, FilteredDataSource):
        source = query.data_source
        parts = tuple(item for item in (source.filter, query.filter) if item is not None)
        merged = None if not parts else parts[0] if len(parts) == 1 else AndDimFilter(parts)
        query = evolve(query, data_source=source.base, filter=merged)
    return query
