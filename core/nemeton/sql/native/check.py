"""Whether the engine knows the functions of an expression: told while planning, not when the first row is computed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from nemeton.common.errors import DruidException, QueryException
from nemeton.sql.errors import failed_planning, unsupported_sql


@lru_cache(maxsize=2048)
def check_functions(expression: str) -> None:
    """Raise UNSUPPORTED for a native function that this version of the engine does not have."""
    from nemeton.query.expressions.evaluate import find_function
    from nemeton.query.expressions.parser import Call, Lambda, parse

    pending: list[Any] = [parse(expression)]
    while pending:
        node = pending.pop()
        if isinstance(node, Lambda):
            pending.append(node.body)
        elif isinstance(node, Call):
            pending.extend(node.args)
            try:
                find_function(node.name)
            except QueryException as error:
                raise unsupported_sql(f"The native function {node.name}") from error


def check_constant(expression: str) -> None:
    """Raise what a division by zero of constants is in Druid, which computes them while planning."""
    from nemeton.query.expressions.column import ExpressionColumn

    try:
        ExpressionColumn.of(expression).fold()
    except QueryException as error:
        if error.error_class != "java.lang.ArithmeticException":
            return
        raise failed_planning(error.message) from error
    except DruidException:
        return  # the engine says it better, with the rows


def constant_value(expression: str) -> Any:
    """The value of a native expression without columns; None when the engine cannot tell it."""
    from nemeton.query.expressions.evaluate import Env
    from nemeton.query.expressions.parser import parse

    try:
        return Env.of_constants().evaluate(parse(expression)).constant()
    except (DruidException, KeyError):
        return None
