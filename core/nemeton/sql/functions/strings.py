"""String functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.sql.functions.base import NativeBuilder, SqlFunction, always, call, returns, template
from nemeton.sql.native.text import string_literal
from nemeton.sql.rex import Call, Literal
from nemeton.sql.types import BIGINT, BOOLEAN, INTEGER, TIMESTAMP, VARCHAR, array_of

if TYPE_CHECKING:
    from nemeton.sql.native.expressions import ExpressionWriter


def _substring(writer: ExpressionWriter, rex: Call) -> str:
    """SQL counts from 1, and -1 as length means the rest."""
    start = rex.args[1]
    shifted = str(start.value - 1) if isinstance(start, Literal) else f"({writer.write(start)} - 1)"
    length = writer.write(rex.args[2]) if len(rex.args) == 3 else "-1"
    return f"substring({writer.write(rex.args[0])}, {shifted}, {length})"


def _strpos(writer: ExpressionWriter, rex: Call) -> str:
    return f"(strpos({','.join(writer.write(arg) for arg in rex.args[:2])}) + 1)"


def _position(writer: ExpressionWriter, rex: Call) -> str:
    needle, haystack = writer.write(rex.args[0]), writer.write(rex.args[1])
    if len(rex.args) == 2:
        return f"(strpos({haystack},{needle}) + 1)"
    return f"(strpos({haystack},{needle},({writer.write(rex.args[2])} - 1)) + 1)"


def _trim(native: str) -> NativeBuilder:
    def build(writer: ExpressionWriter, rex: Call) -> str:
        characters = writer.write(rex.args[1]) if len(rex.args) == 2 else string_literal(" ")
        return f"{native}({writer.write(rex.args[0])},{characters})"

    return build


def _pad(native: str) -> NativeBuilder:
    def build(writer: ExpressionWriter, rex: Call) -> str:
        fill = writer.write(rex.args[2]) if len(rex.args) == 3 else string_literal(" ")
        return f"{native}({writer.write(rex.args[0])},{writer.write(rex.args[1])},{fill})"

    return build


_C, _I, _A = "CHARACTER", "INTEGER", "ANY"

STRING_FUNCTIONS = [
    SqlFunction("CONCAT", (_A,), returns(VARCHAR), call("concat"), variadic=True),
    SqlFunction("TEXTCAT", (_C, _C), returns(VARCHAR), call("concat")),
    SqlFunction("UPPER", (_C,), returns(VARCHAR), call("upper")),
    SqlFunction("LOWER", (_C,), returns(VARCHAR), call("lower")),
    *(
        SqlFunction(name, (_C,), returns(INTEGER), call("strlen"))
        for name in ("LENGTH", "CHAR_LENGTH", "CHARACTER_LENGTH", "STRLEN")
    ),
    SqlFunction("SUBSTRING", (_C, _I, _I), returns(VARCHAR), _substring, required=2),
    SqlFunction("SUBSTR", (_C, _I, _I), returns(VARCHAR), _substring, required=2),
    SqlFunction("LEFT", (_C, _I), always(VARCHAR), call("left")),
    SqlFunction("RIGHT", (_C, _I), always(VARCHAR), call("right")),
    SqlFunction("BTRIM", (_C, _C), always(VARCHAR), _trim("trim"), required=1),
    SqlFunction("LTRIM", (_C, _C), always(VARCHAR), _trim("ltrim"), required=1),
    SqlFunction("RTRIM", (_C, _C), always(VARCHAR), _trim("rtrim"), required=1),
    SqlFunction("REPLACE", (_C, _C, _C), returns(VARCHAR), call("replace")),
    SqlFunction("REPEAT", (_C, _I), always(VARCHAR), call("repeat")),
    SqlFunction("REVERSE", (_C,), returns(VARCHAR), call("reverse")),
    SqlFunction("LPAD", (_C, _I, _C), always(VARCHAR), _pad("lpad"), required=2),
    SqlFunction("RPAD", (_C, _I, _C), always(VARCHAR), _pad("rpad"), required=2),
    SqlFunction("POSITION", (_C, _C, _I), returns(INTEGER), _position, required=2),
    SqlFunction("STRPOS", (_C, _C), returns(INTEGER), _strpos),
    SqlFunction("REGEXP_EXTRACT", (_C, _C, _I), always(VARCHAR), call("regexp_extract"), required=2),
    SqlFunction("REGEXP_LIKE", (_C, _C), returns(BOOLEAN), call("regexp_like")),
    SqlFunction("REGEXP_REPLACE", (_C, _C, _C), returns(VARCHAR), call("regexp_replace")),
    SqlFunction("CONTAINS_STRING", (_C, _C), returns(BOOLEAN), call("contains_string")),
    SqlFunction("ICONTAINS_STRING", (_C, _C), returns(BOOLEAN), call("icontains_string")),
    SqlFunction("STRING_FORMAT", (_C, _A), always(VARCHAR), call("format"), required=1, variadic=True),
    SqlFunction("LOOKUP", (_C, _C, _C), always(VARCHAR), call("lookup"), required=2),
    SqlFunction("PARSE_LONG", (_C, _I), always(BIGINT), call("parse_long"), required=1),
    SqlFunction("DECODE_BASE64_UTF8", (_C,), always(VARCHAR), call("decode_base64_utf8")),
    SqlFunction("STRING_TO_ARRAY", (_C, _C), always(array_of("STRING")), call("string_to_array")),
    SqlFunction("IPV4_MATCH", (_A, _C), always(BOOLEAN), call("ipv4_match")),
    SqlFunction("IPV6_MATCH", (_A, _C), always(BOOLEAN), call("ipv6_match")),
    SqlFunction("IPV4_PARSE", (_A,), always(BIGINT), call("ipv4_parse")),
    SqlFunction("IPV4_STRINGIFY", (_A,), always(VARCHAR), call("ipv4_stringify")),
    SqlFunction("MILLIS_TO_TIMESTAMP", ("NUMERIC",), returns(TIMESTAMP), template("{0}")),
    SqlFunction("TIMESTAMP_TO_MILLIS", ("TIMESTAMP",), returns(BIGINT), template("{0}")),
]
