"""What planning one statement knows beside the statement: its context, its time zone, its parameters, its clock."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from nemeton.common.errors import DruidException
from nemeton.sql.catalog import Catalog
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.types import SqlType
from nemeton.time import Zone, zone

_log = logging.getLogger(__name__)

TIME_ZONE = "sqlTimeZone"
CURRENT_TIMESTAMP = "sqlCurrentTimestamp"
STRINGIFY_ARRAYS = "sqlStringifyArrays"
SQL_QUERY_ID = "sqlQueryId"
QUERY_ID = "queryId"
APPROXIMATE_TOP_N = "useApproximateTopN"
MAX_TOP_N_LIMIT = 100_000


@frozen
class Parameter:
    """The value of one ``?``, already converted to the type's own representation."""

    type: SqlType
    value: Any


@frozen
class PlannerContext:
    """Immutable; one per statement. `now` is epoch milliseconds."""

    catalog: Catalog
    functions: FunctionTable
    query_context: Mapping[str, Any] = field(factory=dict)
    parameters: Sequence[Parameter] = ()
    now: int = 0

    @property
    def zone(self) -> Zone:
        """``sqlTimeZone``; a zone that nobody knows counts as UTC, as in Druid."""
        try:
            return zone(str(self.query_context.get(TIME_ZONE) or "UTC"))
        except DruidException:
            _log.debug("Unknown sqlTimeZone [%s], using UTC", self.query_context.get(TIME_ZONE))
            return zone("UTC")

    @property
    def time_zone(self) -> str:
        """The name of :attr:`zone`, as native expressions take it."""
        return self.zone.name

    def flag(self, name: str, default: bool) -> bool:
        """A boolean of the context; texts count by their letters."""
        value = self.query_context.get(name)
        if value is None:
            return default
        return value.strip().lower() == "true" if isinstance(value, str) else bool(value)
