"""Runs native queries over the cluster: split by timeline and server, ask, merge (Druid's CachingClusteredClient)."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

from attrs import frozen

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.dataserver.walker import answer
from nemeton.http.client import EscalatedHttpClient, HttpClientError, HttpResponse
from nemeton.http.config import ServerConfig
from nemeton.http.pool import HandlerPool
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_stop
from nemeton.model import SegmentDescriptor
from nemeton.query.engine import Partial, QueryEngine
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.data_sources import TableDataSource
from nemeton.query.model.queries import GroupByQuery
from nemeton.query.model.segment_spec import QuerySegmentSpec
from nemeton.rpc.server_inventory import DruidServer
from nemeton.server.broker.config import BrokerHttpConfig, BrokerRetryConfig
from nemeton.server.broker.selector import ServerSelector
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.time import AllGranularity

_MISSING_CLASS = "org.apache.druid.segment.SegmentMissingException"
_LIMIT_CLASS = "org.apache.druid.query.ResourceLimitExceededException"
_CANCEL_TIMEOUT_S = 5.0
_POLL_S = 0.1


@frozen
class _Wanted:
    """One segment, or a part of its interval, that a query reads."""

    table: str
    descriptor: SegmentDescriptor
    selector: ServerSelector

    @property
    def key(self) -> tuple[str, SegmentDescriptor]:
        """What tells it from the others: tables of a union may have equal descriptors."""
        return self.table, self.descriptor


@frozen
class _Answer:
    """What one data server gave: a partial of the segments it had, and those that it did not have."""

    partial: Partial | None
    missing: Sequence[_Wanted]


class CachingClusteredClient:
    """A `QuerySegmentWalker` over the cluster. Thread-safe.

    Segments that a server has lost, or all of a server that does not answer, are asked for at other servers, as often
    as ``druid.broker.retryPolicy.numTries`` says; what is missing then fails the query, unless its context has
    ``returnPartialResults``.
    """

    def __init__(
        self,
        view: BrokerServerView,
        engine: QueryEngine,
        client: EscalatedHttpClient,
        config: BrokerHttpConfig,
        retries: BrokerRetryConfig,
        server_config: ServerConfig,
        json: Json,
    ) -> None:
        self._view = view
        self._engine = engine
        self._client = client
        self._config = config
        self._retries = retries
        self._max_bytes = int(server_config.max_scatter_gather_bytes)
        self._json = json
        self._pool = HandlerPool("broker-fanout", max(8, config.num_connections * 2), 10_000)
        self._connections: Counter[str] = Counter()
        self._lock = threading.Lock()

    @lifecycle_stop
    def stop(self) -> None:
        """Send no more queries to data servers."""
        self._pool.close()

    def run(self, query: BaseQuery, run: QueryRun) -> Iterable[Any]:
        """See `QuerySegmentWalker`."""
        return answer(self._engine, query, run, partial(self._run_tables, run=run))

    # ---- splitting

    def _run_tables(self, query: BaseQuery, run: QueryRun) -> Partial:
        wanted = [each for table in sorted(query.data_sources()) for each in self._wanted(query, table)]
        partials, tried = [], defaultdict[tuple[str, SegmentDescriptor], set[str]](set)
        for _ in range(self._retries.num_tries + 1):
            answers = self._ask(query, wanted, tried, run)
            partials += [answer.partial for answer in answers if answer.partial is not None]
            wanted = [each for answer in answers for each in answer.missing]
            if not wanted:
                break
        if wanted:
            self._give_up(query, wanted, run)
        return self._engine.merge(query, partials, run.deadline, run.cancelled)

    def _wanted(self, query: BaseQuery, table: str) -> list[_Wanted]:
        timeline = self._view.timeline(table)
        if timeline is None:
            return []
        if query.intervals.segments is not None:
            found = [(each, self._view.selector(table, each)) for each in query.intervals.segments]
            return [_Wanted(table, each, selector) for each, selector in found if selector is not None]
        return [
            _Wanted(table, SegmentDescriptor(holder.interval, holder.version, chunk.partition_num), chunk.object)
            for interval in query.interval_list
            for holder in timeline.lookup(interval)
            for chunk in holder.chunks
            if not chunk.object.segment.is_tombstone
        ]

    @staticmethod
    def _give_up(query: BaseQuery, wanted: Sequence[_Wanted], run: QueryRun) -> None:
        if query.query_context.get_bool("returnPartialResults", False):
            run.missing += [each.descriptor for each in wanted]
            return
        names = ", ".join(str(each.descriptor.to_segment_id(each.table)) for each in wanted[:5])
        raise QueryException(
            QueryException.UNKNOWN,
            f"No results found for segments[{names}{' …' if len(wanted) > 5 else ''}]",
            error_class=_MISSING_CLASS,
        )

    # ---- asking

    def _ask(
        self,
        query: BaseQuery,
        wanted: Sequence[_Wanted],
        tried: dict[tuple[str, SegmentDescriptor], set[str]],
        run: QueryRun,
    ) -> list[_Answer]:
        """Ask for everything at once, each server once per table; the first failure ends the others."""
        by_server: dict[tuple[str, str], list[_Wanted]] = defaultdict(list)
        servers: dict[str, DruidServer] = {}
        orphans = []
        for each in wanted:
            server = each.selector.pick(self._connections.__getitem__, tried[each.key])
            if server is None:
                orphans.append(each)
                continue
            tried[each.key].add(server.name)
            servers[server.name] = server
            by_server[server.name, each.table].append(each)
        futures = [
            self._pool.submit(partial(self._ask_server, query, servers[name], table, batch, run), always=True)
            for (name, table), batch in by_server.items()
        ]
        answers = self._gather(futures, [servers[name] for name, _ in by_server], run)
        return [*answers, _Answer(None, orphans)] if orphans else answers

    def _gather(
        self, futures: Sequence[Future[_Answer]], servers: Sequence[DruidServer], run: QueryRun
    ) -> list[_Answer]:
        pending = set(futures)
        try:
            while pending:
                if run.cancelled.is_set():
                    raise QueryException(QueryException.CANCELLED, f"Query [{run.query_id}] was cancelled")
                done, pending = wait(pending, run.seconds_left(_POLL_S), FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException:
            for future in pending:
                future.cancel()
            self._cancel_at(servers, run)
            raise
        return [future.result() for future in futures]

    def _ask_server(
        self, query: BaseQuery, server: DruidServer, table: str, batch: Sequence[_Wanted], run: QueryRun
    ) -> _Answer:
        seconds = run.seconds_left(self._config.read_timeout.to_seconds())
        asked = _sub_query(
            self._engine.for_data_server(query),
            table,
            batch,
            {"queryId": run.query_id, "timeout": max(1, int(seconds * 1000))},
        )
        with self._connection(server):
            try:
                # the data server's own timeout should come first: it says more than a cut connection
                answer = self._client.request(
                    "POST", f"{server.metadata.base_url}/druid/v2/", json=asked, timeout_s=seconds + 1, stream=True
                )
                with answer:
                    body = self._read(answer, self._limit_of(query), run, server.name)
            except HttpClientError as failure:
                if run.deadline is not None and run.seconds_left() <= 0:
                    raise run.timeout() from failure
                return _Answer(None, batch)
        if not answer.ok:
            raise self._failure(answer.status, body, server)
        missing = self._missing(answer, batch)
        rows = self._json.loads(body)
        return _Answer(self._engine.from_wire(query, rows), missing)

    def _limit_of(self, query: BaseQuery) -> int:
        return min(self._max_bytes, query.query_context.get_int("maxScatterGatherBytes", self._max_bytes, "long"))

    def _read(self, answer: HttpResponse, limit: int, run: QueryRun, host: str) -> bytes:
        chunks = []
        for chunk in answer.stream():
            chunks.append(chunk)
            run.scattered_bytes += len(chunk)
            if run.scattered_bytes > limit:
                # Druid fails the channel, hence its error for what nobody named
                raise QueryException(
                    QueryException.UNKNOWN,
                    f"Query [{run.query_id}] gathered more than maxScatterGatherBytes [{limit}]",
                    error_class=_LIMIT_CLASS,
                    host=host,
                )
            run.seconds_left()
        return b"".join(chunks)

    def _missing(self, answer: HttpResponse, batch: Sequence[_Wanted]) -> list[_Wanted]:
        header = answer.headers.get("X-Druid-Response-Context")
        context: dict[str, Any] = self._json.loads(header) if header else {}
        if context.get("truncated"):
            # which ones are missing is not known, so the whole batch is asked for elsewhere
            raise QueryException(QueryException.TRUNCATED, "A data server misses more segments than it could say")
        missing = set(self._json.structure(context.get("missingSegments") or [], list[SegmentDescriptor]))
        return [each for each in batch if each.descriptor in missing]

    def _failure(self, status: int, body: bytes, server: DruidServer) -> QueryException:
        try:
            said = self._json.loads(body)
        except Exception:  # noqa: BLE001 - an answer that is no JSON, from a proxy for instance
            said = {"errorMessage": body[:500].decode(errors="replace")}
        error = said.get("error")
        failure = QueryException(
            error if isinstance(error, str) and error != "druidException" else QueryException.UNKNOWN,
            said.get("errorMessage") or f"[{server.name}] answered {status}",
            error_class=said.get("errorClass"),
            host=said.get("host") or server.name,
        )
        failure.category = said.get("category") or failure.category
        return failure

    def _cancel_at(self, servers: Sequence[DruidServer], run: QueryRun) -> None:
        """Tell data servers to stop, without waiting for what they say."""
        for url in {server.metadata.base_url for server in servers}:
            self._pool.submit(partial(self._cancel, f"{url}/druid/v2/{run.query_id}"), always=True)

    def _cancel(self, url: str) -> None:
        self._client.request("DELETE", url, timeout_s=_CANCEL_TIMEOUT_S)

    @contextmanager
    def _connection(self, server: DruidServer) -> Iterator[None]:
        with self._lock:
            self._connections[server.name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._connections[server.name] -= 1


def _sub_query(query: BaseQuery, table: str, batch: Sequence[_Wanted], context: Mapping[str, Any]) -> BaseQuery:
    """What one data server is asked: its segments of one table, with aggregates left unfinished."""
    fudge = {}
    is_one_bucket = isinstance(query, GroupByQuery) and isinstance(query.granularity, AllGranularity)
    if is_one_bucket and query.interval_list and "fudgeTimestamp" not in query.context:
        # rows of the one bucket carry the start of the whole query, which data servers do not see
        fudge = {"fudgeTimestamp": str(query.interval_list[0].start)}
    return (
        query.with_data_source(query.data_source.with_base(TableDataSource(table)))
        .with_intervals(QuerySegmentSpec.of_segments([each.descriptor for each in batch]))
        .with_context(finalize=False, **fudge, **context)
    )
