"""SQL's bindings for the Broker."""

from __future__ import annotations

from nemeton.http.auth import AuthChain
from nemeton.inject import Binder, Module
from nemeton.plugins import Extensions
from nemeton.spi.http import Resource
from nemeton.sql.catalog import DruidSchema, LookupSchema
from nemeton.sql.engine import SqlEngine
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.interpreted import require_interpreted_sqlglot
from nemeton.sql.schemas import CatalogSource
from nemeton.sql.system.sys_tables import SystemSchemaProvider
from nemeton.sql.web.resource import SqlResource


class SqlModule(Module):
    """The SQL engine and its HTTP resource.

    The role binds the rest: ``NativeQueryExecutor``, ``DruidSchema``, ``SystemSchemaProvider`` and ``LookupSchema``.
    """

    def configure(self, binder: Binder) -> None:
        """Bind the function table, the catalog and the resource; raises where sqlglot cannot be used."""
        require_interpreted_sqlglot()
        binder.bind(FunctionTable, provider=function_table)
        binder.bind(CatalogSource, provider=catalog_source)
        binder.bind(SqlEngine)
        binder.bind_set(Resource).add(SqlResource)


def function_table(extensions: Extensions) -> FunctionTable:
    """The functions of core and of all loaded extensions."""
    return FunctionTable(extensions.collect("sql_functions"), extensions.collect("sql_aggregators"))


def catalog_source(
    druid: DruidSchema, system: SystemSchemaProvider, lookups: LookupSchema, auth: AuthChain
) -> CatalogSource:
    """The catalog over what the role has bound."""
    return CatalogSource(druid, system, lookups, auth)
