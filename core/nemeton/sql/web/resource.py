"""``/druid/v2/sql``: run a statement, cancel one."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Generator, Iterator
from typing import Any

from nemeton.common.errors import DruidException, QueryException
from nemeton.json import Json
from nemeton.spi.auth import Action, ResourceAction
from nemeton.spi.http import JSON, Request, Resource, Response, StreamingResponse, in_handler, route
from nemeton.sql.context import QUERY_ID, SQL_QUERY_ID
from nemeton.sql.engine import SqlEngine, SqlResult
from nemeton.sql.execution import NativeQueryExecutor
from nemeton.sql.results import ShownRows
from nemeton.sql.running import RunningStatement, RunningStatements
from nemeton.sql.web.formats import Headers, write
from nemeton.sql.web.request import BadBodyError, SqlQuery

QUERY_ID_HEADER = "X-Druid-SQL-Query-Id"
CONTEXT_HEADER = "X-Druid-Response-Context"
HEADER_INCLUDED = "X-Druid-SQL-Header-Included"
_BAD_CONTEXT_CLASS = "org.apache.druid.query.BadQueryContextException"


class SqlResource(Resource):
    """Druid's SqlResource. Answers stream row by row; errors before the first row have a status of their own."""

    def __init__(self, engine: SqlEngine, executor: NativeQueryExecutor, json: Json) -> None:
        self._engine = engine
        self._executor = executor
        self._json = json
        self._running = RunningStatements()

    @route("POST", "/druid/v2/sql", access=in_handler, produces=None, has_deadline=False)
    @route("POST", "/druid/v2/sql/", access=in_handler, produces=None, has_deadline=False)
    def post(self, request: Request) -> Response | StreamingResponse:
        """Run the statement of the body, which is a JSON object, or with ``text/plain`` the statement itself."""
        try:
            query = self._read(request)
        except BadBodyError as error:
            request.authorize()
            return Response(error.status, json=error.body, media_type=JSON)
        context = dict(query.context)
        sql_id = str(context.setdefault(SQL_QUERY_ID, str(context.get(QUERY_ID) or uuid.uuid4())))
        running = RunningStatement(sql_id, native_id=str(context.setdefault(QUERY_ID, sql_id)))
        try:
            return self._answer(request, query, context, running)
        except DruidException as error:
            self._running.remove(running)
            if error.category == "FORBIDDEN":
                raise
            return Response(error.http_status, json=error.to_json(), headers={QUERY_ID_HEADER: sql_id}, media_type=JSON)
        except BaseException:
            self._running.remove(running)
            raise

    @route("DELETE", "/druid/v2/sql/{id}", access=in_handler, produces=None)
    def cancel(self, request: Request) -> Response:
        """Cancel the running statements of the id: 202, or 404 when there are none."""
        query_id = request.path_params["id"]
        statements = self._running.find(query_id)
        for statement in statements:
            request.authorize(*_reads(statement.resources))
        request.authorize()
        for statement in statements:
            statement.cancelled.set()
            self._executor.cancel(statement.native_id)
        return Response(202 if statements else 404)

    def _read(self, request: Request) -> SqlQuery:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type == "text/plain":
            return SqlQuery.from_text(request.body.decode("utf-8", "replace").strip())
        return SqlQuery.from_body(request.body, self._json)

    def _answer(
        self, request: Request, query: SqlQuery, context: dict[str, Any], running: RunningStatement
    ) -> StreamingResponse:
        check_context(context)

        def authorize(resources: tuple[str, ...]) -> None:
            request.authorize(*_reads(resources))
            # from now on others may cancel it, who can read the same
            running.resources = resources
            self._running.add(running)

        # what is wrong before the statement is bound is told without knowing what it would have read
        request.authorize()
        result = self._engine.execute(query.query, context, query.parameters, request.authenticated, authorize)
        blocks = self._started(result, running)
        headers = Headers(query.header, query.types_header, query.sql_types_header)
        body = write(query.result_format, result.fields, blocks, headers, self._json)
        sent = {QUERY_ID_HEADER: result.query_id, CONTEXT_HEADER: "{}"}
        if query.header:
            sent[HEADER_INCLUDED] = "yes"
        return StreamingResponse(body, headers=sent, media_type=JSON)

    def _started(self, result: SqlResult, running: RunningStatement) -> Iterator[ShownRows]:
        """The rows, the first of them read already, so that a failure at the start can still be a status."""
        blocks = running.guard(result.json_blocks(), lambda: self._running.remove(running))
        return _then(next(blocks, ShownRows(())), blocks)


def _then(first: ShownRows, blocks: Generator[ShownRows]) -> Iterator[ShownRows]:
    with contextlib.closing(blocks):
        yield first
        yield from blocks


def _reads(resources: tuple[str, ...]) -> list[ResourceAction]:
    return [ResourceAction.datasource(name, Action.READ) for name in resources]


def check_context(context: dict[str, Any]) -> None:
    """The context's numbers must be numbers, before anything is planned."""
    for key in ("timeout", "priority"):
        value = context.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            continue
        try:
            int(value)
        except (TypeError, ValueError):
            kind = "long" if key == "timeout" else "integer"
            error = QueryException(
                "Query context parse failed",
                f"Expected key [{key}] to be in {kind} format, but got [{value}]",
                error_class=_BAD_CONTEXT_CLASS,
            )
            error.category = "INVALID_INPUT"
            raise error from None
