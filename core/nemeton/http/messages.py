"""Requests and the heads of answers as bytes, for both clients."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any


class HttpClientError(Exception):
    """The exchange failed: no connection, no answer in time, or the connection broke."""

    unsent = False
    """True when there was no connection at all, so that the server has seen nothing of the request."""

    @classmethod
    def of(cls, method: str, url: str, failure: BaseException, *, unsent: bool) -> HttpClientError:
        """What failed, and why."""
        error = cls(f"{method} {url} failed: {failure or type(failure).__name__}")
        error.unsent = unsent
        return error


class Headers(Mapping[str, str]):
    """Headers by name, whose case does not count."""

    def __init__(self, values: dict[str, str]) -> None:
        """``values`` by names in lower case."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def tokens(self, name: str) -> str:
        """The value in lower case; empty when there is none."""
        return self._values.get(name, "").lower()


@lru_cache(maxsize=1024)
def headers_of(head: bytes) -> Headers:
    """Those of the lines behind the first; the heads of a fleet's answers are the same for a second at a time."""
    values: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        add_header(values, name, value.strip())
    return Headers(values)


def add_header(values: dict[str, str], name: str, value: str) -> None:
    """Note it; what comes more than once is a list."""
    name = name.lower()
    values[name] = f"{values[name]}, {value}" if name in values else value


def split_url(url: str) -> tuple[str, str]:
    """``http://host:port`` and ``/path?query``. Raises ValueError."""
    scheme, found, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if not found or scheme not in ("http", "https"):
        raise ValueError(f"not an address of HTTP: {url}")
    if ":" not in host.rpartition("]")[2]:
        host += ":443" if scheme == "https" else ":80"
    if not path.isascii() or " " in path:
        path = urllib.parse.quote(path, safe="%/:=&?~#+!$,;'@()*[]")
    return f"{scheme}://{host}", f"/{path}"


def address_of(origin: str) -> tuple[str, int]:
    """Host and port of an origin as `split_url` gives it."""
    host, _, port = origin.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def request_bytes(method: str, target: str, origin: str, headers: Mapping[str, Any], body: bytes) -> bytes:
    """All of a request. Raises ValueError for headers with line breaks."""
    first = f"{method} {target} HTTP/1.1"
    host = origin.partition("://")[2]
    if "\n" in first or "\r" in first or "\n" in host or "\r" in host:
        raise ValueError("a line of the request's head has a line break")
    head = f"{first}\r\nHost: {host}\r\n{_header_lines(tuple(headers.items()))}"
    if body or method != "GET":
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode("latin-1") + b"\r\n" + body


@lru_cache(maxsize=256)
def _header_lines(headers: tuple[tuple[str, Any], ...]) -> str:
    lines = [f"{name}: {value}" for name, value in headers]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line of the request's head has a line break")
    return "".join([f"{line}\r\n" for line in lines])


def status_of(first: bytes) -> int:
    """The status in the first line of an answer. Raises ValueError when it is none of HTTP/1."""
    version, _, rest = first.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError(f"not an answer of HTTP/1: {first[:80]!r}")
    return int(rest[:3])
