"""Errors in Druid's shape: who should act on them, what kind they are, and what the HTTP answer looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HTTP_STATUS = {
    "DEFENSIVE": 500,
    "INVALID_INPUT": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CAPACITY_EXCEEDED": 429,
    "CANCELED": 499,
    "RUNTIME_FAILURE": 500,
    "TIMEOUT": 504,
    "UNSUPPORTED": 501,
    "UNCATEGORIZED": 500,
}


class DruidException(Exception):  # noqa: N818 - Druid's name
    """An error that is meant to be read by somebody outside the process.

    ``persona`` says who should act (USER, ADMIN, OPERATOR, DEVELOPER), ``category`` what kind it is and with that the
    HTTP status; ``error_code`` is finer and may be any short word; ``context`` holds details by name.
    """

    error = "druidException"

    def __init__(
        self,
        message: str,
        *,
        error_code: str = "general",
        persona: str = "USER",
        category: str = "UNCATEGORIZED",
        context: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code
        self.persona = persona
        self.category = category
        self.context: dict[str, str] = dict(context or {})

    @property
    def http_status(self) -> int:
        """The status that an HTTP answer carries for this error."""
        return _HTTP_STATUS.get(self.category, 500)

    def to_json(self) -> dict[str, Any]:
        """The body of the HTTP answer."""
        return {
            "error": self.error,
            "errorCode": self.error_code,
            "persona": self.persona,
            "category": self.category,
            "errorMessage": self.message,
            "context": self.context,
        }


class QueryException(DruidException):
    """A failed query, in the older shape that Druid keeps for native queries.

    ``error`` is one of Druid's fixed texts (the attributes below); ``error_class`` a Java class name where Druid sends
    one; ``host`` the data server that it came from.
    """

    TIMEOUT = "Query timeout"
    CANCELLED = "Query cancelled"
    INTERRUPTED = "Query interrupted"
    RESOURCE_LIMIT = "Resource limit exceeded"
    CAPACITY = "Query capacity exceeded"
    UNAUTHORIZED = "Unauthorized request"
    UNSUPPORTED = "Unsupported operation"
    TRUNCATED = "Truncated response context"
    UNKNOWN = "Unknown exception"
    JSON_PARSE = "Json parse failed"
    SQL_PARSE = "SQL parse failed"
    PLAN_VALIDATION = "Plan validation failed"
    UNSUPPORTED_QUERY = "Query not supported"
    SQL_UNSUPPORTED = "SQL query is unsupported"

    _KINDS: Mapping[str, tuple[str, str]] = {
        TIMEOUT: ("TIMEOUT", "OPERATOR"),
        CANCELLED: ("RUNTIME_FAILURE", "OPERATOR"),
        INTERRUPTED: ("RUNTIME_FAILURE", "OPERATOR"),
        RESOURCE_LIMIT: ("INVALID_INPUT", "OPERATOR"),
        CAPACITY: ("CAPACITY_EXCEEDED", "OPERATOR"),
        UNAUTHORIZED: ("INVALID_INPUT", "OPERATOR"),
        UNSUPPORTED: ("RUNTIME_FAILURE", "OPERATOR"),
        TRUNCATED: ("RUNTIME_FAILURE", "OPERATOR"),
        UNKNOWN: ("RUNTIME_FAILURE", "OPERATOR"),
        JSON_PARSE: ("INVALID_INPUT", "OPERATOR"),
        SQL_PARSE: ("INVALID_INPUT", "OPERATOR"),
        PLAN_VALIDATION: ("INVALID_INPUT", "OPERATOR"),
        UNSUPPORTED_QUERY: ("UNSUPPORTED", "OPERATOR"),
        SQL_UNSUPPORTED: ("INVALID_INPUT", "OPERATOR"),
    }

    def __init__(
        self, error: str, message: str | None, *, error_class: str | None = None, host: str | None = None
    ) -> None:
        category, persona = self._KINDS.get(error, ("RUNTIME_FAILURE", "OPERATOR"))
        super().__init__(message or error, error_code="legacyQueryException", persona=persona, category=category)
        self.error = error
        self.error_class = error_class
        self.host = host

    @property
    def http_status(self) -> int:
        """As Druid answers: cancelled and interrupted queries count as 500, capacity as 429, time-outs as 504."""
        return _HTTP_STATUS[self.category]

    def to_json(self) -> dict[str, Any]:
        """The body of the HTTP answer."""
        return {
            "error": self.error,
            "errorClass": self.error_class,
            "host": self.host,
            "errorCode": self.error_code,
            "persona": self.persona,
            "category": self.category,
            "errorMessage": self.message,
            "context": {
                **self.context,
                "host": self.host,
                "errorClass": self.error_class,
                "legacyErrorCode": self.error,
            },
        }


def invalid_input(message: str, **context: str) -> DruidException:
    """The caller sent something wrong and should mend it (400)."""
    return DruidException(message, error_code="invalidInput", category="INVALID_INPUT", context=context)


def not_found(message: str, **context: str) -> DruidException:
    """What the caller named is not there (404)."""
    return DruidException(message, error_code="notFound", category="NOT_FOUND", context=context)


def forbidden(message: str = "Unauthorized", **context: str) -> DruidException:
    """The caller is known and may not do this (403)."""
    return DruidException(message, error_code="forbidden", category="FORBIDDEN", context=context)


def unauthorized(message: str, **context: str) -> DruidException:
    """The caller is not known (401)."""
    return DruidException(message, error_code="unauthorized", category="UNAUTHORIZED", context=context)


def unsupported(message: str, **context: str) -> DruidException:
    """Understood, but this build cannot do it (501)."""
    return DruidException(message, error_code="unsupported", category="UNSUPPORTED", context=context)


def timeout(message: str, **context: str) -> DruidException:
    """A deadline has passed (504)."""
    return DruidException(message, error_code="timeout", category="TIMEOUT", persona="OPERATOR", context=context)


def capacity_exceeded(message: str, **context: str) -> DruidException:
    """A bound of the system is reached; the caller may try later (429)."""
    return DruidException(
        message, error_code="capacityExceeded", category="CAPACITY_EXCEEDED", persona="OPERATOR", context=context
    )


def canceled(message: str, **context: str) -> DruidException:
    """Somebody cancelled the work (499)."""
    return DruidException(message, error_code="canceled", category="CANCELED", context=context)


def defensive(message: str, **context: str) -> DruidException:
    """A state that a developer thought impossible (500)."""
    return DruidException(message, error_code="defensive", category="DEFENSIVE", persona="DEVELOPER", context=context)


def illegal_argument(message: str, **context: str) -> DruidException:
    """Another part of the cluster asks for something that makes no sense (500, as Druid's unchecked exceptions)."""
    return DruidException(
        message, error_code="illegalArgument", category="DEFENSIVE", persona="DEVELOPER", context=context
    )


def illegal_state(message: str) -> QueryException:
    """A query that cannot be answered as things are (500; Druid: ISE)."""
    return QueryException(QueryException.UNKNOWN, message, error_class="org.apache.druid.java.util.common.ISE")


def resource_limit(message: str) -> QueryException:
    """A query that would take more than it may (Druid: ResourceLimitExceededException)."""
    return QueryException(
        QueryException.RESOURCE_LIMIT,
        message,
        error_class="org.apache.druid.query.ResourceLimitExceededException",
    )


def runtime_failure(message: str, **context: str) -> DruidException:
    """Something failed while running that an operator should look at (500)."""
    return DruidException(
        message, error_code="runtimeFailure", category="RUNTIME_FAILURE", persona="OPERATOR", context=context
    )
