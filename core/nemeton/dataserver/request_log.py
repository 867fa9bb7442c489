"""``druid.request.logging.*``: native queries written down, in Druid's lines."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from attrs import frozen

from nemeton.common.clock import Clock
from nemeton.json import Json
from nemeton.lifecycle import lifecycle_stop
from nemeton.plugins import json_type
from nemeton.query.model.base import BaseQuery
from nemeton.spi.request_log import RequestLogger, RequestLogLine
from nemeton.time import format_datetime

log = logging.getLogger(__name__)
_DAY_MS = 86_400_000


@frozen(kw_only=True)
class RequestLoggingConfig:
    """``druid.request.logging.*`` of the kind ``file``: ``dir`` is where a file for each day goes.

    ``query_time_threshold_ms``: queries that took less are left out, whatever the kind. Druid has that in ``filtered``.
    """

    dir: str | None = None
    query_time_threshold_ms: int = 0


@json_type("noop")
class NoopRequestLogger(RequestLogger):
    """Writes nothing."""

    def log_native_query(self, line: RequestLogLine) -> None:
        """See `RequestLogger`."""


@json_type("slf4j")
class LoggingRequestLogger(RequestLogger):
    """Writes into the process's own log, at level INFO under the name of this module."""

    def __init__(self, json: Json) -> None:
        self._json = json

    def log_native_query(self, line: RequestLogLine) -> None:
        """See `RequestLogger`."""
        log.info("%s", line.native_query_line(self._json))


@json_type("file")
class FileRequestLogger(RequestLogger):
    """Appends to ``dir``/YYYY-MM-DD.log, by the day (UTC) on which a query ended."""

    def __init__(self, config: RequestLoggingConfig, json: Json) -> None:
        self._dir = Path(config.dir or ".")
        self._json = json
        self._lock = threading.Lock()
        self._day = -1
        self._file: Any = None

    def log_native_query(self, line: RequestLogLine) -> None:
        """See `RequestLogger`."""
        text = line.native_query_line(self._json) + "\n"
        with self._lock:
            self._open(line.timestamp)
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """See `RequestLogger`."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._day = None, -1

    def _open(self, timestamp: int) -> None:
        day = timestamp // _DAY_MS
        if day == self._day:
            return
        if self._file is not None:
            self._file.close()
            self._file = None
        self._dir.mkdir(parents=True, exist_ok=True)
        name = f"{format_datetime(timestamp)[:10]}.log"
        self._file = (self._dir / name).open("a", encoding="utf-8")
        self._day = day


class RequestLog:
    """The role's request logger, for who answers queries. Raises nothing."""

    def __init__(self, logger: RequestLogger, config: RequestLoggingConfig, clock: Clock) -> None:
        self._logger = logger
        self._threshold = config.query_time_threshold_ms
        self._clock = clock

    @lifecycle_stop
    def stop(self) -> None:
        """Write no more."""
        self._logger.close()

    def query_ended(
        self,
        query: BaseQuery,
        started: float,
        failure: BaseException | None,
        size: int | None,
        *,
        address: str | None,
        identity: str | None,
    ) -> None:
        """A query was answered or has failed; ``started`` in seconds of `time.monotonic()`."""
        millis = int((time.monotonic() - started) * 1000)
        if millis < self._threshold:
            return
        stats: dict[str, Any] = {
            "query/time": millis,
            "query/bytes": -1 if size is None else size,
            "success": failure is None,
            "identity": identity,
        }
        if failure is not None:
            stats["exception"] = f"{type(failure).__name__}: {failure}"
        try:
            self._logger.log_native_query(RequestLogLine(self._clock.now(), address, query, stats))
        except Exception:
            log.exception("Query [%s] could not be written down", query.id)
