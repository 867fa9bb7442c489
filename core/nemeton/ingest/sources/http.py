"""Files from web servers."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve, field, frozen

from nemeton.common.backoff import Backoff
from nemeton.common.errors import DruidException, invalid_input, not_found, runtime_failure, timeout
from nemeton.ingest.sources.system_fields import PATH, URI, as_system_fields
from nemeton.json import json_options, wire
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputSource

if TYPE_CHECKING:
    import urllib3

_TRIES = 4
_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 60.0
_DEADLINE_S = 600.0
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


def _lower(values: Any) -> tuple[str, ...]:
    return tuple(str(value).lower() for value in values)


@frozen(kw_only=True, slots=False)
class HttpInputSourceConfig:
    """``druid.ingestion.http.*``: what tasks may fetch."""

    allowed_protocols: tuple[str, ...] = field(default=("http", "https"), converter=_lower)
    allowed_headers: tuple[str, ...] = field(default=(), converter=_lower)


def _uris(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _credentials(value: Any) -> Any:
    """A password is a text, or a password provider's JSON."""
    if isinstance(value, Mapping):
        if value.get("type") == "default":
            return value.get("password")
        if value.get("type") == "environment":
            import os

            return os.environ.get(str(value.get("variable")))
        raise invalid_input(f"httpAuthenticationPassword: unknown password provider [{value.get('type')}]")
    return value


@frozen
class HttpEntity(InputEntity):
    """One URI. A connection that breaks in the middle is resumed where the server supports ranges."""

    address: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    deadline_s: float = _DEADLINE_S

    @property
    def uri(self) -> str:
        """Without user and password."""
        parts = urlsplit(self.address)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def system_field(self, name: str) -> str | None:
        """See :class:`InputEntity`."""
        return {URI: self.uri, PATH: urlsplit(self.address).path}.get(name)

    def open(self) -> BinaryIO:
        """Send the request; retried with backoff, within the deadline."""
        return cast(BinaryIO, io.BufferedReader(_HttpStream(self), 1 << 20))


class _HttpStream(io.RawIOBase):
    """The body of an answer, read on after a broken connection by a range request."""

    def __init__(self, entity: HttpEntity) -> None:
        import urllib3

        self._entity = entity
        self._pool = urllib3.PoolManager(retries=False)
        self._end = time.monotonic() + entity.deadline_s
        self._position = 0
        self._backoff = Backoff(initial_s=0.2, max_s=5.0)
        self._failures = 0
        self._response: urllib3.BaseHTTPResponse | None = None
        self._resumable = False
        self._length: int | None = None
        self._connect()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import urllib3

        while True:
            try:
                assert self._response is not None
                data = self._response.read(len(buffer), decode_content=False)
                if data or self._length is None or self._position >= self._length:
                    buffer[: len(data)] = data
                    self._position += len(data)
                    return len(data)
                raise urllib3.exceptions.ProtocolError(f"the body ended after {self._position} of {self._length} bytes")
            except (urllib3.exceptions.HTTPError, OSError) as e:
                self._failed(e)
                if not self._resumable:
                    raise self._error(
                        f"the connection broke after {self._position} bytes, and the server supports no ranges"
                    ) from e
                self._connect()

    def close(self) -> None:
        if not self.closed and self._response is not None:
            self._response.close()
            self._pool.clear()
        super().close()

    def _connect(self) -> None:
        import urllib3

        while True:
            try:
                response = self._request()
            except (urllib3.exceptions.HTTPError, OSError) as e:
                self._failed(e)
                continue
            if response.status in _RETRIED:
                response.close()
                self._failed(self._error(f"the server answered {response.status} {response.reason}"))
                continue
            self._check(response)
            self._response = response
            return

    def _request(self) -> urllib3.BaseHTTPResponse:
        import urllib3

        headers = dict(self._entity.headers) | {"Accept-Encoding": "identity"}
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
        left = max(self._end - time.monotonic(), 0.1)
        limits = urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, left), read=min(_READ_TIMEOUT_S, left))
        return self._pool.request(
            "GET", self._entity.address, headers=headers, preload_content=False, timeout=limits, redirect=False
        )

    def _check(self, response: urllib3.BaseHTTPResponse) -> None:
        if response.status == 404:
            raise not_found(f"Input [{self._entity.uri}] does not exist (404)")
        expected = 206 if self._position else 200
        if response.status != expected:
            raise self._error(f"the server answered {response.status} {response.reason or ''}".rstrip())
        if not self._position:
            length = response.headers.get("Content-Length", "")
            self._length = int(length) if length.isdigit() else None
            self._resumable = response.headers.get("Accept-Ranges") == "bytes" and self._length is not None

    def _failed(self, cause: Exception) -> None:
        """Note a failure and wait before the next try; raise when there is none."""
        self._failures += 1
        delay = self._backoff.next_delay()
        if time.monotonic() + delay >= self._end:
            raise timeout(
                f"Input [{self._entity.uri}] could not be read within {self._entity.deadline_s:g} s: {cause}"
            ) from cause
        if self._failures >= _TRIES:
            raise cause if isinstance(cause, DruidException) else self._error(str(cause)) from cause
        time.sleep(delay)

    def _error(self, what: str) -> DruidException:
        return runtime_failure(f"Input [{self._entity.uri}] cannot be read: {what}")


@json_type("http")
@json_options(omit_none=True)
@frozen(kw_only=True)
class HttpInputSource(InputSource):
    """Files by URI. Protocols are those of ``druid.ingestion.http.allowedProtocols``; redirects are not followed."""

    uris: tuple[str, ...] = field(converter=_uris)
    user: str | None = field(default=None, metadata=wire("httpAuthenticationUsername"))
    password: Any = field(default=None, metadata=wire("httpAuthenticationPassword"), repr=False)
    request_headers: Mapping[str, str] | None = field(default=None, repr=False)
    system_fields: tuple[str, ...] = field(default=(), converter=as_system_fields, metadata=wire(omit_default=True))
    config: HttpInputSourceConfig = field(factory=HttpInputSourceConfig, metadata=wire(injected=True), eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.uris:
            raise invalid_input("Empty URIs (inputSource.uris)")
        for uri in self.uris:
            scheme = urlsplit(uri).scheme.lower()
            if scheme not in self.config.allowed_protocols:
                allowed = ", ".join(self.config.allowed_protocols)
                raise invalid_input(f"Only [{allowed}] protocols are allowed")
        for header in self.request_headers or {}:
            if header.lower() not in self.config.allowed_headers:
                raise invalid_input(
                    f"Got forbidden header [{header}], allowed headers are only {list(self.config.allowed_headers)}. "
                    "You can control the allowed headers by updating druid.ingestion.http.allowedHeaders"
                )

    @property
    def wanted_system_fields(self) -> Sequence[str]:
        """See :class:`InputSource`."""
        return self.system_fields

    @property
    def is_splittable(self) -> bool:
        """Yes, by URI."""
        return True

    def entities(self) -> Iterator[InputEntity]:
        """The URIs in their order."""
        headers = dict(self.request_headers or {})
        if self.user is not None:
            pair = f"{self.user}:{_credentials(self.password) or ''}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        for uri in self.uris:
            yield HttpEntity(uri, headers)

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """One source per URI."""
        for uri in self.uris:
            yield evolve(self, uris=(uri,))
