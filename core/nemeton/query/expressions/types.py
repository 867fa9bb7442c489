"""The type of an expression, from the types of the columns: what Druid tells before it reads a row.

None is a type that is not known: of a null, of a column that is not there, or of a function whose type depends on
the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nemeton.query.expressions.parser import Call, Identifier, Lambda, Literal, Node, identifiers

Type = str | None
TypeOf = Callable[[str], Type]


def _words(text: str) -> list[str]:
    return text.split()


def is_array(kind: Type) -> bool:
    """An array type."""
    return kind is not None and kind.startswith("ARRAY<")


def element_type(kind: Type) -> Type:
    """The type of an array's elements; other types as they are."""
    return kind[6:-1] if kind is not None and is_array(kind) else kind


def array_type(kind: Type) -> Type:
    """The array type of a type; arrays as they are."""
    return kind if kind is None or is_array(kind) or kind.startswith("COMPLEX") else f"ARRAY<{kind}>"


def _numeric(a: Type, b: Type) -> Type:
    return "LONG" if a == "LONG" and b in ("LONG", None) else "DOUBLE"


def least_restrictive(a: Type, b: Type) -> Type:
    """The narrowest type that holds the values of both."""
    if a is None or b is None:
        return b if a is None else a
    if a.startswith("COMPLEX") or b.startswith("COMPLEX"):
        return a if a.startswith("COMPLEX") else b
    if is_array(a) or is_array(b):
        return f"ARRAY<{least_restrictive(element_type(a), element_type(b))}>"
    return "STRING" if "STRING" in (a, b) else _numeric(a, b)


def of_operator(a: Type, b: Type) -> Type:
    """Of arithmetic: strings only when both are."""
    if a is None or b is None:
        return b if a is None else a
    if is_array(a) or is_array(b) or a.startswith("COMPLEX") or b.startswith("COMPLEX"):
        return least_restrictive(a, b)
    return "STRING" if a == b == "STRING" else _numeric(a, b)


def of_function(a: Type, b: Type) -> Type:
    """Of alternatives: strings when one is."""
    return least_restrictive(a, b)


def _all(kinds: Sequence[Type], first: Type = None) -> Type:
    out = first
    for kind in kinds:
        out = of_function(out, kind)
    return out


def _whole(kinds: Sequence[Type]) -> Type:
    found = _all(kinds[:2])
    return "LONG" if found in ("LONG", "DOUBLE") else found


def _of_case(kinds: Sequence[Type], first: int) -> Type:
    values = [kinds[i] for i in range(first + 1, len(kinds), 2)]
    if (len(kinds) - first) % 2:
        values.append(kinds[-1])
    return _all(values)


Rule = Callable[[Sequence[Type]], Type]
_RULES: dict[str, Rule] = {
    "abs": lambda kinds: kinds[0],
    "round": lambda kinds: kinds[0],
    "neg": lambda kinds: kinds[0],
    "max": lambda kinds: _all(kinds),
    "min": lambda kinds: _all(kinds),
    "safe_divide": lambda kinds: _all(kinds),
    "div": _whole,
    "if": lambda kinds: _all(kinds[1:]),
    "case_searched": lambda kinds: _of_case(kinds, 0),
    "case_simple": lambda kinds: _of_case(kinds, 1),
    "nvl": lambda kinds: _all(kinds),
    "coalesce": lambda kinds: _all(kinds),
    "greatest": lambda kinds: _all(kinds, "LONG"),
    "least": lambda kinds: _all(kinds, "LONG"),
    "array": lambda kinds: None if (found := _all(kinds)) is None else f"ARRAY<{found}>",
    "array_append": lambda kinds: array_type(kinds[0]),
    "array_prepend": lambda kinds: array_type(kinds[1]),
    "array_set_add": lambda kinds: array_type(kinds[0]),
    "array_concat": lambda kinds: array_type(kinds[0]),
    "array_set_add_all": lambda kinds: array_type(kinds[0]),
    "array_slice": lambda kinds: array_type(kinds[0]),
    "array_offset": lambda kinds: element_type(kinds[0]),
    "array_ordinal": lambda kinds: element_type(kinds[0]),
    "filter": lambda kinds: kinds[1],
    "fold": lambda kinds: kinds[-1],
    "cartesian_fold": lambda kinds: kinds[-1],
    "bitwiseconvertdoubletolongbits": lambda kinds: None if kinds[0] is None else "LONG",
    "bitwiseconvertlongbitstodouble": lambda kinds: None if kinds[0] is None else "DOUBLE",
}
for _operator in ("+", "-", "*", "/", "%", "^"):
    _RULES[_operator] = lambda kinds: of_operator(kinds[0], kinds[1])

