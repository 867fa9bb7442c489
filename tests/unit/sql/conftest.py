"""A SQL engine over a made-up schema, with a native executor that records queries and answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from nemeton.common.clock import ManualClock
from nemeton.http.auth import AllowAllAuthorizer, AuthChain
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.spi.auth import OK, Access, AuthenticationResult, Authorizer, ResourceAction
from nemeton.sql.engine import SqlEngine, SqlResult
from nemeton.sql.module import function_table
from nemeton.sql.schemas import CatalogSource

NOW = 1_704_067_200_000  # 2024-01-01
ETERNITY = "-146136543-09-08T08:23:32.096Z/146140482-04-24T15:36:27.903Z"
TABLES = {
    "wiki": {
        "__time": "LONG",
        "page": "STRING",
        "user": "STRING",
        "added": "LONG",
        "delta": "DOUBLE",
        "score": "FLOAT",
        "tags": "ARRAY<STRING>",
        "sketch": "COMPLEX<hyperUnique>",
    },
    "other": {"__time": "LONG", "page": "STRING"},
}
SERVERS = [
    {"server": "h1:8083", "host": "h1", "server_type": "historical", "curr_size": 10, "max_size": 100},
    {"server": "b1:8082", "host": "b1", "server_type": "broker", "curr_size": 0, "max_size": 0},
]


EVERYBODY = AuthenticationResult("all", "allowAll")


class ByName(Authorizer):
    """Whose name is that of a data source may do with it what they like, and nothing else."""

    def authorize(self, authenticated: AuthenticationResult, action: ResourceAction) -> Access:
        return OK if (action.type, action.name) == ("DATASOURCE", authenticated.identity) else Access(False)


AUTHORIZERS = {"allowAll": AllowAllAuthorizer(), "by_name": ByName()}


class FakeCluster:
    """Schema, system tables and native executor in one."""

    def __init__(self) -> None:
        self.queries: list[Any] = []
        self.answers: list[Iterable[Any]] = []
        self.cancelled: list[str] = []

    def row_signatures(self) -> Mapping[str, Mapping[str, str]]:
        return TABLES

    def lookups(self) -> Mapping[str, Mapping[str, str | None]]:
        return {"colours": {"r": "red", "g": "green"}}

    def servers(self, identity: Any) -> Iterable[Mapping[str, Any]]:
        return SERVERS

    def segments(self, identity: Any) -> Iterable[Mapping[str, Any]]:
        return []

    server_segments = tasks = supervisors = segments

    def execute(self, query: Any, identity: Any) -> Iterable[Any]:
        self.queries.append(query)
        return self.answers.pop(0) if self.answers else []

    def cancel(self, query_id: str) -> None:
        self.cancelled.append(query_id)


class Sql:
    """What tests do with the engine."""

    def __init__(self) -> None:
        extensions = load_extensions({}, ["nemeton.query.extension", "nemeton.sql.extension"], installed={})
        self.cluster = FakeCluster()
        self.json = Json(extensions.registry)
        self.functions = function_table(extensions)
        source = CatalogSource(self.cluster, self.cluster, self.cluster, AuthChain(authorizers=AUTHORIZERS))
        self.engine = SqlEngine(self.cluster, source, self.functions, self.json, ManualClock(now_ms=NOW))

    def execute(self, sql: str, identity: AuthenticationResult = EVERYBODY, **context: Any) -> SqlResult:
        return self.engine.execute(sql, context, identity=identity)

    def rows(self, sql: str, **context: Any) -> list[list[Any]]:
        return list(self.execute(sql, **context).json_rows())

    def explain(self, sql: str, **context: Any) -> list[dict[str, Any]]:
        """The native queries that Druid's EXPLAIN would show, without their contexts."""
        ((plan, _, _),) = self.execute(f"EXPLAIN PLAN FOR {sql}", **context).rows
        return [without_context(part["query"]) for part in json.loads(plan)]

    def native(self, sql: str, **context: Any) -> dict[str, Any]:
        """The one native query of a statement."""
        (query,) = self.explain(sql, **context)
        return query


def without_context(query: Any) -> Any:
    if isinstance(query, dict):
        return {key: without_context(value) for key, value in query.items() if key != "context"}
    return [without_context(item) for item in query] if isinstance(query, list) else query


@pytest.fixture(scope="session")
def shared_sql() -> Sql:
    return Sql()


@pytest.fixture
def sql(shared_sql: Sql) -> Sql:
    shared_sql.cluster.queries.clear()
    shared_sql.cluster.answers.clear()
    shared_sql.cluster.cancelled.clear()
    return shared_sql
