"""The body of a SQL request, read as Druid reads it, with Druid's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nemeton.common.errors import DruidException
from nemeton.dataserver.jackson import malformed
from nemeton.dataserver.jackson_text import place, value_places
from nemeton.sql.context import Parameter
from nemeton.sql.types import BOOLEAN, SqlType, array_of, named
from nemeton.sql.web.formats import FORMATS
from nemeton.time import zone

if TYPE_CHECKING:
    from nemeton.json import Json

_PARAMETER_TYPES = frozenset(
    {
        "NULL", "BOOLEAN", "DOUBLE", "CHAR", "INTEGER", "NUMERIC", "DATE", "BIGINT", "DECIMAL", "TIMESTAMP", "ARRAY",
        "FLOAT", "TINYINT", "VARCHAR", "REAL", "SMALLINT", "LONGVARCHAR", "OTHER",
    }
)  # fmt: skip


class BadBodyError(Exception):
    """A body that is no SQL request; `body` is the answer, which Druid gives in the shape of Jackson's errors (400)."""

    status = 400

    def __init__(self, message: str, error_class: str) -> None:
        super().__init__(message)
        self.body = {
            "error": "Unknown exception",
            "errorMessage": message,
            "errorClass": f"com.fasterxml.jackson.{error_class}",
            "host": None,
        }


class BadParameterError(BadBodyError):
    """A parameter whose value is of another type: in Druid a failure (500) that its web server answers by itself."""

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message, "")
        text = f"java.lang.ClassCastException: {message}"
        self.body = {"servlet": None, "cause0": text, "message": text, "url": "/druid/v2/sql", "status": "500"}


_SOURCE = "\n at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: 0]"
_SYNTAX = "core.JsonParseException"
_MISMATCH = "databind.exc.MismatchedInputException"
_INSTANTIATION = "databind.exc.ValueInstantiationException"
_FORMAT = "databind.exc.InvalidFormatException"


