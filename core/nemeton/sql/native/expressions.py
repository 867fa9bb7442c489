"""Bound expressions written as Druid's native expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from nemeton.sql.errors import not_plannable, unsupported_sql
from nemeton.sql.functions.base import FunctionTable
from nemeton.sql.functions.times import floor_text
from nemeton.sql.native.text import identifier, literal, string_literal
from nemeton.sql.rex import Call, InputRef, Literal, Rex
from nemeton.sql.types import SqlType

_INFIX = {
    "=": "==",
    "<>": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "+": "+",
    "-": "-",
    "*": "*",
    "/": "/",
    "AND": "&&",
    "OR": "||",
}
_PREDICATES = {
    "IS NULL": "isnull",
    "IS NOT NULL": "notnull",
    "IS TRUE": "istrue",
    "IS FALSE": "isfalse",
    "IS NOT TRUE": "nottrue",
    "IS NOT FALSE": "notfalse",
    "IS DISTINCT FROM": "isdistinctfrom",
    "IS NOT DISTINCT FROM": "notdistinctfrom",
}


@frozen
class ExpressionWriter:
    """Writes expressions over the named columns of one relation, in the time zone of one query."""

    columns: Sequence[str]
    functions: FunctionTable
    time_zone: str = "UTC"

    def write(self, rex: Rex) -> str:
        """The native expression; UNSUPPORTED when there is none."""
        if isinstance(rex, InputRef):
            return identifier(self.columns[rex.index])
        if isinstance(rex, Literal):
            return literal(rex.value)
        if isinstance(rex, Call):
            return self._call(rex)
        raise unsupported_sql("A subquery as a value at this place")

    def unsupported(self, rex: Call) -> str:
        """Raise UNSUPPORTED: for functions that only the binder can deal with."""
        raise unsupported_sql(f"{rex.op} at this place")

    def _call(self, rex: Call) -> str:
        special = _SPECIAL.get(rex.op)
        if special is not None:
            return special(self, rex)
        if rex.op in _INFIX:
            return "(" + f" {_INFIX[rex.op]} ".join(self.write(arg) for arg in rex.args) + ")"
        if rex.op in _PREDICATES:
            return f"{_PREDICATES[rex.op]}({','.join(self.write(arg) for arg in rex.args)})"
        function = self.functions.function(rex.op)
        if function is None:
            raise unsupported_sql(f"The operator {rex.op}")
        return function.native(self, rex)


def _cast(writer: ExpressionWriter, rex: Call) -> str:
    source, text = rex.args[0].type, writer.write(rex.args[0])
    return cast_text(text, source, rex.type, writer.time_zone)


def cast_text(text: str, source: SqlType, target: SqlType, time_zone: str) -> str:
    """A cast between SQL types; between equal native types it is often nothing."""
    zone = string_literal(time_zone)
    if target.is_datetime and source.is_character:
        parsed = f"timestamp_parse({text},null,{zone})"
        return floor_text(parsed, "P1D", time_zone) if target.name == "DATE" else parsed
    if source.is_datetime and target.is_character:
        pattern = "yyyy-MM-dd" if source.name == "DATE" else "yyyy-MM-dd HH:mm:ss"
        return f"timestamp_format({text},{string_literal(pattern)},{zone})"
    if target.name == "DATE":
        return floor_text(text, "P1D", time_zone)
    if source.is_array or target.is_array:
        return text if source.inner == target.inner else f"CAST({text}, {string_literal(target.native)})"
    if source.name == "OTHER" and source.native != target.native:
        raise not_plannable(f"Cannot cast [{source.native}] to [{target.name}]")
    if (target.is_boolean and source.is_boolean) or (source.native == target.native and not target.is_boolean):
        return text
    if target.is_boolean:
        return f"CAST({text}, 'LONG')" if source.is_character else f"({text} != 0)"
    # expressions know no floats; the column that holds the value is one
    return f"CAST({text}, {string_literal('DOUBLE' if target.native == 'FLOAT' else target.native)})"


def _case(writer: ExpressionWriter, rex: Call) -> str:
    return f"case_searched({','.join(writer.write(arg) for arg in rex.args)})"


def _like(writer: ExpressionWriter, rex: Call) -> str:
    return f"like({','.join(writer.write(arg) for arg in rex.args)})"


def _in(writer: ExpressionWriter, rex: Call) -> str:
    value = rex.args[0]
    text = writer.write(value)
    parts = [f"({text} == {writer.write(arg)})" for arg in rex.args[1:]]
    return "(" + " || ".join(parts) + ")" if len(parts) > 1 else parts[0]


def _coalesce(writer: ExpressionWriter, rex: Call) -> str:
    if len(rex.args) == 2:
        return f"nvl({writer.write(rex.args[0])},{writer.write(rex.args[1])})"
    return f"coalesce({','.join(writer.write(arg) for arg in rex.args)})"


def _plus_interval(writer: ExpressionWriter, rex: Call) -> str:
    """A timestamp and an interval: `args` are the timestamp, the interval and nothing else."""
    timestamp, interval = rex.args
    sign = 1 if rex.op == "+ INTERVAL" else -1
    text = writer.write(timestamp)
    if interval.type.name == "INTERVAL_MONTH":
        months = literal(sign * interval.value) if isinstance(interval, Literal) else writer.write(interval)
        return f"timestamp_shift({text},'P1M',{months},{string_literal(writer.time_zone)})"
    return f"({text} {'+' if sign > 0 else '-'} {writer.write(interval)})"


_SPECIAL: dict[str, Callable[[ExpressionWriter, Call], str]] = {
    "CAST": _cast,
    "CASE": _case,
    "LIKE": _like,
    "IN": _in,
    "COALESCE": _coalesce,
    "NOT": lambda writer, rex: f"(! {writer.write(rex.args[0])})",
    "NEGATE": lambda writer, rex: f"(- {writer.write(rex.args[0])})",
    "ARRAY": lambda writer, rex: f"array({','.join(writer.write(arg) for arg in rex.args)})",
    "+ INTERVAL": _plus_interval,
    "- INTERVAL": _plus_interval,
}
