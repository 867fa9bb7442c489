"""How an expression fails: as a Java exception would (500), or by a function's own complaint about a value."""

from __future__ import annotations

from nemeton.common.errors import DruidException, QueryException

_IAE = "org.apache.druid.java.util.common.IAE"
PROCESSING = "org.apache.druid.math.expr.ExpressionProcessingException"
"""Java's class of what macros complain of."""
WRITING = "com.fasterxml.jackson.databind.JsonMappingException"
"""Java's class of values that cannot be written: seen when there is an answer, not when an expression is parsed."""


def failed(message: str, error_class: str = _IAE) -> QueryException:
    """What cannot be parsed, bound or computed: to Druid an unknown exception, 500."""
    return QueryException(QueryException.UNKNOWN, message, error_class=error_class)


def rejected(function: str, message: str) -> DruidException:
    """A value that a function does not take: 400 of a Broker's own rows, 500 when a data server says so."""
    return DruidException(f"Function[{function}] {message}", category="INVALID_INPUT")


def misused(function: str, message: str) -> QueryException:
    """Arguments that are seen to be wrong when the expression is parsed."""
    return failed(f"Function[{function}] {message}", "org.apache.druid.math.expr.ExpressionValidationException")


def divided_by_zero() -> QueryException:
    """Java's whole division by zero."""
    return failed("/ by zero", "java.lang.ArithmeticException")
