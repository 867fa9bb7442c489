"""Errors of the SQL layer in Druid's words and shape.

What the user wrote wrong is `invalid_sql` (persona USER, category INVALID_INPUT, ``sourceType`` "sql" in the context
and, where it is known, the place in the statement). What Druid can do and this version cannot is `unsupported_sql`.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from nemeton.common.errors import DruidException, invalid_input, unsupported


@frozen
class Span:
    """A place in the statement; lines and columns count from 1, the end is inclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of(cls, sql: str, start: int, end: int) -> Span:
        """The span of the characters from `start` to `end` (offsets from 0, inclusive)."""
        line, column = _line_and_column(sql, start)
        end_line, end_column = _line_and_column(sql, end)
        return cls(line, column, end_line, end_column)

    def context(self) -> dict[str, str]:
        """The place as the context of an error tells it."""
        return {
            "line": str(self.line),
            "column": str(self.column),
            "endLine": str(self.end_line),
            "endColumn": str(self.end_column),
        }


Where = Span | Callable[[], Span | None] | None
"""A place, or what finds it once an error is to be told."""


def _line_and_column(sql: str, offset: int) -> tuple[int, int]:
    line = sql.count("\n", 0, offset) + 1
    return line, offset - (sql.rfind("\n", 0, offset) + 1) + 1


def invalid_sql(message: str, where: Where = None, **context: str) -> DruidException:
    """A statement that is wrong, with its place when there is one."""
    span = where() if callable(where) else where
    if span is None:
        return invalid_input(message, sourceType="sql", **context)
    text = f"{message} (line [{span.line}], column [{span.column}])"
    return invalid_input(text, sourceType="sql", **span.context(), **context)


def not_plannable(reason: str) -> DruidException:
    """A valid statement that Druid itself refuses to run as native queries."""
    return general_error(f"Query could not be planned. A possible reason is [{reason}]")


def general_error(message: str) -> DruidException:
    """A statement that Druid's planner refuses without saying where (errorCode "general")."""
    error = invalid_input(message)
    error.error_code = "general"
    return error


def unsupported_sql(what: str) -> DruidException:
    """A statement that Druid answers and this version does not."""
    return unsupported(f"{what} is not supported in this version")


def failed_planning(message: str) -> DruidException:
    """What went wrong while a statement was planned, which Druid tells as it came."""
    return DruidException(message, error_code="general", persona="ADMIN", category="UNCATEGORIZED")


def unhandled() -> DruidException:
    """What validates in Druid and then finds no native form there either; in Druid's words."""
    error = unsupported("Unhandled Query Planning Failure, see broker logs for details")
    error.error_code, error.persona = "general", "OPERATOR"
    return error
