"""``/druid/v2``: native queries over HTTP, the same on Brokers, Historicals and peons."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import define, field

from nemeton.common.errors import DruidException, QueryException, runtime_failure
from nemeton.common.ids import query_id as new_query_id
from nemeton.dataserver.blocks import BLOCKS, framed
from nemeton.dataserver.jackson import explain
from nemeton.dataserver.jackson_text import JacksonError
from nemeton.dataserver.query_metrics import QueryMetrics
from nemeton.dataserver.query_run import IF_NONE_MATCH, QueryCounts, QueryRun, QuerySegmentWalker, RunningQueries
from nemeton.dataserver.request_log import RequestLog
from nemeton.dataserver.response_context import ResponseContextConfig
from nemeton.http.config import ServerConfig
from nemeton.json import Json
from nemeton.model import DruidNode
from nemeton.plugins import type_names
from nemeton.query.engine import QueryEngine
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.context import BadQueryContextException
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import JSON, SMILE, Request, Resource, Response, StreamingResponse, in_handler, route
from nemeton.spi.query import Query

log = logging.getLogger(__name__)

_MAPPING_CLASS = "com.fasterxml.jackson.databind.JsonMappingException"
_ROWS_PER_CHUNK = 1000


class QueryResource(Resource):
    """Runs what is posted, streams the answer, cancels by id."""

    def __init__(
        self,
        walker: QuerySegmentWalker,
        running: RunningQueries,
        config: ServerConfig,
        metrics: QueryMetrics,
        node: DruidNode,
        json: Json,
        counts: QueryCounts,
        context_config: ResponseContextConfig,
        engine: QueryEngine,
        request_log: RequestLog,
    ) -> None:
        """``walker`` is where this role runs queries."""
        self._walker = walker
        self._running = running
        self._config = config
        self._metrics = metrics
        self._node = node
        self._json = json
        self._counts = counts
        self._context_config = context_config
        self._engine = engine
        self._request_log = request_log

    @route("POST", "/druid/v2", access=in_handler, produces=(JSON, SMILE), has_deadline=False)
    @route("POST", "/druid/v2/", access=in_handler, produces=(JSON, SMILE), has_deadline=False)
    def post(self, request: Request) -> Response | StreamingResponse:
        """Run a native query."""
        started = time.monotonic()
        if not request.headers.get("content-type", "").strip():
            request.authorize()
            return _no_content_type()
        request.require_content_type(JSON, SMILE)
        query: BaseQuery | None = None
        try:
            query = self._prepare(_with_known_tag(self._parse(request), request))
            _authorize(request, query)
            return self._start(request, query, started)
        except DruidException as failure:
            request.authorization_checked = True
            self._ended(request, query, started, failure)
            if failure.category == "FORBIDDEN":
                raise
            return _error(request, failure, query)
        except Exception as failure:
            log.exception("Query [%s] failed", query.id if query else "?")
            wrapped = QueryException(QueryException.UNKNOWN, str(failure), error_class=type(failure).__name__)
            self._ended(request, query, started, wrapped)
            return _error(request, wrapped, query)

    @route("DELETE", "/druid/v2/{id}", access=in_handler)
    def cancel(self, request: Request) -> Response:
        """Cancel the queries of that id; 202 whether or not there are any."""
        query_id = request.path_params["id"]
        names = sorted(self._running.data_sources(query_id))
        request.authorize(*[ResourceAction.datasource(name, Action.WRITE) for name in names])
        self._running.cancel(query_id)
        return Response(202)

    def _parse(self, request: Request) -> BaseQuery:
        try:
            is_smile = request.content_type == SMILE
            query: Any = (self._json.loads_smile if is_smile else self._json.loads)(request.body, Query)
        except QueryException:
            raise
        except DruidException as failure:
            said = explain(request.body, failure.message)
            raise MalformedQuery(failure.message if said is None else said.message, said) from failure
        if not isinstance(query, BaseQuery):
            raise MalformedQuery(f"A query of type [{type_names(type(query))[0]}] is no query by itself")
        return query

    def _prepare(self, query: BaseQuery) -> BaseQuery:
        """With an id and a timeout, and its context checked."""
        query = query.with_defaults(
            {
                "queryId": new_query_id(),
                "timeout": self._config.default_query_timeout,
                **self._config.subquery_limits,
            }
        )
        try:
            query.validate_context()
        except BadQueryContextException as failure:
            if failure.key in ("priority", "queryId"):  # Druid's router reads them before it has a broker, and fails
                raise UnreadableContext(failure) from failure
            if "[vectorize]" in failure.message:  # what in Druid only the data servers read
                failure.host = self._node.host_and_port
            raise
        timeout, most = query.query_context.timeout_ms, self._config.max_query_timeout
        if timeout > most or (timeout == 0 and most < 2**63 - 1):
            raise BadQueryContextException("timeout", f"at most the configured maximum [{most}]", timeout)
        return query

    def _start(self, request: Request, query: BaseQuery, started: float) -> Response | StreamingResponse:
        run = QueryRun.of(query, cancelled=request.cancelled, identity=request.authenticated)
        run.takes_blocks = BLOCKS in request.headers.get("accept", "")
        run.resources.enter_context(self._running.running(run.query_id, run.cancelled, query.data_sources()))
        try:
            rows = self._walker.run(query, run)
            chunks = framed(rows) if run.gives_blocks else self._encode(query, rows, request)
            # the first rows are made before the answer begins, so that most failures still have their status
            first = next(chunks)
            headers = self._headers(run)
        except BaseException:
            run.close()
            raise

        def ended(failure: BaseException | None, size: int) -> None:
            self._ended(request, query, started, failure, size, run.cpu_ns)

        body = _Body(first, chunks, run, ended)
        if run.not_modified:
            body.finish()
            return Response(304, headers=headers, media_type=_media_type(request))
        media_type = BLOCKS if run.gives_blocks else _media_type(request)
        compress = not run.gives_blocks  # they are compressed by themselves
        return StreamingResponse(body, headers=headers, media_type=media_type, compress=compress)

    def _headers(self, run: QueryRun) -> dict[str, str]:
        headers = {"X-Druid-Query-Id": run.query_id}
        if run.entity_tag is not None:
            headers["ETag"] = run.entity_tag
        context = self._context_config.header(run, self._json, self._node.host_and_port)
        return headers | {"X-Druid-Response-Context": context}

    def _encode(self, query: BaseQuery, rows: Iterable[Any], request: Request) -> Iterator[bytes]:
        """An array in pieces of some hundred rows; at least one piece."""
        batches = self._engine.in_chunks(query, rows, _ROWS_PER_CHUNK)
        return (
            self._json.dump_smile_array(batches) if _media_type(request) == SMILE else _json_array(batches, self._json)
        )

    def _ended(
        self,
        request: Request,
        query: BaseQuery | None,
        started: float,
        failure: BaseException | None,
        size: int | None = None,
        cpu_ns: int = 0,
    ) -> None:
        self._counts.add(failure)
        self._metrics.query_ended(query, started, failure, size, cpu_ns)
        if query is not None:
            who = request.authenticated.identity
            self._request_log.query_ended(query, started, failure, size, address=request.client, identity=who)


class MalformedQuery(QueryException):
    """A body that is no query; answered in the short shape that Druid has for that."""

    def __init__(self, message: str, said: JacksonError | None = None) -> None:
        super().__init__(
            QueryException.UNKNOWN, message, error_class=_MAPPING_CLASS if said is None else said.error_class
        )
        self.category = "INVALID_INPUT"

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "error": self.error,
            "errorMessage": self.message,
            "errorClass": self.error_class,
            "host": self.host,
        }


class UnreadableContext(MalformedQuery):
    """A priority that is no number, or an id that is no text: in Druid a failure (500) in the short shape."""

    def __init__(self, failure: BadQueryContextException) -> None:
        super().__init__(failure.message)
        self.error_class = failure.error_class
        self.category = "RUNTIME_FAILURE"


@define(eq=False)
class _Body:
    """The chunks of an answer; whatever ends it closes the run, and says so once."""

    first: bytes
    chunks: Iterator[bytes]
    run: QueryRun
    done: Callable[[BaseException | None, int], None]
    size: int = 0
    _begun: bool = False
    _ended: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            self.size += len(self.first)
            return self.first
        try:
            chunk = next(self.chunks)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as failure:
            self._end(failure)
            raise
        self.size += len(chunk)
        return chunk

    def finish(self) -> None:
        """There is nothing to send."""
        self._end(None)

    def close(self) -> None:
        """The caller has gone, or has all."""
        self._end(runtime_failure("the caller left before the answer was complete"))

    def _end(self, failure: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        self.run.close()
        self.done(failure, self.size)


def _with_known_tag(query: BaseQuery, request: Request) -> BaseQuery:
    """The query with the mark of the answer that the caller has, where Druid keeps it too."""
    known = request.headers.get(IF_NONE_MATCH.lower())
    return query if known is None else query.with_context(**{IF_NONE_MATCH: known})


def _media_type(request: Request) -> str:
    """What the caller accepts, or else what it sent: a Java Broker sends Smile, says no more, and reads only Smile."""
    return SMILE if (request.headers.get("accept") or request.content_type) == SMILE else JSON


def _json_array(batches: Iterable[list[Any]], json: Json) -> Iterator[bytes]:
    opening = b"["
    for batch in batches:
        yield opening + json.dumps(batch)[1:-1]
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def _no_content_type() -> Response:
    """As Druid's web server answers a body of no type."""
    return Response(
        400, json={"servlet": None, "message": "Bad Request", "url": "/druid/v2", "status": "400"}, media_type=JSON
    )


def _authorize(request: Request, query: BaseQuery) -> None:
    actions = [ResourceAction.datasource(name, Action.READ) for name in sorted(query.data_sources())]
    request.authorize(*actions)


def _error(request: Request, failure: DruidException, query: BaseQuery | None) -> Response:
    headers = {"X-Druid-Query-Id": query.id} if query is not None and query.id else {}
    shaped = failure if isinstance(failure, QueryException) else _as_query_exception(failure)
    return Response(shaped.http_status, json=shaped.to_json(), headers=headers, media_type=_media_type(request))


def _as_query_exception(failure: DruidException) -> DruidException:
    """Errors of the newer kind keep their own shape; only what nobody named becomes an unknown exception."""
    if failure.category != "UNCATEGORIZED":
        return failure
    return QueryException(QueryException.UNKNOWN, failure.message, error_class=type(failure).__name__)
