"""The context of a query: settings by name, read with Druid's conversions and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from nemeton.common.errors import QueryException

DEFAULT_TIMEOUT_MS = 300_000
DEFAULT_MAX_GROUPS = 10_000_000
DEFAULT_MAX_SUBQUERY_ROWS = 100_000
BAD_CONTEXT = "org.apache.druid.query.BadQueryContextException"


class BadQueryContextException(QueryException):
    """A context value of the wrong kind (400)."""

    def __init__(self, key: str, expected: str, got: Any) -> None:
        text = f"Expected key [{key}] to be {expected}, but got [{got}]"
        super().__init__("Query context parse failed", text, error_class=BAD_CONTEXT)
        self.category = "INVALID_INPUT"


@frozen
class QueryContext:
    """Typed access to a query's context. Numbers and booleans may be given as strings."""

    values: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        """The value as it was given."""
        return self.values.get(key, default)

    def get_string(self, key: str, default: str | None = None) -> str | None:
        """The value as text."""
        value = self.values.get(key)
        return default if value is None else str(value)

    def get_int(self, key: str, default: int, kind: str = "integer") -> int:
        """The value as a whole number."""
        value = self.values.get(key)
        if value is None:
            return default
        try:
            if isinstance(value, bool):
                raise ValueError(value)
            return int(value)
        except (TypeError, ValueError):
            raise BadQueryContextException(key, f"in {kind} format", value) from None

    def get_bool(self, key: str, default: bool) -> bool:
        """The value as a boolean."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return value.lower() == "true"
        raise BadQueryContextException(key, "in boolean format", value)

    @property
    def query_id(self) -> str | None:
        """`queryId`."""
        return self.get_string("queryId")

    @property
    def timeout_ms(self) -> int:
        """`timeout`; 0 is no timeout."""
        timeout = self.get_int("timeout", DEFAULT_TIMEOUT_MS, "long")
        if timeout < 0:
            raise BadQueryContextException("timeout", "a non negative value", timeout)
        return timeout

    @property
    def per_segment_timeout_ms(self) -> int:
        """`perSegmentTimeout`; 0 is none."""
        timeout = self.get_int("perSegmentTimeout", 0, "long")
        if timeout < 0:
            raise BadQueryContextException("perSegmentTimeout", "a non negative value", timeout)
        return timeout

    @property
    def priority(self) -> int:
        """`priority`; higher goes first."""
        return self.get_int("priority", 0)

    @property
    def lane(self) -> str | None:
        """`lane`: the queries that it shares a limit with."""
        return self.get_string("lane")

    @property
    def finalize(self) -> bool | None:
        """`finalize`; None when the query does not say."""
        return None if self.values.get("finalize") is None else self.get_bool("finalize", True)

    @property
    def skip_empty_buckets(self) -> bool:
        """`skipEmptyBuckets` of timeseries."""
        return self.get_bool("skipEmptyBuckets", False)

    @property
    def max_groups(self) -> int:
        """`maxResults`: how many groups a groupBy may hold in memory."""
        return self.get_int("maxResults", DEFAULT_MAX_GROUPS)

    def validate(self) -> None:
        """Read what every query has, so that a bad value is refused before any work."""
        _ = (self.timeout_ms, self.per_segment_timeout_ms, self.priority, self.finalize)
        vectorize = self.get_string("vectorize")
        if vectorize is not None and vectorize.upper() not in ("FALSE", "TRUE", "FORCE"):
            expected = "referring to one of the values [FALSE,TRUE,FORCE] of enum [Vectorize]"
            raise BadQueryContextException("vectorize", expected, vectorize)
