"""The catalog's sources: data sources, lookups and the system schemas, put together for each statement."""

from __future__ import annotations

from collections.abc import Mapping

from nemeton.http.auth import AuthChain
from nemeton.sql.catalog import LOOKUP_SCHEMA, Catalog, Column, DruidSchema, LookupSchema, Table, datasource_table
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.system.information_schema import information_schema_tables
from nemeton.sql.system.sys_tables import SystemSchemaProvider, sys_tables
from nemeton.sql.types import VARCHAR


class CatalogSource:
    """Makes catalogs of what the Broker knows at the moment. Thread-safe as its parts are."""

    def __init__(
        self, druid: DruidSchema, system: SystemSchemaProvider, lookups: LookupSchema, auth: AuthChain
    ) -> None:
        self._druid = druid
        self._system = system
        self._lookups = lookups
        self._auth = auth
        self._known: dict[str, tuple[Mapping[str, str], Table]] = {}

    def catalog(self, functions: FunctionTable) -> Catalog:
        """One snapshot: the columns of a data source do not change while a statement is planned."""
        tables = [self._datasource(name, columns) for name, columns in self._druid.row_signatures().items()]
        tables.extend(self._lookup_tables())
        tables.extend(sys_tables(self._system))
        return Catalog([*tables, *information_schema_tables(tables, functions, self._auth.reader)])

    def _datasource(self, name: str, columns: Mapping[str, str]) -> Table:
        """The table of a data source, made anew only when its columns have changed."""
        known = self._known.get(name)
        if known is None or known[0] != columns:
            known = self._known[name] = (columns, datasource_table(name, columns))
        return known[1]

    def _lookup_tables(self) -> list[Table]:
        return [_lookup_table(name, entries) for name, entries in self._lookups.lookups().items()]


def _lookup_table(name: str, entries: Mapping[str, str | None]) -> Table:
    columns = (Column("k", VARCHAR.with_nullable(False)), Column("v", VARCHAR))
    return Table(
        LOOKUP_SCHEMA, name, columns, joinable=True, broadcast=True, rows=lambda identity: list(entries.items())
    )
