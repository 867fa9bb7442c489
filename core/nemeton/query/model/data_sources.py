"""The data sources that read rows: table, union, inline, lookup, query."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.query import DataSource, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nemeton.json import Json
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


@json_type("globalTable")
@frozen
class GlobalTableDataSource(TableDataSource):
    """A table that every server has all of (a broadcast one); read as any other."""


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

    def passes(self) -> Sequence[DataSource]:
        """Unions that name no table twice: a table counts as often as it is named."""
        found: list[list[DataSource]] = []
        for item in self.data_sources:
            fit = next(
                (each for each in found if not any(item.table_names & other.table_names for other in each)), None
            )
            if fit is None:
                found.append([item])
            else:
                fit.append(item)
        return [UnionDataSource(tuple(each)) for each in found]

    def resolved(self, rows_of: Callable[[Query], Segment]) -> DataSource:
        """Itself, unless one of its tables may not be read; queries have no place in it."""
        for item in self.data_sources:
            if item.is_concrete:
                item.resolved(rows_of)
        return self


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
            raise invalid_input("columnNames and columnTypes must be the same length")
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
        """The entries of the lookup here; none when there is no lookup of the name."""
        from nemeton.query.inline import lookup_segment

        return lookup_segment(self.lookup)


class RowsDataSource(LocalDataSource):
    """The answer of an inner query. It is written as inline data, which a data server understands."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment

    def local_segment(self) -> Segment:
        """The rows."""
        return self.segment

    def to_json(self, json: Json) -> Any:
        """As inline data."""
        from nemeton.query.inline import inline_data

        return json.unstructure(inline_data(self.segment))


@json_type("query")
@frozen
class QueryDataSource(DataSource):
    """The result rows of another query."""

    query: Query

    @property
    def table_names(self) -> frozenset[str]:
        """The tables of the inner query."""
        return self.query.data_source.table_names

    def resolved(self, rows_of: Callable[[Query], Segment]) -> DataSource:
        """The rows."""
        return RowsDataSource(rows_of(self.query))
