"""The blocking HTTP client that all parts share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nemeton.http.connections import Answer, ConnectionPool
from nemeton.http.messages import HttpClientError, request_bytes, split_url
from nemeton.lifecycle import lifecycle_stop
from nemeton.spi.http import JSON, SMILE

if TYPE_CHECKING:
    from nemeton.http.abort import Abort
    from nemeton.json import Json
    from nemeton.spi.auth import Escalator

__all__ = ["EscalatedHttpClient", "HttpClient", "HttpClientError", "HttpResponse"]

_SMILE_HEADER = b":)\n"
_MAX_HOSTS = 4096


@define(eq=False)
class HttpResponse:
    """An answer. Streamed ones must be closed (use ``with``); the others have their body in `body`."""

    status: int
    headers: Mapping[str, str]
    """Look-ups do not mind the case of names."""
    url: str
    body: bytes = b""
    _raw: Answer | None = field(default=None, repr=False)
    _json: Json | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self, cls: Any = Any) -> Any:
        """The body as JSON, or as Smile if that is what it is, structured as `cls`; an empty body is None."""
        if not self.body.strip():
            return None
        from nemeton.json import Json

        json = self._json or Json()
        return json.loads_smile(self.body, cls) if self.is_smile else json.loads(self.body, cls)

    @property
    def is_smile(self) -> bool:
        """Whether the body is Smile: Java does not always say so, but always begins in the same way."""
        if self.body.startswith((b"{", b"[")):  # no object or list of Smile begins so
            return False
        return self.body.startswith(_SMILE_HEADER) or self.headers.get("Content-Type", "").startswith(SMILE)

    def stream(self) -> Iterator[bytes]:
        """The body of a streamed answer in pieces, inflated; raises `HttpClientError` when it breaks off."""
        if self._raw is None:
            yield self.body
            return
        try:
            yield from self._raw.stream()
        except (HttpClientError, OSError) as failure:
            raise HttpClientError(f"The answer of {self.url} broke off: {failure}") from failure

    def read(self) -> bytes:
        """Read what is left of a streamed answer into `body`."""
        if self._raw is not None:
            self.body = b"".join(self.stream())
            self.close()
        return self.body

    def close(self) -> None:
        """Give the connection back; an answer that was not read to its end costs the connection."""
        if self._raw is not None:
            raw, self._raw = self._raw, None
            raw.close()

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class HttpClient:
    """Pooled connections by host; every exchange has a timeout. Thread-safe.

    It neither follows redirects nor retries: `nemeton.rpc` does, knowing what it talks to.
    """

    def __init__(
        self,
        *,
        json: Json | None = None,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 5.0,
        max_per_host: int = 20,
    ) -> None:
        self._json = json
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._connections = ConnectionPool(max_per_host, _MAX_HOSTS)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | str | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        stream: bool = False,
        smile: bool = False,
        abort: Abort | None = None,
    ) -> HttpResponse:
        """One exchange. Any status is an answer; `HttpClientError` when there is none.

        `timeout_s` bounds the connecting, and each wait for data from the server. `stream`: return when the headers
        are there. `smile`: send `json` as Smile and ask for Smile, as Java's clients do where they insist on it.
        `abort` lets another thread end the exchange.
        """
        sent = self._headers(headers or {})
        if smile:
            sent.setdefault("Accept", SMILE)
            sent.setdefault("Content-Type", SMILE)
        if json is not None:
            body = self._dumps_smile(json) if smile else self._dumps(json)
            sent.setdefault("Content-Type", JSON)
        sent.setdefault("Accept-Encoding", "gzip")
        seconds = timeout_s if timeout_s is not None else self._timeout_s
        try:
            origin, target = split_url(url)
            data = request_bytes(method, target, origin, sent, body.encode() if isinstance(body, str) else body or b"")
        except ValueError as failure:
            raise HttpClientError.of(method, url, failure, unsent=True) from failure
        connection = self._connections.take(origin)
        if connection is None:
            try:
                connection = self._connections.connect(origin, min(seconds, self._connect_timeout_s))
            except OSError as failure:
                raise HttpClientError.of(method, url, failure, unsent=True) from failure
        answer = Answer(self._connections, origin, connection, has_body=method != "HEAD")
        try:
            connection.send(data, seconds, abort)
            answer.read_head()
            whole = b"" if stream else b"".join(answer.stream())
        except (OSError, HttpClientError) as failure:
            answer.close()
            raise HttpClientError.of(method, url, failure, unsent=False) from failure
        return HttpResponse(answer.status, answer.headers, url, whole, answer if stream else None, self._json)

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """The headers of a request, of which `given` are the caller's."""
        return dict(given)

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

    @lifecycle_stop
    def close(self) -> None:
        """Close the kept connections."""
        self._connections.clear()


class EscalatedHttpClient(HttpClient):
    """A client for the cluster's own services: every request carries the credentials of the role's `Escalator`.

    It shares the connections of the client that it is made of. Not for the world outside, which would get to see the
    credentials. Druid's ``@EscalatedGlobal HttpClient``.
    """

    def __init__(self, client: HttpClient, escalator: Escalator) -> None:
        super().__init__(json=client._json, timeout_s=client._timeout_s, connect_timeout_s=client._connect_timeout_s)
        self._connections = client._connections
        self._escalator = escalator

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        return {**given, **self._escalator.headers()}
