"""Where queries are written down, with who asked and what came of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.json import Json
    from nemeton.spi.query import Query


@frozen
class RequestLogLine:
    """One native query that has ended. ``timestamp`` in milliseconds, when it ended (Druid's class of the same name).

    ``stats`` has ``query/time`` (ms), ``query/bytes`` (−1 where there are none), ``success``, ``identity`` and, of a
    failure, ``exception``.
    """

    timestamp: int
    remote_address: str | None
    query: Query
    stats: Mapping[str, Any]

    def native_query_line(self, json: Json) -> str:
        """Druid's line: time, address, query and statistics between tabs, as ISO text and JSON."""
        from nemeton.time import format_datetime

        query, stats = json.dumps(self.query).decode(), json.dumps(dict(self.stats)).decode()
        return "\t".join([format_datetime(self.timestamp), self.remote_address or "", query, stats])


@extension_point(hook="request_loggers", name="request logger", default="noop")
class RequestLogger(ABC):
    """Writes queries down (Druid's interface of the same name). Made by the injector, once per role.

    Called by query threads, many at a time, when the answer is out: it should not keep them for long. What it raises is
    logged, and no matter to the query.
    """

    @abstractmethod
    def log_native_query(self, line: RequestLogLine) -> None:
        """Write one query down."""

    def close(self) -> None:  # noqa: B027 - optional
        """Called once, when the role stops."""
