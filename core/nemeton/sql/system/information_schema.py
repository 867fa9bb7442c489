"""INFORMATION_SCHEMA: the catalog about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nemeton.sql.catalog import (
    CATALOG,
    DRUID_SCHEMA,
    INFORMATION_SCHEMA,
    LOOKUP_SCHEMA,
    SYSTEM_SCHEMA,
    Column,
    RowSource,
    Table,
)
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.types import BIGINT, VARCHAR, SqlType

SYSTEM_TABLE = "SYSTEM_TABLE"
#: What Calcite gives as the scale of a type that has none.
_NO_SCALE = -(2**31)
#: Functions whose signatures Druid words by hand.
_WORDED = {"LOOKUP": "'LOOKUP(<expr>, <lookupName>, [<replaceMissingValueWith>])'"}


def _columns(names: str, numbers: str = "") -> tuple[Column, ...]:
    whole = set(numbers.split())
    return tuple(Column(name, BIGINT if name in whole else VARCHAR) for name in names.split())


_SCHEMATA = _columns(
    "CATALOG_NAME SCHEMA_NAME SCHEMA_OWNER DEFAULT_CHARACTER_SET_CATALOG DEFAULT_CHARACTER_SET_SCHEMA "
    "DEFAULT_CHARACTER_SET_NAME SQL_PATH"
)
_TABLES = _columns("TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE IS_JOINABLE IS_BROADCAST")
_COLUMNS = _columns(
    "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE DATA_TYPE "
    "CHARACTER_MAXIMUM_LENGTH CHARACTER_OCTET_LENGTH NUMERIC_PRECISION NUMERIC_PRECISION_RADIX NUMERIC_SCALE "
    "DATETIME_PRECISION CHARACTER_SET_NAME COLLATION_NAME JDBC_TYPE",
    "ORDINAL_POSITION NUMERIC_PRECISION NUMERIC_PRECISION_RADIX NUMERIC_SCALE DATETIME_PRECISION JDBC_TYPE",
)
_ROUTINES = _columns("ROUTINE_CATALOG ROUTINE_SCHEMA ROUTINE_NAME ROUTINE_TYPE IS_AGGREGATOR SIGNATURES")


#: For the identity of a request, which data sources it may read.
Reader = Callable[[Any], Callable[[str], bool]]


def information_schema_tables(others: Sequence[Table], functions: FunctionTable, reader: Reader) -> list[Table]:
    """The four tables, over the other tables and over themselves; callers see the data sources that they may read."""
    known: list[Table] = list(others)

    def visible(identity: Any) -> list[Table]:
        may_read = reader(identity)
        return [table for table in known if not table.is_datasource or may_read(table.name)]

    made = [
        _table("SCHEMATA", _SCHEMATA, lambda identity: _schemata()),
        _table("TABLES", _TABLES, lambda identity: _tables(visible(identity))),
        _table("COLUMNS", _COLUMNS, lambda identity: _column_rows(visible(identity))),
        _table("ROUTINES", _ROUTINES, lambda identity: _routines(functions)),
    ]
    known.extend(made)
    known.sort(key=lambda table: (table.schema, table.name))
    return made


def _table(name: str, columns: tuple[Column, ...], rows: RowSource) -> Table:
    return Table(INFORMATION_SCHEMA, name, columns, kind=SYSTEM_TABLE, rows=rows)


def _schemata() -> Iterable[Sequence[Any]]:
    for schema in (INFORMATION_SCHEMA, DRUID_SCHEMA, LOOKUP_SCHEMA, SYSTEM_SCHEMA):
        yield (CATALOG, schema, None, None, None, None, None)


def _tables(tables: Iterable[Table]) -> Iterable[Sequence[Any]]:
    for table in tables:
        yield (CATALOG, table.schema, table.name, table.kind, _yes(table.joinable), _yes(table.broadcast))


def _yes(flag: bool) -> str:
    return "YES" if flag else "NO"


def _column_rows(tables: Iterable[Table]) -> Iterable[Sequence[Any]]:
    for table in tables:
        for position, column in enumerate(table.columns, 1):
            yield (
                CATALOG,
                table.schema,
                table.name,
                column.name,
                position,
                "",
                _yes(column.type.nullable),
                str(column.type),
                *_details(column.type),
                column.type.jdbc,
            )


def _details(kind: SqlType) -> tuple[Any, ...]:
    """From CHARACTER_MAXIMUM_LENGTH to COLLATION_NAME, by the family of the type."""
    precision: tuple[Any, ...] = (None, None, None)
    if kind.is_numeric:
        precision = {"BIGINT": (19, 10, 0), "DOUBLE": (15, 10, _NO_SCALE), "FLOAT": (15, 10, _NO_SCALE)}.get(
            kind.name, (None, 10, None)
        )
    datetime_precision = 3 if kind.is_datetime else None
    charset = ("UTF-16LE", "UTF-16LE$en_US$primary") if kind.is_character else (None, None)
    return (None, None, *precision, datetime_precision, *charset)


def _routines(functions: FunctionTable) -> Iterable[Sequence[Any]]:
    for function in functions.functions():
        if not function.name.endswith("_TO"):
            signature = _WORDED.get(function.name, function.signature)
            yield (CATALOG, INFORMATION_SCHEMA, function.name, "FUNCTION", "NO", signature)
    for aggregator in functions.aggregators():
        yield (CATALOG, INFORMATION_SCHEMA, aggregator.name, "FUNCTION", "YES", aggregator.signature)
