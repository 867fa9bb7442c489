"""SQL functions of extensions: they come through the hooks, as core's own do."""

from __future__ import annotations

import types
from typing import Any

from nemeton.plugins import hookimpl, load_extensions
from nemeton.sql.engine import SqlEngine
from nemeton.sql.functions.aggregates import NativeAggregation, SqlAggregator
from nemeton.sql.functions.base import SqlFunction, always, template
from nemeton.sql.module import function_table
from nemeton.sql.types import DOUBLE


@hookimpl
def sql_functions() -> list[SqlFunction]:
    return [SqlFunction("ACME_DISTANCE", ("NUMERIC", "NUMERIC"), always(DOUBLE), template("abs({0} - {1})"))]


@hookimpl
def sql_aggregators() -> list[SqlAggregator]:
    def build(columns: Any, call: Any, name: str) -> NativeAggregation:
        return NativeAggregation([{"type": "acmeSum", "name": name, "fieldName": columns.field(call.args[0])}])

    return [SqlAggregator("ACME_SUM", always(DOUBLE), build)]


def test_functions_of_an_extension_are_planned(sql: Any, monkeypatch: Any) -> None:
    module = types.ModuleType("acme_sql_extension")
    module.sql_functions = sql_functions  # type: ignore[attr-defined]
    module.sql_aggregators = sql_aggregators  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "acme_sql_extension", module)
    extensions = load_extensions({}, ["nemeton.sql.extension", "acme_sql_extension"], installed={})
    engine = SqlEngine(sql.cluster, sql.engine._catalog_source, function_table(extensions), sql.json, sql.engine._clock)
    (row,) = engine.execute("EXPLAIN PLAN FOR SELECT acme_sum(ACME_DISTANCE(added, delta)) FROM wiki").rows
    assert '"expression":"abs(\\"added\\" - \\"delta\\")"' in row[0]
    assert '{"type":"acmeSum","name":"a0","fieldName":"v0"}' in row[0]
    assert "ACME_DISTANCE" in {function.name for function in function_table(extensions).functions()}
