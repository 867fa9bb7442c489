"""One role's ASGI application: authenticate, redirect, authorize, read, handle, answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.common.cancellation import CancelSignal
from nemeton.common.errors import DruidException, capacity_exceeded, defensive, timeout
from nemeton.http.auth import AuthChain
from nemeton.http.body import BodyReader, BodyTooLargeError, ClientGoneError
from nemeton.http.config import ServerConfig
from nemeton.http.errors import druid_error, error_response
from nemeton.http.pool import HandlerPool, PoolFullError
from nemeton.http.redirect import LeaderRedirect, redirect_for
from nemeton.http.routing import Match, RouteTable
from nemeton.http.sending import Sender, begun
from nemeton.spi.http import JSON, SMILE, Request, Resource, Response, Route, StreamingResponse

if TYPE_CHECKING:
    from nemeton.json import Json

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_WATCHED_AFTER_S = 0.02
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})


class RoleApp:
    """The ASGI application of one role; all its state is of the event loop's thread."""

    def __init__(
        self,
        resources: Sequence[Resource],
        *,
        name: str = "http",
        host: str = "localhost",
        config: ServerConfig | None = None,
        json: Json | None = None,
        auth: AuthChain | None = None,
        redirects: Sequence[LeaderRedirect] = (),
    ) -> None:
        self.config = config or ServerConfig()
        self.pool = HandlerPool(f"{name}-handler", self.config.num_threads, self.config.queue_size)
        self._host = host
        self._json = json
        self._auth = auth or AuthChain()
        self._redirects = redirects
        self._routes = RouteTable(resources)
        self._methods = _METHODS | {m.upper() for m in self.config.allowed_http_methods}
        self.answered: Counter[str] = Counter()
        """How many requests were answered, by class of status (``2xx``), since the start."""
        self._long_polls: set[asyncio.Future[Any]] = set()
        self._stopping = False
        self._idle_s = self.config.max_idle_time.to_seconds()
        self._request_timeout_s = self.config.request_timeout.to_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing but the client's leaving or a failing connection ends it without an answer."""
        if scope["type"] != "http":
            raise NotImplementedError(f"Only HTTP is served here, not {scope['type']}")
        exchange = _Exchange(scope, receive)
        sender = Sender(send, exchange.request, self.pool, self.config, self._dump)
        try:
            response = await self._respond(exchange)
            self.answered[f"{response.status // 100}xx"] += 1
            exchange.body.abandon()
            if isinstance(response, StreamingResponse):
                await exchange.until_gone(sender.send(response))
            else:
                await sender.send(response)
        except ClientGoneError:
            log.debug("%s: the client has gone", exchange.what)
        finally:
            exchange.close()

    def _dump(self, response: Response) -> bytes:
        """The response's JSON in the form that its media type names."""
        return (self._dumps_smile if response.media_type == SMILE else self._dumps)(response.json)

    def _dumps(self, value: Any) -> bytes:
        if self._json is not None:
            return self._json.dumps(value)
        import msgspec

        return msgspec.json.encode(value)

    def _dumps_smile(self, value: Any) -> bytes:
        if self._json is not None:
            return self._json.dumps_smile(value)
        from nemeton.json import smile

        return smile.dumps(value)

    async def _respond(self, exchange: _Exchange) -> Response | StreamingResponse:
        try:
            early, route = self._admit(exchange)
            if early is not None or route is None:
                return early or Response(404)
            if not route.stream_body:
                limit = self.config.max_request_body_size
                async with asyncio.timeout(self._idle_s):
                    exchange.request.body = await exchange.body.read(limit)
            response = await self._handle(exchange, route)
            if route.access.kind == "in_handler" and not exchange.request.authorization_checked:
                return _never_authorized(exchange, response)
            return response
        except ClientGoneError:
            raise
        except BodyTooLargeError as failure:
            return druid_error(_too_large(failure), status=413)
        except TimeoutError:
            return druid_error(timeout(f"The body of {exchange.what} did not arrive in time"), status=408)
        except PoolFullError as failure:
            return druid_error(capacity_exceeded(str(failure)), status=503)
        except Exception as failure:  # noqa: BLE001 - whatever a handler raises becomes an answer
            return error_response(failure, what=exchange.what, detailed=self.config.show_detailed_jetty_errors)

    def _admit(self, exchange: _Exchange) -> tuple[Response | None, Route | None]:
        """Everything that is decided before the body is read: an answer, or the route to take."""
        request = exchange.request
        if request.method not in self._methods:
            return Response(405), None
        match = self._routes.match(request.method, exchange.raw_path)
        route = match.route
        if route is not None and route.access.kind == "unsecured":
            return self._prepare(exchange, match, route)
        if route is not None and self._auth.is_unsecured(exchange.raw_path):
            # whoever comes is let in, as whom the handler's own checks decide
            request.authorization_checked = True
            return self._prepare(exchange, match, route)
        authenticated = self._auth.authenticate(request)
        if authenticated is None:
            return self._auth.unauthenticated(self._host), None
        request.authenticated = authenticated
        redirect = redirect_for(self._redirects, exchange.raw_path, request.query_string)
        if redirect is not None:
            return redirect, None
        if route is None:
            return Response(405) if match.methods else _no_such_path(request), None
        request._authorizer = self._auth.authorize
        actions = route.access.actions(match.params)
        if actions:
            request.authorize(*actions)
        return self._prepare(exchange, match, route)

    def _prepare(self, exchange: _Exchange, match: Match, route: Route) -> tuple[Response | None, Route | None]:
        request = exchange.request
        request.path_params = match.params
        request._json = self._json
        if not _acceptable(request.headers.get("accept"), route.produces):
            return Response(406), None
        exchange.wants_smile = SMILE in (route.produces or ()) and request.headers.get("accept") == SMILE
        if route.stream_body:
            request._stream = exchange.body.chunks()
        return None, route

    async def _handle(self, exchange: _Exchange, route: Route) -> Response | StreamingResponse:
        request = exchange.request
        seconds = (route.timeout_s or self._request_timeout_s) if route.has_deadline else None
        if seconds is not None:
            request.deadline = time.monotonic() + seconds
        if inspect.iscoroutinefunction(route.handler):
            work: Awaitable[Any] = route.handler(request)
        else:
            work = self.pool.run(lambda: self._encoded(route.handler(request), exchange))
        try:
            async with asyncio.timeout(seconds):
                result = await exchange.until_gone(self._interruptible(work) if route.long_poll else work)
        except TimeoutError:
            if request.deadline is None or time.monotonic() < request.deadline:
                raise timeout(f"{exchange.what} timed out") from None
            request.cancelled.set()
            raise timeout(f"{exchange.what} took longer than {seconds:g} s") from None
        response = exchange.in_form(_as_response(result))
        _name_empty(response, route)
        return response

    def _encoded(self, result: Any, exchange: _Exchange) -> Response | StreamingResponse:
        """The handler's result, its JSON made in the handler's thread: the event loop has better things to do."""
        response = exchange.in_form(_as_response(result))
        if isinstance(response, StreamingResponse):
            return begun(response)
        if response.json is not None:
            response.body, response.json = self._dump(response), None
        return response

    async def _interruptible(self, work: Awaitable[Any]) -> Any:
        """Await a long poll, which `end_long_polls` answers with 503."""
        task = asyncio.ensure_future(work)
        self._long_polls.add(task)
        if self._stopping:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            if self._stopping and task.cancelled():
                return Response(503)
            raise
        finally:
            self._long_polls.discard(task)
            task.cancel()

    def end_long_polls(self) -> None:
        """Cut long polls short; on the event loop, when the server stops."""
        self._stopping = True
        for task in list(self._long_polls):
            task.cancel()


