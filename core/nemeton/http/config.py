"""The server's settings (``druid.server.http.*``)."""

from __future__ import annotations

import os

from attrs import field, frozen

from nemeton.config import HumanReadableBytes
from nemeton.config.configurator import SHOWN_DEFAULT
from nemeton.time import Period

_MAX_BODY = HumanReadableBytes(128 * 1024 * 1024)
_NO_LIMIT = HumanReadableBytes(2**63 - 1)
_FIVE_MINUTES = Period.parse("PT5M")
_TEN_SECONDS = Period.parse("PT10S")
_AT_ONCE = Period.parse("PT0S")


def default_num_threads() -> int:
    """Druid's rule, from the number of processors."""
    processors = len(os.sched_getaffinity(0))
    return max(10, processors * 17 // 16 + 2) + 30


@frozen
class ServerConfig:
    """How a role's HTTP server behaves. Names and defaults are Druid's, unless docs/http.md says otherwise."""

    num_threads: int = field(
        factory=default_num_threads, metadata={SHOWN_DEFAULT: "the larger of 10 and processors · 17/16 + 2, plus 30"}
    )
    queue_size: int = 1000
    max_request_body_size: HumanReadableBytes = _MAX_BODY
    max_request_header_size: int = 8 * 1024
    request_timeout: Period = _FIVE_MINUTES
    max_idle_time: Period = _FIVE_MINUTES
    graceful_shutdown_timeout: Period = _TEN_SECONDS
    unannounce_propagation_delay: Period = _AT_ONCE
    compression_level: int = -1
    allowed_http_methods: list[str] = field(factory=list)
    show_detailed_jetty_errors: bool = True
    default_query_timeout: int = 300_000
    max_query_timeout: int = 2**63 - 1
    max_scatter_gather_bytes: HumanReadableBytes = _NO_LIMIT
    max_subquery_rows: int = 100_000
    max_subquery_bytes: str = "disabled"

    @property
    def subquery_limits(self) -> dict[str, int | str]:
        """What queries without limits of their own are given; nothing where Druid's default holds."""
        limits: dict[str, int | str] = {}
        if self.max_subquery_rows != 100_000:
            limits["maxSubqueryRows"] = self.max_subquery_rows
        if self.max_subquery_bytes != "disabled":
            limits["maxSubqueryBytes"] = self.max_subquery_bytes
        return limits
