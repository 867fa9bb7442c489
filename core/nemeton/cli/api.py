"""A small client of a cluster's Router, for commands."""

from __future__ import annotations

import json
from typing import Any

import click
import urllib3


class RouterApi:
    """Calls Druid's HTTP API through the Router. Raises click.ClickException with Druid's own error text."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        self.url = url
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(total=timeout_s), retries=False)

    def get(self, path: str) -> Any:
        """GET; the JSON of the answer, or None where Druid says that there is nothing (204, 404)."""
        response = self._http.request("GET", self.url + path)
        if response.status in (204, 404):
            return None
        return self._body(path, response)

    def post(self, path: str, body: Any) -> Any:
        """POST JSON; the JSON of the answer."""
        response = self._http.request(
            "POST", self.url + path, body=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        return self._body(path, response)

    def sql(self, query: str) -> list[list[Any]]:
        """Run SQL; rows, the first of which holds the column names."""
        rows: list[list[Any]] = self.post("/druid/v2/sql", {"query": query, "resultFormat": "array", "header": True})
        return rows

    def _body(self, path: str, response: urllib3.BaseHTTPResponse) -> Any:
        if response.status >= 400:
            raise click.ClickException(
                f"{path} answered {response.status}: {response.data.decode(errors='replace')[:2000]}"
            )
        return json.loads(response.data) if response.data else None
