"""INFORMATION_SCHEMA and sys: rows in memory, read through inline data sources by the real engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from nemeton.query.engine import QueryEngine
from nemeton.spi.auth import AuthenticationResult

WIKI_ONLY = AuthenticationResult("wiki", "by_name")


@pytest.fixture
def system(sql: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    engine = QueryEngine()

    def execute(query: Any, identity: Any) -> Iterable[Any]:
        return engine.execute(query, lambda table_query: pytest.fail("a table was asked"))

    monkeypatch.setattr(sql.cluster, "execute", execute)
    return sql


def test_schemata(system: Any) -> None:
    assert system.rows("SELECT SCHEMA_NAME FROM INFORMATION_SCHEMA.SCHEMATA ORDER BY 1 DESC") == [
        ["sys"], ["lookup"], ["druid"], ["INFORMATION_SCHEMA"],
    ]  # fmt: skip


def test_tables(system: Any) -> None:
    rows = system.rows("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES ORDER BY 1, 2")
    assert ["druid", "wiki", "TABLE"] in rows
    assert ["sys", "servers", "SYSTEM_TABLE"] in rows
    assert ["INFORMATION_SCHEMA", "COLUMNS", "SYSTEM_TABLE"] in rows
    assert ["lookup", "colours", "TABLE"] in rows


def test_columns(system: Any) -> None:
    assert system.rows(
        "SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, JDBC_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_SCHEMA = 'druid' AND TABLE_NAME = 'wiki' ORDER BY ORDINAL_POSITION"
    ) == [
        ["__time", "TIMESTAMP", "NO", 93],
        ["page", "VARCHAR", "YES", 12],
        ["user", "VARCHAR", "YES", 12],
        ["added", "BIGINT", "YES", -5],
        ["delta", "DOUBLE", "YES", 8],
        ["score", "FLOAT", "YES", 6],
        ["tags", "ARRAY", "YES", 2003],
        ["sketch", "COMPLEX<hyperUnique>", "YES", 1111],
    ]


def test_routines_name_every_function(system: Any) -> None:
    rows = system.rows("SELECT ROUTINE_NAME, IS_AGGREGATOR FROM INFORMATION_SCHEMA.ROUTINES ORDER BY 1")
    assert ["TIME_FLOOR", "NO"] in rows
    assert ["SUM", "YES"] in rows


def test_filters_groups_and_orders_on_rows(system: Any) -> None:
    assert system.rows("SELECT server_type, COUNT(*) AS n FROM sys.servers GROUP BY 1 ORDER BY 1") == [
        ["broker", 1],
        ["historical", 1],
    ]
    assert system.rows("SELECT server, curr_size * 100.0 / max_size AS fill FROM sys.servers WHERE max_size > 0") == [
        ["h1:8083", 10.0]
    ]
    statement = (
        "SELECT server FROM sys.servers ORDER BY CASE server_type WHEN 'broker' THEN 2 ELSE 1 END DESC, server LIMIT 1"
    )
    assert system.rows(statement) == [["b1:8082"]]


def test_empty_tables(system: Any) -> None:
    assert system.rows("SELECT * FROM sys.tasks") == []
    assert system.rows("SELECT COUNT(*) FROM sys.supervisors") == [[0]]


def test_a_common_table_expression(system: Any) -> None:
    assert system.rows("WITH s AS (SELECT server, host FROM sys.servers) SELECT host, * FROM s WHERE host = 'h1'") == [
        ["h1", "h1:8083", "h1"]
    ]


def test_lookups_are_tables(system: Any) -> None:
    assert system.rows("SELECT k, v FROM lookup.colours ORDER BY k") == [["g", "green"], ["r", "red"]]


def test_data_sources_that_the_caller_may_not_read_are_left_out(system: Any) -> None:
    query = "SELECT DISTINCT TABLE_NAME FROM INFORMATION_SCHEMA.{} WHERE TABLE_SCHEMA = 'druid' ORDER BY 1"
    for table in ("TABLES", "COLUMNS"):
        assert system.rows(query.format(table)) == [["other"], ["wiki"]]
        assert list(system.execute(query.format(table), identity=WIKI_ONLY).json_rows()) == [["wiki"]]
    others = "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA <> 'druid'"
    assert list(system.execute(others, identity=WIKI_ONLY).json_rows()) == system.rows(others)