class _Exchange:
    """One request with its body and the watch for the client's leaving."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        client = scope.get("client")
        self.raw_path: str = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        self.request = Request(
            method=scope["method"],
            path=scope["path"],
            raw_path=self.raw_path,
            query_string=scope["query_string"].decode("latin-1"),
            headers=headers,
            client=client[0] if client else None,
            cancelled=CancelSignal(),
        )
        self.body = BodyReader(receive, headers)
        self.what = f"{scope['method']} {scope['path']}"
        self.wants_smile = False
        self._gone: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[Any] | None = None
        """Who is to be told when the client leaves."""
        self._has_left = False

    def in_form(self, response: Response | StreamingResponse) -> Response | StreamingResponse:
        """The response, named Smile when it is to be written so; errors name themselves JSON, and stay it."""
        if self.wants_smile and isinstance(response, Response) and response.json is not None:
            response.media_type = response.media_type or SMILE
        return response

    async def until_gone(self, work: Awaitable[Any]) -> Any:
        """Await the work; when the client leaves first, cancel it and raise `ClientGoneError`.

        The client is watched only when the work takes a while: most of it is done before a client could leave.
        """
        self._waiting = asyncio.current_task()
        timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER_S, self._watch)
        try:
            return await work
        except asyncio.CancelledError:
            if self._has_left and self._waiting is not None:
                self._waiting.uncancel()
                raise ClientGoneError from None
            raise
        finally:
            timer.cancel()
            self._waiting = None

    def _watch(self) -> None:
        if self._gone is None:
            self._gone = asyncio.ensure_future(self.body.gone())
            self._gone.add_done_callback(self._left)
        elif self._gone.done():
            self._left(self._gone)

    def _left(self, gone: asyncio.Task[None]) -> None:
        if self._waiting is not None and not gone.cancelled() and gone.exception() is None:
            self._has_left = True
            self._waiting.cancel()

    def close(self) -> None:
        """End the watch, and tell work that goes on in a thread that nobody waits for it."""
        self.request.cancelled.set()
        if self._gone is not None:
            self._gone.cancel()


def _as_response(result: Any) -> Response | StreamingResponse:
    if isinstance(result, Response | StreamingResponse):
        return result
    if result is None:
        return Response(204)
    if isinstance(result, str | bytes):
        return Response(body=result)
    return Response(json=result)


def _no_such_path(request: Request) -> Response:
    """404; told in JSON, with Jetty's fields, to those who ask for JSON."""
    if JSON not in request.headers.get("accept", ""):
        return Response(404)
    return Response(404, json={"servlet": "nemeton", "message": "Not Found", "url": request.path, "status": "404"})


