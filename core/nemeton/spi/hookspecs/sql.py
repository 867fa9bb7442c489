"""Hooks of Druid SQL."""
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import hookspec


@hookspec(kind="objects")
def sql_functions() -> Sequence[object]:
    """Scalar functions of Druid SQL.

    Returns `nemeton.sql.functions.base.SqlFunction` objects: the name in SQL, the operands, the result type, and how a
    call is written as a native expression (a function of the expression language, core's or from
    `expression_functions`), and, where it is a condition, as a native filter (`filters`). Core's own functions come
    through this hook.

    Used by: Brokers, while a statement is planned, on query threads; the objects are shared by threads.

    Example::

        @hookimpl
        def sql_functions():
            return [SqlFunction("ACME_DISTANCE", ("NUMERIC", "NUMERIC"), returns(DOUBLE), call("acme_distance"))]
    """


@hookspec(kind="objects")
def sql_aggregators() -> Sequence[object]:
    """Aggregate functions of Druid SQL.

    Returns `nemeton.sql.functions.aggregates.SqlAggregator` objects, which write native aggregators and
    post-aggregators for a call (core's types, or those of `aggregators`); `of_field` beside it writes one aggregator
    over the argument. Core's own come through this hook.

    Used by: Brokers, while a statement is planned, on query threads; the objects are shared by threads.

    Example::

        @hookimpl
        def sql_aggregators():
            return [SqlAggregator("ACME_SUM", always(DOUBLE), of_field("acmeSum"))]
    """
