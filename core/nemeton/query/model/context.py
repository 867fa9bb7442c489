"""The context of a query: settings by name, read with Druid's conversions and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import frozen

from nemeton.common.errors import DruidException, QueryException, invalid_input
from nemeton.common.units import parse_bytes


class SubqueryBytes(Enum):
    """The limits of `maxSubqueryBytes` that are no number."""

    AUTO = "auto"
    DISABLED = "disabled"


Reader = Callable[["QueryContext", str], object]
NO_KEYS: Mapping[str, Reader] = {}
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
        self.key = key

    @classmethod
    def saying(cls, text: str) -> BadQueryContextException:
        """With another text."""
        made = cls("", "", None)
        made.message = text
        return made


_KINDS_OF_NUMBERS = {"long": "a Long", "integer": "an Integer"}


def java_class(value: Any) -> str:
    """What Druid calls the class of a JSON value."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**31) <= value < 2**31:
        return "java.lang.Long"
    return _JAVA_CLASSES.get(type(value), "java.lang.Object")


_JAVA_CLASSES: dict[type, str] = {
    bool: "java.lang.Boolean",
    int: "java.lang.Integer",
    float: "java.lang.Double",
    str: "java.lang.String",
    list: "java.util.ArrayList",
    dict: "java.util.LinkedHashMap",
}


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
        if value is not None and not isinstance(value, str):
            raise BadQueryContextException(key, "a String", java_class(value))
        return default if value is None else value

    def get_int(self, key: str, default: int, kind: str = "integer") -> int:
        """The value as a whole number."""
        value = self.values.get(key)
        if value is None:
            return default
        try:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise BadQueryContextException(key, _KINDS_OF_NUMBERS[kind], java_class(value))
            return int(value)
        except ValueError:
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
        raise BadQueryContextException(key, "a Boolean", java_class(value))

    def get_float(self, key: str, default: float) -> float:
        """The value as a number."""
        value = self.values.get(key)
        try:
            if isinstance(value, bool | list | dict):
                raise BadQueryContextException(key, "a Float", java_class(value))
            return default if value is None else float(value)
        except ValueError:
            raise BadQueryContextException(key, "in float format", value) from None

    def get_size(self, key: str, default: int) -> int:
        """The value as a number of bytes, which may be written as ``1KiB``."""
        value = self.values.get(key)
        if value is None:
            return default
        try:
            return parse_bytes(value)
        except (DruidException, ValueError, TypeError):
            raise BadQueryContextException(key, "a human readable number", value) from None

    @property
    def query_id(self) -> str | None:
        """`queryId`."""
        return self.get_string("queryId")

    @property
    def timeout_ms(self) -> int:
        """`timeout`; 0 is no timeout."""
        timeout = self.get_int("timeout", DEFAULT_TIMEOUT_MS, "long")
        if timeout < 0:
            raise BadQueryContextException.saying(f"Timeout [timeout] must be a non negative value, but was {timeout}")
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
    def is_row_by_row(self) -> bool:
        """Whether `vectorize` forbids to compute by vectors, which Druid does for timeseries and groupBy otherwise."""
        return str(self.values.get("vectorize", True)).lower() == "false"

    @property
    def skip_empty_buckets(self) -> bool:
        """`skipEmptyBuckets` of timeseries."""
        return self.get_bool("skipEmptyBuckets", False)

    @property
    def max_groups(self) -> int:
        """`maxResults`: how many groups a groupBy may hold in memory."""
        return self.get_int("maxResults", DEFAULT_MAX_GROUPS)

    @property
    def max_subquery_rows(self) -> int:
        """`maxSubqueryRows`: how many rows inner queries may give; below 0 any number."""
        return self.get_int("maxSubqueryRows", DEFAULT_MAX_SUBQUERY_ROWS)

    @property
    def max_subquery_bytes(self) -> int | SubqueryBytes:
        """`maxSubqueryBytes`: how many bytes they may give instead."""
        return read_subquery_bytes(self.values.get("maxSubqueryBytes"))

    def validate(self, more: Mapping[str, Reader] = NO_KEYS) -> None:
        """Read what every query has, and what its type adds, so that a bad value is refused before any work."""
        _ = (self.timeout_ms, self.per_segment_timeout_ms, self.priority, self.finalize)
        for key, read in (*_READ_BY_ALL.items(), *more.items()):
            read(self, key)
        vectorize = self.values.get("vectorize")
        if isinstance(vectorize, bool):
            return
        if vectorize is not None and not isinstance(vectorize, str):
            raise BadQueryContextException("vectorize", "a Boolean", java_class(vectorize))
        if vectorize is not None and vectorize.upper() not in ("FALSE", "TRUE", "FORCE"):
            expected = "referring to one of the values [FALSE,TRUE,FORCE] of enum [Vectorize]"
            raise BadQueryContextException("vectorize", expected, vectorize)