def _name_empty(response: Response | StreamingResponse, route: Route) -> None:
    """As in Druid, what a GET answers has the route's content type even if it is empty."""
    if not isinstance(response, Response) or response.body is not None or response.json is not None:
        return
    if route.method == "GET" and route.produces and response.media_type is None:
        response.media_type = route.produces[0]


def _acceptable(accept: str | None, produces: tuple[str, ...] | None) -> bool:
    if not accept or produces is None:
        return True
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return any(
        want in ("*/*", "*", made) or want == made.partition("/")[0] + "/*" for want in wanted for made in produces
    )


def _never_authorized(exchange: _Exchange, response: Response | StreamingResponse) -> Response:
    """Nothing may leave that nobody checked; refusals and errors tell nothing and may."""
    if isinstance(response, Response) and response.status // 100 != 2:
        return response
    log.error("%s: the handler did not check the caller's authorization; its answer is withheld", exchange.what)
    return druid_error(
        defensive(
            f"Request did not have an authorization check performed, original response status [{response.status}]."
        )
    )


def _too_large(failure: BodyTooLargeError) -> DruidException:
    return DruidException(
        f"{failure}; the limit is druid.server.http.maxRequestBodySize",
        error_code="requestTooLarge",
        category="INVALID_INPUT",
    )