_FIXED: dict[str, Sequence[str]] = {
    "LONG": [
        "<",
        "<=",
        ">",
        ">=",
        "==",
        "!=",
        "&&",
        "||",
        "!",
        "isnull",
        "notnull",
        "istrue",
        "isfalse",
        "nottrue",
        "notfalse",
        "isdistinctfrom",
        "notdistinctfrom",
        "strlen",
        "strpos",
        "array_length",
        "array_contains",
        "array_overlap",
        "scalar_in_array",
        "array_offset_of",
        "array_ordinal_of",
        "any",
        "all",
        "parse_long",
        "timestamp",
        "unix_timestamp",
        "timestamp_floor",
        "timestamp_ceil",
        "timestamp_shift",
        "timestamp_parse",
        "like",
        "regexp_like",
        "contains_string",
        "icontains_string",
        "ipv4_match",
        "ipv6_match",
        "ipv4_parse",
        "subtract_months",
        "bitwiseand",
        "bitwiseor",
        "bitwisexor",
        "bitwiseshiftleft",
        "bitwiseshiftright",
        "bitwisecomplement",
        "getexponent",
        "hyper_unique_round_estimate",
    ],
    "DOUBLE": [
        "pi",
        "acos",
        "asin",
        "atan",
        "cbrt",
        "ceil",
        "cos",
        "cosh",
        "cot",
        "exp",
        "expm1",
        "floor",
        "log",
        "log10",
        "log1p",
        "rint",
        "signum",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "todegrees",
        "toradians",
        "ulp",
        "nextup",
        "atan2",
        "copysign",
        "hypot",
        "pow",
        "nextafter",
        "remainder",
        "scalb",
        "hyper_unique_estimate",
        "array_quantile",
    ],
    "STRING": [
        "concat",
        "format",
        "substring",
        "left",
        "right",
        "replace",
        "lower",
        "upper",
        "reverse",
        "repeat",
        "lpad",
        "rpad",
        "trim",
        "ltrim",
        "rtrim",
        "timestamp_format",
        "human_readable_binary_byte_format",
        "human_readable_decimal_byte_format",
        "human_readable_decimal_format",
        "array_to_string",
        "regexp_extract",
        "regexp_replace",
        "ipv4_stringify",
        "decode_base64_utf8",
        "to_json_string",
        "lookup",
    ],
    "ARRAY<STRING>": ["string_to_array", "mv_to_array", "array_to_mv", "mv_harmonize_nulls", "json_keys", "json_paths"],
    "COMPLEX<json>": ["json_query", "json_query_array", "json_object", "parse_json", "try_parse_json", "json_merge"],
    "COMPLEX<hyperUnique>": ("hyper_unique", "hyper_unique_add"),
}
FIXED: Mapping[str, str] = {name: kind for kind, names in _FIXED.items() for name in names}


MACROS = frozenset(
    [
        "contains_string",
        "icontains_string",
        "like",
        "regexp_extract",
        "regexp_like",
        "trim",
        "ltrim",
        "rtrim",
        "ipv4_match",
        "ipv6_match",
        "json_value",
        "json_query",
        "json_query_array",
        "json_keys",
        "array_quantile",
        "complex_decode_base64",
        "decode_base64_complex",
    ]
)
"""Functions that look at their constant arguments before there is a row."""

