"""HTTP resources: classes whose routes a role's server answers."""

from __future__ import annotations

import abc
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload
from urllib.parse import parse_qs

from attrs import define, field, frozen

from nemeton.common.cancellation import CancelSignal
from nemeton.common.errors import DruidException
from nemeton.spi.auth import Action, AuthenticationResult, ResourceAction

if TYPE_CHECKING:
    from nemeton.json import Json

__all__ = [
    "JSON",
    "SMILE",
    "MalformedBodyError",
    "Request",
    "Resource",
    "Response",
    "Route",
    "RouteAccess",
    "StreamingResponse",
    "config_read",
    "config_write",
    "datasource_read",
    "datasource_write",
    "forwarded",
    "in_handler",
    "internal",
    "iter_routes",
    "route",
    "state_read",
    "state_write",
    "unsecured",
]

T = TypeVar("T")
_Handler = TypeVar("_Handler", bound=Callable[..., Any])

JSON = "application/json"
SMILE = "application/x-jackson-smile"
"""Jackson's binary JSON. Java parts send it between services, and some of them read nothing else."""
_ROUTES = "__nemeton_routes__"


# ---- what a route demands of its caller ----------------------------------------------------------------------------


@frozen
class RouteAccess:
    """What the framework checks before a route's handler runs. Every route has one; there is no default."""

    kind: str
    action: Action | None = None
    parameter: str | None = None
    """The path parameter that names the data source, for the ``datasource`` kind."""

    def actions(self, path_params: Mapping[str, str]) -> tuple[ResourceAction, ...]:
        """The actions to authorize, given the path's parameters."""
        if self.action is None:
            return ()
        if self.parameter is not None:
            return (ResourceAction.datasource(path_params[self.parameter], self.action),)
        return ((ResourceAction.config if self.kind == "config" else ResourceAction.state)(self.action),)


state_read = RouteAccess("state", Action.READ)
"""Reads the cluster's state (Druid's StateResourceFilter on GET)."""
state_write = RouteAccess("state", Action.WRITE)
"""Changes the cluster's state."""
config_read = RouteAccess("config", Action.READ)
"""Reads configuration: rules, dynamic configuration, properties."""
config_write = RouteAccess("config", Action.WRITE)
"""Changes configuration."""
internal = state_write
"""Paths for the cluster's own services (task actions, change requests): whoever may write the cluster's state."""
in_handler = RouteAccess("in_handler")
"""The handler knows what to check, and calls `Request.authorize`; one that forgets is answered with 500."""
forwarded = RouteAccess("forwarded")
"""Passed on to another service with the caller's own credentials, which checks it there. Authenticated here."""
unsecured = RouteAccess("unsecured")
"""Open to anybody, without authentication: health checks."""


def datasource_read(parameter: str) -> RouteAccess:
    """Reads the data source that the path parameter names."""
    return RouteAccess("datasource", Action.READ, parameter)


def datasource_write(parameter: str) -> RouteAccess:
    """Changes the data source that the path parameter names."""
    return RouteAccess("datasource", Action.WRITE, parameter)


# ---- the request ---------------------------------------------------------------------------------------------------


class MalformedBodyError(DruidException):
    """The body is not the JSON that it should be; `status` is what Druid answers."""

    def __init__(self, message: str, *, syntax: bool) -> None:
        super().__init__(message, error_code="invalidInput", category="INVALID_INPUT", persona="USER")
        self.syntax = syntax
        """True: not JSON at all. False: JSON of the wrong shape."""


class UnsupportedMediaTypeError(Exception):
    """The body has a content type that the handler does not read; answered with an empty 415."""


