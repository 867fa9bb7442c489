"""Tables that an older Druid made get the columns that a younger one would add to them."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, MetaData, Table, inspect
from sqlalchemy.schema import CreateColumn

log = logging.getLogger(__name__)


def add_missing_columns(connection: Connection, meta: MetaData) -> None:
    """Add columns, without values as Druid does, and the indexes that need them. All tables must be there."""
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    there = inspect(connection).get_multi_columns(schema=schema, filter_names=[t.name for t in meta.tables.values()])
    columns = {name: {column["name"] for column in found} for (_, name), found in there.items()}
    for table in meta.sorted_tables:
        missing = {column.name for column in table.columns} - columns.get(str(table.name), set())
        if missing and str(table.name) in columns:
            _add(connection, table, missing, schema)


def _add(connection: Connection, table: Table, names: set[str], schema: str | None) -> None:
    preparer = connection.dialect.identifier_preparer
    shown = str(table.name) if schema is None else f"{preparer.quote_schema(schema)}.{table.name}"
    for column in [column for column in table.columns if column.name in names]:
        log.info("Adding column [%s] to table [%s], which an older Druid made", column.name, table.name)
        free = column._copy()
        free.nullable = True
        statement = str(CreateColumn(free).compile(dialect=connection.dialect)).strip()
        connection.exec_driver_sql(f"ALTER TABLE {shown} ADD COLUMN {statement}")
    for index in table.indexes:
        if names & {column.name for column in index.columns}:
            index.create(connection, checkfirst=True)
