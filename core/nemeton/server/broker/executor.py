"""Native queries for the SQL layer."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from nemeton.common.ids import query_id as new_query_id
from nemeton.dataserver.query_run import QueryRun, QuerySegmentWalker, RunningQueries
from nemeton.http.config import ServerConfig
from nemeton.query.model.base import BaseQuery


class BrokerQueryExecutor:
    """The Broker's `nemeton.sql.execution.NativeQueryExecutor`. Thread-safe.

    Queries run under their ``queryId``, or the ``sqlQueryId`` of the statement, and are cancelled by it.
    """

    def __init__(self, walker: QuerySegmentWalker, running: RunningQueries, config: ServerConfig) -> None:
        """The same walker that ``/druid/v2`` uses."""
        self._walker = walker
        self._running = running
        self._config = config

    def execute(self, query: BaseQuery, identity: Any) -> Iterable[Any]:
        """The result objects, or `ResultColumns`; closing the iterator early ends the query."""
        context: Mapping[str, Any] = query.context
        query = query.with_defaults(
            {
                "queryId": context.get("sqlQueryId") or new_query_id(),
                "timeout": self._config.default_query_timeout,
                **self._config.subquery_limits,
            }
        )
        run = QueryRun.of(query, identity=identity)
        run.takes_columns = True
        rows = self._rows(query, run)
        # run to the first row now: a failure belongs to whoever asked, not to whoever reads
        next(rows)
        return rows

    def cancel(self, query_id: str) -> None:
        """End the queries that run under the id; nothing happens when there are none."""
        self._running.cancel(query_id)

    def _rows(self, query: BaseQuery, run: QueryRun) -> Generator[Any, None, None]:
        try:
            with self._running.running(run.query_id, run.cancelled, query.data_sources()):
                results = self._walker.run(query, run)
                yield None
                yield from results
        finally:
            run.close()