@define(eq=False, slots=False)
class Request:
    """One request, its body read. Handlers in threads may use everything but `stream`."""

    method: str
    path: str
    """Decoded; `raw_path` is as it was sent."""
    query_string: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    """Names are lower case; a header sent several times is joined with commas."""
    path_params: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    client: str | None = None
    authenticated: AuthenticationResult = field(
        factory=lambda: AuthenticationResult("allowAll", "allowAll", "allowAll")
    )
    deadline: float | None = None
    """`time.monotonic()` seconds at which the framework answers in the handler's place; None: never."""
    cancelled: CancelSignal = field(factory=CancelSignal)
    """Set when the caller has gone or the deadline has passed; long work looks at it now and then."""
    _json: Json | None = None
    _authorizer: Callable[[AuthenticationResult, Sequence[ResourceAction]], None] | None = None
    _stream: AsyncIterator[bytes] | None = None
    raw_path: str = ""
    authorization_checked: bool = False
    """Whether anything was authorized for this request; the framework's business."""
    _parsed_query: dict[str, list[str]] | None = field(default=None, init=False)

    @property
    def _query(self) -> dict[str, list[str]]:
        if self._parsed_query is None:
            self._parsed_query = parse_qs(self.query_string, keep_blank_values=True)
        return self._parsed_query

    @overload
    def query(self, name: str) -> str | None: ...
    @overload
    def query(self, name: str, default: str) -> str: ...
    def query(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter, or the default."""
        values = self._query.get(name)
        return values[0] if values else default

    def query_all(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return list(self._query.get(name, ()))

    def has_query(self, name: str) -> bool:
        """Whether the parameter is there, with or without a value: ``?full``, ``?simple``."""
        return name in self._query

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, cls: type[T]) -> T: ...
    def json(self, cls: Any = Any) -> Any:
        """The body as JSON, or Smile if its content type says so, structured as `cls`. An empty body is null.

        Raises what the framework answers as Druid does: 415 for another content type, 500 for what is not JSON, 400
        with ``{"error": …}`` for JSON that is no `cls`.
        """
        self.require_content_type(JSON, SMILE)
        try:
            value = self._loads(self.body) if self.body.strip() else None
        except DruidException as failure:
            raise MalformedBodyError(failure.message, syntax=True) from failure
        except ValueError as failure:
            form = "Smile" if self.content_type == SMILE else "JSON"
            raise MalformedBodyError(f"Request body is not valid {form}: {failure}", syntax=True) from failure
        if cls is Any:
            return value
        try:
            return self._structure(value, cls)
        except MalformedBodyError:
            raise
        except DruidException as failure:
            raise MalformedBodyError(str(failure), syntax=False) from failure

    def require_content_type(self, *accepted: str) -> None:
        """Answer 415 unless the body's content type is one of these, or absent."""
        content_type = self.content_type
        if content_type and content_type not in accepted:
            raise UnsupportedMediaTypeError(content_type)

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _loads(self, body: bytes) -> Any:
        if self.content_type == SMILE:
            from nemeton.json import smile

            return smile.loads(body)
        return json.loads(body) if self._json is None else self._json.loads(body)

    def _structure(self, value: Any, cls: Any) -> Any:
        if self._json is None:
            raise RuntimeError(f"This request has no JSON converter to make a {cls} with")
        return self._json.structure(value, cls)

    def authorize(self, *actions: ResourceAction) -> None:
        """Check that the caller may do all of these; raises a 403 naming the refusal."""
        self.authorization_checked = True
        if self._authorizer is not None:
            self._authorizer(self.authenticated, actions)

    def filter_authorized(self, items: Iterable[T], actions_of: Callable[[T], Sequence[ResourceAction]]) -> list[T]:
        """The items for which the caller may do the actions, in order; counts as an authorization check."""
        permitted = []
        for item in items:
            try:
                self.authorize(*actions_of(item))
            except DruidException as refusal:
                if refusal.category != "FORBIDDEN":
                    raise
                continue
            permitted.append(item)
        self.authorization_checked = True
        return permitted

    def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as it arrives; only for routes with ``stream_body``, on the event loop, once."""
        if self._stream is None:
            raise RuntimeError(f"The route of {self.method} {self.path} was not declared with stream_body=True")
        return self._stream


# ---- the response --------------------------------------------------------------------------------------------------


@define(eq=False)
class Response:
    """An answer that is more than a 200 with JSON.

    `json` is converted by the role's JSON converter (and written as Smile where the route and the caller say so, unless
    `media_type` is another); `body` (bytes or text) is sent as it is. Neither: an empty body.
    """

    status: int = 200
    body: bytes | str | None = None
    json: Any = None
    headers: Mapping[str, str] = field(factory=dict)
    media_type: str | None = None
    """Default: ``application/json`` when there is a body."""


@define(eq=False)
class StreamingResponse:
    """An answer sent piece by piece, with backpressure: the next piece is asked for when the last one is on its way.

    A plain iterator runs in the role's threads, an async one on the event loop. Its ``close``/``aclose`` is called
    when the caller leaves, and at the end. A failure after the first byte cuts the connection, so that the caller
    cannot take half an answer for a whole one.
    """

    iterator: Iterable[bytes] | AsyncIterator[bytes]
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    media_type: str | None = JSON
    compress: bool = True
    """False for bodies that are compressed already, or must reach the caller at once."""


# ---- routes --------------------------------------------------------------------------------------------------------


@frozen
class Route:
    """One method and path of a resource, and the handler bound to the resource's instance."""

    method: str
    path: str
    access: RouteAccess
    produces: tuple[str, ...] | None
    stream_body: bool
    timeout_s: float | None
    has_deadline: bool
    long_poll: bool
    handler: Callable[..., Any]
    name: str


