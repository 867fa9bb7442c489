"""What SQL can see: schemas, tables and columns. The Broker supplies the data sources, core the system schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from nemeton.sql.types import TIMESTAMP, SqlType, from_native

CATALOG = "druid"
DRUID_SCHEMA = "druid"
LOOKUP_SCHEMA = "lookup"
INFORMATION_SCHEMA = "INFORMATION_SCHEMA"
SYSTEM_SCHEMA = "sys"
TIME_COLUMN = "__time"


@frozen
class Column:
    """A column of a table."""

    name: str
    type: SqlType


@frozen
class Table:
    """A table that a query can name; `kind` is what INFORMATION_SCHEMA.TABLES calls TABLE_TYPE."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    kind: str = "TABLE"
    joinable: bool = False
    broadcast: bool = False
    rows: RowSource | None = field(default=None, eq=False)

    @property
    def is_datasource(self) -> bool:
        """Read by native queries, where other tables are read as rows in memory."""
        return self.rows is None


class RowSource(Protocol):
    """The rows of a table that lives in memory, made anew for each query."""

    def __call__(self, identity: Any) -> Iterable[Sequence[Any]]:
        """The rows, in the order of the table's columns, as far as `identity` may see them."""
        ...


class DruidSchema(Protocol):
    """The data sources and their columns, kept by the Broker (Druid's BrokerSegmentMetadataCache). Thread-safe."""

    def row_signatures(self) -> Mapping[str, Mapping[str, str]]:
        """Data source → column → native type, in the order of SELECT *; ``__time`` is LONG."""
        ...


class LookupSchema(Protocol):
    """The lookups that this Broker has loaded, as tables of `k` and `v`."""

    def lookups(self) -> Mapping[str, Mapping[str, str | None]]:
        """Lookup name → its map of key to value."""
        ...


def datasource_table(name: str, signature: Mapping[str, str]) -> Table:
    """The table of a data source; ``__time`` is a TIMESTAMP that is never null."""
    columns = tuple(
        Column(column, TIMESTAMP.with_nullable(False) if column == TIME_COLUMN else from_native(native))
        for column, native in signature.items()
    )
    return Table(DRUID_SCHEMA, name, columns)


class Catalog:
    """All schemas at one moment; a query validates against one catalog from beginning to end."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._schemas: dict[str, dict[str, Table]] = {
            schema: {} for schema in (INFORMATION_SCHEMA, DRUID_SCHEMA, LOOKUP_SCHEMA, SYSTEM_SCHEMA)
        }
        for table in tables:
            self._schemas.setdefault(table.schema, {})[table.name] = table

    @property
    def schemas(self) -> Mapping[str, Mapping[str, Table]]:
        """Schema name → table name → table."""
        return self._schemas

    def find(self, path: Sequence[str]) -> Table | None:
        """The table at ``name``, ``schema.name`` or ``druid.schema.name``; names are case-sensitive."""
        if len(path) == 3 and path[0] == CATALOG:
            path = path[1:]
        if len(path) == 1:
            return self._schemas[DRUID_SCHEMA].get(path[0])
        if len(path) == 2:
            return self._schemas.get(path[0], {}).get(path[1])
        return None

    def tables(self) -> list[Table]:
        """Every table, by schema and name."""
        return [tables[name] for _, tables in sorted(self._schemas.items()) for name in sorted(tables)]
