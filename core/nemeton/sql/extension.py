"""Core's own SQL functions and aggregators, handed over through the hooks that extensions use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.plugins import hookimpl

if TYPE_CHECKING:
    from nemeton.sql.functions.aggregates import SqlAggregator
    from nemeton.sql.functions.base import SqlFunction


@hookimpl
def sql_functions() -> list[SqlFunction]:
    """The scalar functions of Druid SQL that core knows."""
    from nemeton.sql.functions.arrays import ARRAY_FUNCTIONS
    from nemeton.sql.functions.jsons import JSON_FUNCTIONS
    from nemeton.sql.functions.numeric import NUMERIC_FUNCTIONS
    from nemeton.sql.functions.strings import STRING_FUNCTIONS
    from nemeton.sql.functions.times import TIME_FUNCTIONS

    return [*STRING_FUNCTIONS, *NUMERIC_FUNCTIONS, *TIME_FUNCTIONS, *ARRAY_FUNCTIONS, *JSON_FUNCTIONS]


@hookimpl
def sql_aggregators() -> list[SqlAggregator]:
    """The aggregate functions of Druid SQL that core knows."""
    from nemeton.sql.functions.aggregates import AGGREGATORS

    return list(AGGREGATORS)
