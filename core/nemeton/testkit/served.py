"""Rows that a cluster serves: what tests of query parts ask through real servers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.testkit.waiting import eventually

if TYPE_CHECKING:
    from nemeton.server.embedded import EmbeddedCluster

_REQUEST_S = 60.0
_LOADED_S = 120.0


@frozen
class ServedRows:
    """A data source of a running cluster, and the questions that are put to its Router."""

    cluster: EmbeddedCluster
    data_source: str

    def native(self, query: Mapping[str, Any]) -> list[Any]:
        """The answer of a native query. Without them it is of this data source, over all time and not by time."""
        whole = {"dataSource": self.data_source, "intervals": ["0000/3000"], "granularity": "all", **query}
        found: list[Any] = self._post("/druid/v2", whole)
        return found

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a SQL statement."""
        rows: list[dict[str, Any]] = self._post("/druid/v2/sql", {"query": statement})
        return rows

    def ingest(self, rows: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]] = ()) -> None:
        """Append rows through a task; returns when they can be queried.

        Each has ``__time`` (ISO 8601 or milliseconds); the other columns have the type of their first value. With
        ``metrics``, a metricsSpec, rows are rolled up by the columns that no metric reads.
        """
        before = self._count() if self._is_known() else 0
        task = self._post("/druid/indexer/v1/task", _task(self.data_source, rows, metrics))["task"]
        status = {"statusCode": "RUNNING"}

        def ended() -> bool:
            status.update(self._get(f"/druid/indexer/v1/task/{task}/status")["status"])
            return status["statusCode"] != "RUNNING"

        eventually(ended, f"the end of task [{task}]", _LOADED_S)
        assert status["statusCode"] == "SUCCESS", status
        eventually(lambda: self._is_known() and self._count() > before, "the rows to be served", _LOADED_S)

    def beside(
        self, data_source: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]] = ()
    ) -> ServedRows:
        """Another data source of the same cluster, with these rows; see `ingest`."""
        other = ServedRows(self.cluster, data_source)
        other.ingest(rows, metrics)
        return other

    def _is_known(self) -> bool:
        tables = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'druid'"
        return {"TABLE_NAME": self.data_source} in self.sql(tables)

    def _count(self) -> int:
        found = self.native({"queryType": "timeseries", "aggregations": [{"type": "count", "name": "n"}]})
        return found[0]["result"]["n"] if found else 0

    def _get(self, path: str) -> Any:
        return _answer(urllib.request.Request(self.cluster.router_url + path))

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        return _answer(urllib.request.Request(self.cluster.router_url + path, json.dumps(body).encode(), headers))


def _answer(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=_REQUEST_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{request.full_url}: {error.code} {error.read().decode('utf-8', 'replace')}") from None


def _task(data_source: str, rows: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    firsts: dict[str, Any] = {}
    for row in rows:
        for name, value in row.items():
            if firsts.get(name) is None:
                firsts[name] = value
    measured = {metric.get("fieldName") for metric in metrics} | {"__time"}
    dimensions = [_dimension(name, value) for name, value in firsts.items() if name not in measured]
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": data_source,
                "timestampSpec": {"column": "__time", "format": "auto"},
                "dimensionsSpec": {"dimensions": dimensions},
                "metricsSpec": list(metrics),
                "granularitySpec": {"segmentGranularity": "MONTH", "queryGranularity": "NONE", "rollup": bool(metrics)},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "inline", "data": "\n".join(map(json.dumps, rows))},
                "inputFormat": {"type": "json"},
                "appendToExisting": True,
            },
        },
    }


def _dimension(name: str, value: Any) -> dict[str, str]:
    kind = "long" if isinstance(value, int) else "double" if isinstance(value, float) else "string"
    return {"type": kind, "name": name}