@frozen
class SqlQuery:
    """What the body of ``POST /druid/v2/sql`` says."""

    query: str
    result_format: str = "object"
    header: bool = False
    types_header: bool = False
    sql_types_header: bool = False
    context: Mapping[str, Any] = field(factory=dict)
    parameters: tuple[Parameter, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> SqlQuery:
        """A ``text/plain`` body is the statement itself."""
        return cls(text)

    @classmethod
    def from_body(cls, body: bytes, json: Json) -> SqlQuery:
        """A JSON body; :class:`BadBodyError` when it is not one."""
        if not body.strip():
            raise BadBodyError("No content to map due to end-of-input" + _SOURCE, _MISMATCH)
        try:
            value = json.loads(body)
        except (DruidException, ValueError) as error:
            said = malformed(body.decode("utf-8", "replace"))
            raise BadBodyError(said or f"The body is not valid JSON: {error}", _SYNTAX) from error
        if not isinstance(value, dict):
            raise BadBodyError("Cannot construct instance of `org.apache.druid.sql.http.SqlQuery`", _MISMATCH)
        return cls._from_json(value, body.decode("utf-8", "replace"))

    @classmethod
    def _from_json(cls, value: Mapping[str, Any], text: str) -> SqlQuery:
        sql = value.get("query")
        if not isinstance(sql, str):
            raise BadBodyError(
                "Cannot construct instance of `org.apache.druid.sql.http.SqlQuery`, problem: query", _INSTANTIATION
            )
        context = value.get("context")
        if context is not None and not isinstance(context, dict):
            raise BadBodyError(
                "Cannot construct instance of `java.util.LinkedHashMap` (although at least one Creator exists): no "
                f"String-argument constructor/factory method to deserialize from String value ('{context}')"
                f'{_place(text, "context")} (through reference chain: org.apache.druid.sql.http.SqlQuery["context"])',
                _MISMATCH,
            )
        return cls(
            sql,
            _result_format(value.get("resultFormat"), text),
            bool(value.get("header")),
            bool(value.get("typesHeader")),
            bool(value.get("sqlTypesHeader")),
            context or {},
            _parameters(value.get("parameters"), context or {}),
        )


def _place(text: str, name: str) -> str:
    """Where the field's value stands in the body."""
    found = value_places(text).get((name,))
    return "" if found is None else place(found[0] + 1)


def _result_format(value: Any, text: str) -> str:
    if value is None:
        return "object"
    name = next((known for known in FORMATS if known.lower() == str(value).lower()), None)
    if name is None:
        raise BadBodyError(
            "Cannot construct instance of `org.apache.druid.sql.http.ResultFormat`, problem: No enum constant "
            f"org.apache.druid.sql.http.ResultFormat.{str(value).upper()}{_place(text, 'resultFormat')} "
            "(through reference chain: "
            'org.apache.druid.sql.http.SqlQuery["resultFormat"])',
            _INSTANTIATION,
        )
    return name


def _parameters(value: Any, context: Mapping[str, Any]) -> tuple[Parameter, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadBodyError("Cannot deserialize the parameters: a list is expected", _MISMATCH)
    return tuple(_parameter(item, context) for item in value)


def _parameter(item: Any, context: Mapping[str, Any]) -> Parameter:
    if not isinstance(item, dict):
        raise BadBodyError("Cannot construct instance of `org.apache.druid.sql.http.SqlParameter`", _MISMATCH)
    kind = str(item.get("type")).upper()
    if kind not in _PARAMETER_TYPES:
        raise BadBodyError(
            f'Cannot deserialize value of type `org.apache.calcite.avatica.SqlType` from String "{item.get("type")}": '
            "not one of the values accepted for Enum class: [" + ", ".join(sorted(_PARAMETER_TYPES)) + "]",
            _FORMAT,
        )
    return to_parameter(kind, item.get("value"), context)


def to_parameter(kind: str, value: Any, context: Mapping[str, Any]) -> Parameter:
    """The value of a ``?`` in the representation of its type; INVALID_INPUT-like errors when it does not fit."""
    from nemeton.sql.binder.constants import parse_time

    if kind == "ARRAY":
        return _array(value)
    target = named({"LONGVARCHAR": "VARCHAR", "NUMERIC": "DECIMAL"}.get(kind, kind)) or SqlType("VARCHAR")
    if value is None or kind == "NULL":
        return Parameter(target, None)
    if target.is_datetime:
        moment = value if isinstance(value, int) else parse_time(str(value), zone(_zone(context)))
        if moment is None:
            raise _mismatch(value, kind)
        return Parameter(target, moment)
    if target.is_boolean:
        return Parameter(BOOLEAN, value if isinstance(value, bool) else str(value).lower() == "true")
    if target.is_numeric:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _mismatch(value, kind)
        return Parameter(target, int(value) if target.is_integer else float(value))
    return Parameter(target, str(value))


def _zone(context: Mapping[str, Any]) -> str:
    name = str(context.get("sqlTimeZone") or "UTC")
    return name if re.fullmatch(r"[\w/+:-]+", name) else "UTC"


def _array(value: Any) -> Parameter:
    if value is not None and not isinstance(value, list):
        raise _mismatch(value, "ARRAY")
    items = value or []
    present = [item for item in items if item is not None]
    if present and all(isinstance(item, int) and not isinstance(item, bool) for item in present):
        element = "LONG"
    elif present and all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in present):
        element = "DOUBLE"
    else:
        element = "STRING"
    return Parameter(array_of(element), None if value is None else tuple(items))


def _mismatch(value: Any, kind: str) -> BadBodyError:
    java = "String" if isinstance(value, str) else type(value).__name__
    wanted = "String" if kind in ("VARCHAR", "CHAR") else "Number"
    return BadParameterError(
        f"class java.lang.{java} cannot be cast to class java.lang.{wanted} (java.lang.{java} and java.lang.{wanted} "
        "are in module java.base of loader &apos;bootstrap&apos;)"
    )