def read_subquery_bytes(given: Any) -> int | SubqueryBytes:
    """``auto``, ``disabled`` (also for None) or a number, as Druid reads them from contexts and properties."""
    text = "disabled" if given is None else str(given).lower() if isinstance(given, bool) else str(given)
    if text.lower() in ("auto", "disabled"):
        return SubqueryBytes(text.lower())
    if not _WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise invalid_input(
            f"Unable to parse the provided maxSubqueryLimit [{text}] to a valid number. Valid values for the "
            "maxSubqueryLimits can be 'auto', 'disabled' or a positive integer representing bytes to reserve."
        )
    if int(text) < 0:
        raise invalid_input("Limit too large")
    return int(text)


_WHOLE = re.compile(r"[+-]?[0-9]+")


def _string(context: QueryContext, key: str) -> None:
    context.get_string(key)


def _bool(context: QueryContext, key: str) -> None:
    context.get_bool(key, False)


def _int(context: QueryContext, key: str) -> None:
    context.get_int(key, 0)


def _long(context: QueryContext, key: str) -> None:
    context.get_int(key, 0, "long")


def _subquery_bytes(context: QueryContext, key: str) -> None:
    read_subquery_bytes(context.get(key))


def _float(context: QueryContext, key: str) -> None:
    context.get_float(key, 0.0)


def _size(context: QueryContext, key: str) -> None:
    context.get_size(key, 0)


_READ_BY_ALL: dict[str, Reader] = {
    **dict.fromkeys(["queryId", "lane"], _string),
    **dict.fromkeys(["bySegment", "useResultLevelCache", "populateResultLevelCache"], _bool),
    **dict.fromkeys(["maxQueuedBytes", "maxScatterGatherBytes"], _long),
    **dict.fromkeys(["uncoveredIntervalsLimit", "maxSubqueryRows"], _int),
    "maxSubqueryBytes": _subquery_bytes,
}

TIMESERIES_KEYS: Mapping[str, Reader] = dict.fromkeys(["skipEmptyBuckets", "grandTotal"], _bool)
TOPN_KEYS: Mapping[str, Reader] = {"minTopNThreshold": _int}
GROUP_BY_KEYS: Mapping[str, Reader] = {
    **dict.fromkeys(["maxOnDiskStorage", "maxSelectorDictionarySize", "maxMergingDictionarySize"], _size),
    **dict.fromkeys(["bufferGrouperInitialBuckets", "bufferGrouperMaxSize"], _int),
    **dict.fromkeys(["numParallelCombineThreads", "intermediateCombineDegree"], _int),
    **dict.fromkeys(
        [
            "forceHashAggregation",
            "forceLimitPushDown",
            "groupByIsSingleThreaded",
            "groupByEnableMultiValueUnnesting",
            "mergeThreadLocal",
            "resultAsArray",
            "sortByDimsFirst",
        ],
        _bool,
    ),
    "bufferGrouperMaxLoadFactor": _float,
}
"""What a query of the type is refused for when it is not as it should be, beside what all queries read."""
