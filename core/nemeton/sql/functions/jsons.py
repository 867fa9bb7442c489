"""Functions of documents. JSON_VALUE and JSON_OBJECT have a syntax of their own, which the binder reads."""

from __future__ import annotations

from nemeton.sql.functions.base import SqlFunction, always, call
from nemeton.sql.types import VARCHAR, SqlType, array_of

JSON = SqlType("OTHER", inner="COMPLEX<json>")
_JSONS = SqlType("ARRAY", inner="ARRAY<COMPLEX<json>>")

JSON_FUNCTIONS = [
    SqlFunction("JSON_VALUE", ("ANY", "CHARACTER", "CHARACTER"), always(VARCHAR), call("json_value")),
    SqlFunction("JSON_QUERY", ("ANY", "CHARACTER"), always(JSON), call("json_query")),
    SqlFunction("JSON_QUERY_ARRAY", ("ANY", "CHARACTER"), always(_JSONS), call("json_query_array")),
    SqlFunction("JSON_KEYS", ("ANY", "CHARACTER"), always(array_of("STRING")), call("json_keys"), literals=(1,)),
    SqlFunction("JSON_PATHS", ("ANY",), always(array_of("STRING")), call("json_paths")),
    SqlFunction("JSON_OBJECT", ("ANY",), always(JSON), call("json_object"), required=0, variadic=True),
    SqlFunction("JSON_MERGE", ("ANY",), always(JSON), call("json_merge"), variadic=True),
    SqlFunction("TO_JSON_STRING", ("ANY",), always(VARCHAR), call("to_json_string")),
    SqlFunction("PARSE_JSON", ("CHARACTER",), always(JSON), call("parse_json")),
    SqlFunction("TRY_PARSE_JSON", ("CHARACTER",), always(JSON), call("try_parse_json")),
]
