"""Functions on arrays and multi-value strings."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.sql.functions.base import SqlFunction, always, call, like_argument, returns, template
from nemeton.sql.rex import Rex
from nemeton.sql.types import BIGINT, BOOLEAN, VARCHAR, SqlType, array_of, element_of


def _element(args: Sequence[Rex]) -> SqlType:
    return element_of(args[0].type)


_A, _R = "ANY", "ARRAY"

ARRAY_FUNCTIONS = [
    SqlFunction("ARRAY_LENGTH", (_A,), returns(BIGINT), call("array_length")),
    SqlFunction("ARRAY_OFFSET", (_A, "INTEGER"), _element, call("array_offset")),
    SqlFunction("ARRAY_ORDINAL", (_A, "INTEGER"), _element, call("array_ordinal")),
    SqlFunction("ARRAY_OFFSET_OF", (_A, _A), always(BIGINT), call("array_offset_of")),
    SqlFunction("ARRAY_ORDINAL_OF", (_A, _A), always(BIGINT), call("array_ordinal_of")),
    SqlFunction("ARRAY_CONTAINS", (_A, _A), always(BOOLEAN), call("array_contains")),
    SqlFunction("ARRAY_OVERLAP", (_A, _A), always(BOOLEAN), call("array_overlap")),
    SqlFunction("SCALAR_IN_ARRAY", (_A, _R), always(BOOLEAN), call("scalar_in_array")),
    SqlFunction("ARRAY_APPEND", (_R, _A), like_argument(), call("array_append")),
    SqlFunction("ARRAY_PREPEND", (_A, _R), like_argument(1), call("array_prepend")),
    SqlFunction("ARRAY_CONCAT", (_R, _R), like_argument(), call("array_concat")),
    SqlFunction("ARRAY_SLICE", (_R, "INTEGER", "INTEGER"), like_argument(), call("array_slice"), required=2),
    SqlFunction("ARRAY_TO_STRING", (_A, "CHARACTER"), always(VARCHAR), call("array_to_string")),
    SqlFunction("MV_CONTAINS", (_A, _A), always(BOOLEAN), template("nvl(array_contains({0},{1}),0)")),
    SqlFunction("MV_OVERLAP", (_A, _A), always(BOOLEAN), template("nvl(array_overlap({0},{1}),0)")),
    SqlFunction("MV_LENGTH", (_A,), returns(BIGINT), call("array_length")),
    SqlFunction("MV_TO_STRING", (_A, "CHARACTER"), always(VARCHAR), call("array_to_string")),
    SqlFunction("MV_OFFSET", (_A, "INTEGER"), always(VARCHAR), call("array_offset")),
    SqlFunction("MV_ORDINAL", (_A, "INTEGER"), always(VARCHAR), call("array_ordinal")),
    SqlFunction("MV_OFFSET_OF", (_A, _A), always(BIGINT), call("array_offset_of")),
    SqlFunction("MV_ORDINAL_OF", (_A, _A), always(BIGINT), call("array_ordinal_of")),
    SqlFunction("MV_APPEND", (_A, _A), always(VARCHAR), call("array_append")),
    SqlFunction("MV_PREPEND", (_A, _A), always(VARCHAR), call("array_prepend")),
    SqlFunction("MV_CONCAT", (_A, _A), always(VARCHAR), call("array_concat")),
    SqlFunction("MV_SLICE", (_A, "INTEGER", "INTEGER"), always(VARCHAR), call("array_slice"), required=2),
    SqlFunction("MV_FILTER_ONLY", (_A, _R), always(VARCHAR), template("filter((x) -> array_contains({1}, x), {0})")),
    SqlFunction("MV_FILTER_NONE", (_A, _R), always(VARCHAR), template("filter((x) -> !array_contains({1}, x), {0})")),
    SqlFunction("MV_TO_ARRAY", (_A,), always(array_of("STRING")), call("mv_to_array")),
    SqlFunction("ARRAY_TO_MV", (_A,), always(VARCHAR), call("array_to_mv")),
    SqlFunction("STRING_TO_MV", ("CHARACTER", "CHARACTER"), always(VARCHAR), call("string_to_array")),
]
