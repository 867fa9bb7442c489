"""Functions on timestamps. Time zones default to the query's ``sqlTimeZone``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.sql.errors import invalid_sql
from nemeton.sql.functions.base import NativeBuilder, SqlFunction, always, returns
from nemeton.sql.native.text import string_literal
from nemeton.sql.rex import Call, Literal, Rex
from nemeton.sql.types import BIGINT, BOOLEAN, INTEGER, TIMESTAMP, VARCHAR

if TYPE_CHECKING:
    from nemeton.sql.native.expressions import ExpressionWriter

#: The units of FLOOR … TO and DATE_TRUNC and the periods that they stand for.
UNIT_PERIODS = {
    "MILLISECOND": "PT0.001S",
    "SECOND": "PT1S",
    "MINUTE": "PT1M",
    "HOUR": "PT1H",
    "DAY": "P1D",
    "WEEK": "P1W",
    "MONTH": "P1M",
    "QUARTER": "P3M",
    "YEAR": "P1Y",
    "DECADE": "P10Y",
    "CENTURY": "P100Y",
    "MILLENNIUM": "P1000Y",
}
#: The units of EXTRACT and TIME_EXTRACT.
EXTRACT_UNITS = frozenset(
    {
        "EPOCH", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "DOW", "ISODOW", "DOY", "WEEK", "MONTH", "QUARTER",
        "YEAR", "ISOYEAR", "DECADE", "CENTURY", "MILLENNIUM",
    }
)  # fmt: skip
#: Frames that Calcite knows and Druid's native engine does not.
UNKNOWN_TO_NATIVE = frozenset({"MICROSECOND", "NANOSECOND"})
UNIT_MILLIS = {
    "MILLISECOND": 1,
    "SECOND": 1000,
    "MINUTE": 60_000,
    "HOUR": 3_600_000,
    "DAY": 86_400_000,
    "WEEK": 604_800_000,
}
UNIT_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def floor_text(timestamp: str, period: str, time_zone: str, origin: str = "null") -> str:
    """The native floor of a timestamp to a period."""
    return f"timestamp_floor({timestamp},{string_literal(period)},{origin},{string_literal(time_zone)})"


def _zone(writer: ExpressionWriter, rex: Call, position: int) -> str:
    if len(rex.args) > position and not _is_null(rex.args[position]):
        return writer.write(rex.args[position])
    return string_literal(writer.time_zone)


def _is_null(rex: Rex) -> bool:
    return isinstance(rex, Literal) and rex.value is None


def _bucket(native: str) -> NativeBuilder:
    def build(writer: ExpressionWriter, rex: Call) -> str:
        origin = "null" if len(rex.args) < 3 or _is_null(rex.args[2]) else writer.write(rex.args[2])
        timestamp, period = writer.write(rex.args[0]), writer.write(rex.args[1])
        return f"{native}({timestamp},{period},{origin},{_zone(writer, rex, 3)})"

    return build


def _shift(writer: ExpressionWriter, rex: Call) -> str:
    return f"timestamp_shift({','.join(writer.write(arg) for arg in rex.args[:3])},{_zone(writer, rex, 3)})"


def _extract(writer: ExpressionWriter, rex: Call) -> str:
    unit = rex.args[1].value if isinstance(rex.args[1], Literal) else None
    if str(unit).upper() not in EXTRACT_UNITS:
        raise invalid_sql(f"Invalid value[{unit}] specified for unit of TIME_EXTRACT")
    return f"timestamp_extract({writer.write(rex.args[0])},{string_literal(str(unit).upper())},{_zone(writer, rex, 2)})"


def _parse(writer: ExpressionWriter, rex: Call) -> str:
    pattern = writer.write(rex.args[1]) if len(rex.args) > 1 else "null"
    return f"timestamp_parse({writer.write(rex.args[0])},{pattern},{_zone(writer, rex, 2)})"


def _format(writer: ExpressionWriter, rex: Call) -> str:
    pattern = writer.write(rex.args[1]) if len(rex.args) > 1 else string_literal("yyyy-MM-dd'T'HH:mm:ss.SSSZZ")
    return f"timestamp_format({writer.write(rex.args[0])},{pattern},{_zone(writer, rex, 2)})"


def _truncate(writer: ExpressionWriter, rex: Call) -> str:
    unit = str(rex.args[0].value).upper() if isinstance(rex.args[0], Literal) else ""
    unit = {"MILLISECONDS": "MILLISECOND"}.get(unit, unit)
    if unit not in UNIT_PERIODS:
        raise invalid_sql(f"Operator[DATE_TRUNC] cannot truncate to unit[{unit.lower()}]")
    return floor_text(writer.write(rex.args[1]), UNIT_PERIODS[unit], writer.time_zone)


def _round_to_unit(native: str) -> NativeBuilder:
    """FLOOR(x TO unit): the binder has checked the unit and gives it as a literal."""

    def build(writer: ExpressionWriter, rex: Call) -> str:
        period = string_literal(UNIT_PERIODS[rex.args[1].value])  # type: ignore[attr-defined]
        return f"{native}({writer.write(rex.args[0])},{period},null,{string_literal(writer.time_zone)})"

    return build


def _difference(writer: ExpressionWriter, rex: Call) -> str:
    """Whole units from the first timestamp to the second."""
    unit = str(rex.args[0].value)  # type: ignore[attr-defined]
    start, end = writer.write(rex.args[1]), writer.write(rex.args[2])
    if unit in UNIT_MILLIS:
        return f"div(({end} - {start}), {UNIT_MILLIS[unit]})"
    months = f"subtract_months({end},{start},{string_literal(writer.time_zone)})"
    return months if unit == "MONTH" else f"div({months}, {UNIT_MONTHS[unit]})"


def _add_units(writer: ExpressionWriter, rex: Call) -> str:
    unit = str(rex.args[0].value)  # type: ignore[attr-defined]
    count, timestamp = rex.args[1], writer.write(rex.args[2])
    if unit in UNIT_MILLIS:
        return f"({timestamp} + ({writer.write(count)} * {UNIT_MILLIS[unit]}))"
    period = string_literal(UNIT_PERIODS[unit])
    return f"timestamp_shift({timestamp},{period},{writer.write(count)},{string_literal(writer.time_zone)})"


_T, _C, _A = "TIMESTAMP", "CHARACTER", "ANY"

TIME_FUNCTIONS = [
    SqlFunction("TIME_FLOOR", (_T, _C, _T, _C), returns(TIMESTAMP), _bucket("timestamp_floor"), required=2),
    SqlFunction("TIME_CEIL", (_T, _C, _T, _C), returns(TIMESTAMP), _bucket("timestamp_ceil"), required=2),
    SqlFunction("TIME_SHIFT", (_T, _C, "INTEGER", _C), returns(TIMESTAMP), _shift, required=3),
    SqlFunction("TIME_EXTRACT", (_T, _C, _C), returns(BIGINT), _extract, required=2, literals=(1,)),
    SqlFunction("TIME_PARSE", (_C, _C, _C), always(TIMESTAMP), _parse, required=1),
    SqlFunction("TIME_FORMAT", (_T, _C, _C), returns(VARCHAR), _format, required=1),
    SqlFunction("DATE_TRUNC", (_C, _T), returns(TIMESTAMP), _truncate, literals=(0,)),
    SqlFunction("FLOOR_TO", (_T, _A), returns(TIMESTAMP), _round_to_unit("timestamp_floor")),
    SqlFunction("CEIL_TO", (_T, _A), returns(TIMESTAMP), _round_to_unit("timestamp_ceil")),
    SqlFunction("TIMESTAMPDIFF", (_A, _T, _T), returns(INTEGER), _difference),
    SqlFunction("TIMESTAMPADD", (_A, "NUMERIC", _T), returns(TIMESTAMP), _add_units),
    # TIME_IN_INTERVAL is rewritten by the binder into a range; the entry is there for its signature.
    SqlFunction("TIME_IN_INTERVAL", (_T, _C), returns(BOOLEAN), lambda writer, rex: writer.unsupported(rex)),
]