_ROW_BY_ROW = frozenset(
    [
        "isfalse",
        "istrue",
        "nottrue",
        "notfalse",
        "isdistinctfrom",
        "notdistinctfrom",
        "safe_divide",
        "greatest",
        "least",
        "reverse",
        "array",
        "round",
        "human_readable_binary_byte_format",
        "human_readable_decimal_byte_format",
        "human_readable_decimal_format",
        "decode_base64_utf8",
        "parse_json",
        "try_parse_json",
        "json_value",
        "json_query",
        "json_query_array",
        "json_keys",
        "json_object",
        "json_merge",
        "to_json_string",
        "timestamp_parse",
        "timestamp",
        "unix_timestamp",
        "timestamp_format",
        "timestamp_shift",
        "strlen",
        "lower",
        "upper",
        "substring",
        "left",
        "right",
        "replace",
        "repeat",
        "lpad",
        "rpad",
        "trim",
        "ltrim",
        "rtrim",
        "strpos",
        "format",
        "regexp_extract",
        "regexp_like",
        "regexp_replace",
        "like",
        "contains_string",
        "icontains_string",
        "ipv4_match",
        "ipv6_match",
        "ipv4_parse",
        "ipv4_stringify",
        "lookup",
        "case_simple",
    ]
)


def can_vectorize(node: Node) -> bool:
    """Whether Druid would: then a column that is not there leaves the type of the others as it is."""
    if isinstance(node, Call):
        return node.name.lower() not in _ROW_BY_ROW and all(can_vectorize(arg) for arg in node.args)
    return not isinstance(node, Lambda)


#: As `_ROW_BY_ROW`, of columns that are there.
_NO_VECTORS = (_ROW_BY_ROW - {"timestamp_shift"}) | frozenset(
    [
        "if", "case_searched", "&&", "||", "timestamp_ceil", "timestamp_extract", "mv_to_array",
        "array_length", "array_append", "array_contains", "array_to_string", "array_offset", "array_ordinal",
    ]
)  # fmt: skip


def is_row_by_row(node: Node) -> bool:
    """Whether Druid cannot compute it by vectors; of a constant it computes nothing."""
    if isinstance(node, Call):
        return bool(identifiers(node)) and (node.name.lower() in _NO_VECTORS or any(map(is_row_by_row, node.args)))
    return isinstance(node, Lambda)


class UnknownFunctionError(Exception):
    """A function of an extension: its type is found by evaluating it."""


def output_type(node: Node, type_of: TypeOf) -> Type:
    """The type of a tree. Raises `UnknownFunctionError` where only an evaluation tells."""
    if isinstance(node, Literal):
        return node.type
    if isinstance(node, Identifier):
        return type_of(node.name)
    if isinstance(node, Lambda):
        return output_type(node.body, type_of)
    assert isinstance(node, Call)
    name = node.name.lower()
    if name in FIXED:
        return FIXED[name]
    if name in ("map", "cartesian_map"):
        return _of_map(node, type_of)
    if name == "cast":
        return _literal(node.args[1], lambda text: "DOUBLE" if text.upper() == "FLOAT" else text.upper())
    if name == "json_value":
        return _literal(node.args[2], str.upper) if len(node.args) > 2 else None
    if name in ("complex_decode_base64", "decode_base64_complex"):
        return _literal(node.args[0], lambda text: f"COMPLEX<{text}>")
    if name == "timestamp_extract":
        unit = _literal(node.args[1], str.upper)
        return "DOUBLE" if unit in ("CENTURY", "MILLENNIUM") else "LONG"
    rule = _RULES.get(name)
    if rule is None:
        raise UnknownFunctionError(name)
    return rule([None if isinstance(arg, Lambda) else output_type(arg, type_of) for arg in node.args])


def _literal(node: Node, kind: Callable[[str], str]) -> Type:
    return kind(node.value) if isinstance(node, Literal) and isinstance(node.value, str) else None


def _of_map(node: Call, type_of: TypeOf) -> Type:
    function = node.args[0]
    if not isinstance(function, Lambda):
        return None
    elements = [element_type(output_type(arg, type_of)) for arg in node.args[1:]]
    if not elements or elements == [None]:
        return None
    bound = dict(zip(function.parameters, elements, strict=False))
    found = output_type(function.body, lambda name: bound[name] if name in bound else type_of(name))
    return None if found is None else f"ARRAY<{found}>"
