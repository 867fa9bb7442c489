"""Asks one data server for the segments that it has (Druid's DirectDruidClient)."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import frozen

from nemeton.common.errors import QueryException
from nemeton.dataserver.blocks import BLOCKS, blocks_of
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import TIMEOUT_CLASS, QueryRun
from nemeton.http.abort import Abort
from nemeton.http.client import EscalatedHttpClient, HttpClientError, HttpResponse
from nemeton.http.config import ServerConfig
from nemeton.json import Json
from nemeton.json.array_stream import array_members
from nemeton.json.errors import JsonError
from nemeton.model import SegmentDescriptor
from nemeton.query.model.base import BaseQuery
from nemeton.rpc.server_inventory import DruidServer
from nemeton.server.broker.config import BrokerHttpConfig
from nemeton.spi.http import JSON

_LIMIT_CLASS = "java.io.IOException"
_CANCEL_TIMEOUT_S = 5.0
_WHOLE_BYTES = 16 * 1024**2  # an answer that is no longer is read at once, which is faster


@frozen
class ServerAnswer:
    """What one data server gave: result rows, or blocks of bytes, and the segments that it did not have.

    Those of a streamed answer are read while they are asked for; it must be closed, other answers may be.
    """

    rows: Iterable[Any]
    missing: Sequence[SegmentDescriptor]
    close: Callable[[], None] = lambda: None
    """Read no more; the data server then stops."""
    are_blocks: bool = False
    """Whether `rows` are those of `nemeton.dataserver.blocks`."""


class DataServerClient:
    """Thread-safe. Raises `QueryException` for what the data server, or its answer, has wrong.

    Answers are asked for as blocks of bytes, which only data servers of nemeton have, and as JSON: it is read faster
    here than the Smile that Java's Brokers ask for.
    """

    def __init__(
        self,
        client: EscalatedHttpClient,
        config: BrokerHttpConfig,
        server_config: ServerConfig,
        json: Json,
        metrics: QueryMetrics,
    ) -> None:
        self._client = client
        self._config = config
        self._max_bytes = int(server_config.max_scatter_gather_bytes)
        self._json = json
        self._metrics = metrics
        self._connections: Counter[str] = Counter()
        self._lock = threading.Lock()

    def load(self, name: str) -> int:
        """How many requests run at the server now."""
        return self._connections[name]

    def ask(
        self,
        query: BaseQuery,
        server: DruidServer,
        run: QueryRun,
        *,
        abort: Abort,
        stream: bool,
        stream_long: bool = False,
    ) -> ServerAnswer:
        """The answer of the server. Raises `HttpClientError` when there is none, or `abort` ended it.

        Its rows are streamed, with `stream_long` only when they are many.
        """
        asking = _Asking(self, query, server, run)
        seconds = run.seconds_left(self._config.read_timeout.to_seconds())
        query = query.with_context(timeout=max(1, int(seconds * 1000)))
        asking.begin()
        try:
            # the data server's own timeout should come first: it says more than a cut connection
            response = self._client.request(
                "POST",
                asking.url,
                json=query,
                headers=_accepted(asking.url),
                timeout_s=seconds + 1,
                stream=True,
                abort=abort,
            )
        except HttpClientError as failure:
            asking.end(failed=True)
            if run.deadline is not None and time.monotonic() >= run.deadline:
                raise asking.timed_out() from failure
            raise
        asking.first_byte = time.monotonic()
        chunks = asking.chunks(response)
        held: list[bytes] = []
        if response.ok and (stream or (stream_long and asking.is_long(response, chunks, held))):
            missing = asking.missing(response)
            members = asking.members(response, itertools.chain(held, chunks))
            return ServerAnswer(members, missing, lambda: asking.abandon(response), _has_blocks(response))
        with response:
            held += chunks
            body = b"".join(held)
        if not response.ok:
            raise self._failure(response.status, body, server)
        are_blocks = _has_blocks(response)
        rows = list(blocks_of([body])) if are_blocks else self._json.loads(body)
        return ServerAnswer(rows, asking.missing(response), are_blocks=are_blocks)

    def cancel(self, server_url: str, query_id: str) -> None:
        """Tell a data server to stop. Raises `HttpClientError` when it cannot be told."""
        self._client.request("DELETE", f"{server_url}/druid/v2/{query_id}", timeout_s=_CANCEL_TIMEOUT_S)

    def limit_of(self, query: BaseQuery) -> int:
        """How many bytes all data servers together may send for the query."""
        return min(self._max_bytes, query.query_context.get_int("maxScatterGatherBytes", self._max_bytes, "long"))

    def count(self, server: str, change: int) -> None:
        """One request more, or one less."""
        with self._lock:
            self._connections[server] += change

    def ended(self, asking: _Asking, failed: bool) -> None:
        """Measure it."""
        query, name = asking.query, asking.server.name
        self._metrics.node_answered(query, name, asking.started, asking.first_byte, asking.size, failed)

    def missing(self, response: HttpResponse) -> list[SegmentDescriptor]:
        """The segments that the data server says it does not have."""
        header = response.headers.get("X-Druid-Response-Context")
        context: dict[str, Any] = self._json.loads(header) if header else {}
        if context.get("truncated"):
            raise QueryException(QueryException.TRUNCATED, "A data server misses more segments than it could say")
        return self._json.structure(context.get("missingSegments") or [], list[SegmentDescriptor])

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
        if error == "druidException":  # to Druid's Broker an error it has no name for, whatever its category
            failure.error, failure.category = error, "UNCATEGORIZED"
        return failure


def _accepted(url: str) -> dict[str, str]:
    """Nothing is compressed that does not leave the machine: that would take longer than to send it."""
    accepted = {"Accept": f"{BLOCKS}, {JSON}"}
    is_here = urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    return accepted | {"Accept-Encoding": "identity"} if is_here else accepted


def _has_blocks(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith(BLOCKS)


class _Asking:
    """One request; of one thread at a time."""

    def __init__(self, client: DataServerClient, query: BaseQuery, server: DruidServer, run: QueryRun) -> None:
        self.query = query
        self.server = server
        self.url = f"{server.metadata.base_url}/druid/v2/"
        self.started = time.monotonic()
        self.first_byte: float | None = None
        self.size = 0
        self._client = client
        self._run = run
        self._running = False

    def begin(self) -> None:
        self._running = True
        self._client.count(self.server.name, 1)

    def end(self, *, failed: bool) -> None:
        if self._running:
            self._running = False
            self._client.count(self.server.name, -1)
            self._client.ended(self, failed)

    def missing(self, response: HttpResponse) -> list[SegmentDescriptor]:
        try:
            return self._client.missing(response)
        except BaseException:
            response.close()
            self.end(failed=True)
            raise

    def is_long(self, response: HttpResponse, chunks: Iterator[bytes], held: list[bytes]) -> bool:
        """Read the first chunks into `held`; whether there are more of them than are read at once."""
        try:
            for chunk in chunks:
                held.append(chunk)
                if self.size > _WHOLE_BYTES:
                    return True
        except BaseException:
            response.close()
            raise
        return False

    def chunks(self, response: HttpResponse) -> Iterator[bytes]:
        """The body, counted; checked against the limits and the end of the run."""
        failed = True
        limit = self._client.limit_of(self.query)
        try:
            for chunk in response.stream():
                self.size += len(chunk)
                if self._run.add_scattered_bytes(len(chunk)) > limit:
                    raise self._failed("max scatter-gather bytes limit reached.", _LIMIT_CLASS)
                self._run.check()
                yield chunk
            failed = False
        except HttpClientError as failure:
            if self._run.deadline is not None and time.monotonic() >= self._run.deadline:
                raise self.timed_out() from failure
            raise
        finally:
            self.end(failed=failed)

    def members(self, response: HttpResponse, chunks: Iterator[bytes]) -> Iterator[Any]:
        """The rows, or blocks, while they arrive. Some may be out already: what breaks off is the query's failure."""
        try:
            with contextlib.closing(response):
                yield from blocks_of(chunks) if _has_blocks(response) else array_members(chunks)
        except (HttpClientError, JsonError) as failure:
            raise self._failed(f"broke off: {failure}", type(failure).__name__) from failure

    def abandon(self, response: HttpResponse) -> None:
        """Nobody wants the rest."""
        response.close()
        self.end(failed=False)

    def timed_out(self) -> QueryException:
        return QueryException(
            QueryException.TIMEOUT, f"url[{self.url}] timed out", error_class=TIMEOUT_CLASS, host=self.server.name
        )

    def _failed(self, what: str, error_class: str) -> QueryException:
        text = f"Query[{self._run.query_id}] url[{self.url}] {what}"
        return QueryException(QueryException.UNKNOWN, text, error_class=error_class, host=self.server.name)