def route(
    method: str,
    path: str,
    *,
    access: RouteAccess,
    produces: str | Sequence[str] | None = (JSON,),
    stream_body: bool = False,
    timeout_s: float | None = None,
    has_deadline: bool = True,
    long_poll: bool = False,
) -> Callable[[_Handler], _Handler]:
    """Declare a method of a `Resource` as the handler of an HTTP method and path.

    The path may hold ``{name}`` (one segment) and ``{name:path}`` (the rest); more literal paths win. ``"*"`` as the
    method means all. `produces`: the media types that the handler can answer; a caller that accepts none of them gets
    406; None checks nothing. With `SMILE` among them, JSON is written as Smile exactly if the caller's ``Accept`` is
    that and nothing else, as in Druid. `stream_body`: the body is not read beforehand and has no size limit.
    `timeout_s`: instead of ``druid.server.http.requestTimeout``; ``has_deadline=False`` for handlers with a timeout of
    their own.
    `long_poll`: an ``async`` handler that waits for something to happen, with a timeout of its own; when the server
    stops it is cut short with 503 instead of being waited for.
    """
    media_types = (produces,) if isinstance(produces, str) else None if produces is None else tuple(produces)

    def mark(handler: _Handler) -> _Handler:
        declared = getattr(handler, _ROUTES, ())
        entry = Route(
            method.upper(),
            path,
            access,
            media_types,
            stream_body,
            timeout_s,
            has_deadline and not long_poll,
            long_poll,
            handler,
            handler.__qualname__,
        )
        setattr(handler, _ROUTES, (*declared, entry))
        return handler

    return mark


class Resource(abc.ABC):  # noqa: B024 - what a resource has to have are routes, and those are looked up by mark
    """A group of routes with what they need; made by the injector, one per role.

    Handlers are methods ``(self, request: Request)`` marked with `route`. A plain method runs in a thread of the
    role's pool, an ``async def`` on the event loop, where it must not block. They return a `Response`, a
    `StreamingResponse`, a text (sent as it is), None (204), or anything that JSON can be made of (200). A
    `DruidException` that they raise is answered in Druid's shape with its status.
    """

    def routes(self) -> Iterator[Route]:
        """The routes of this resource; a resource whose routes are made at run time overrides it."""
        for name in dict.fromkeys(name for base in reversed(type(self).__mro__) for name in vars(base)):
            member = getattr(type(self), name, None)
            for entry in getattr(member, _ROUTES, ()):
                yield Route(
                    entry.method,
                    entry.path,
                    entry.access,
                    entry.produces,
                    entry.stream_body,
                    entry.timeout_s,
                    entry.has_deadline,
                    entry.long_poll,
                    getattr(self, name),
                    entry.name,
                )


def iter_routes(resources: Iterable[Resource]) -> Iterator[Route]:
    """All routes of the resources; what a test walks to see that each is checked."""
    for resource in resources:
        yield from resource.routes()
