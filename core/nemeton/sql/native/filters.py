"""Conditions as native filters: a typed filter where there is one for the column, an expression filter elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nemeton.sql.rex import Call, InputRef, Literal, Rex, is_constant

if TYPE_CHECKING:
    from nemeton.sql.native.virtual import Columns

JsonMap = dict[str, Any]

_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FUNCTION_FILTERS = frozenset({"ARRAY_CONTAINS", "ARRAY_OVERLAP", "MV_CONTAINS", "MV_OVERLAP", "SCALAR_IN_ARRAY"})


def to_filter(rex: Rex, columns: Columns) -> JsonMap:
    """The native filter that keeps the rows for which the condition is true."""
    if isinstance(rex, Literal):
        return {"type": "true"} if rex.value else {"type": "false"}
    if isinstance(rex, Call):
        built = _call_filter(rex, columns)
        if built is not None:
            return built
    if isinstance(rex, InputRef) and rex.type.is_boolean:
        return _equals(rex, True, columns)
    return {"type": "expression", "expression": columns.expression(rex)}


def _call_filter(rex: Call, columns: Columns) -> JsonMap | None:
    if rex.op in ("AND", "OR"):
        return {"type": rex.op.lower(), "fields": _merged_ranges([to_filter(arg, columns) for arg in rex.args], rex.op)}
    if rex.op == "NOT":
        return {"type": "not", "field": to_filter(rex.args[0], columns)}
    if rex.op in ("IS NULL", "IS NOT NULL"):
        null = {"type": "null", "column": columns.field(rex.args[0])}
        return null if rex.op == "IS NULL" else {"type": "not", "field": null}
    if rex.op in ("IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE"):
        kind = "istrue" if rex.op.endswith("TRUE") else "isfalse"
        inner = {"type": kind, "field": to_filter(rex.args[0], columns)}
        return {"type": "not", "field": inner} if "NOT" in rex.op else inner
    if rex.op in _FLIPPED:
        return _comparison(rex, columns)
    if rex.op == "IN":
        return _in_filter(rex, columns)
    if rex.op == "LIKE" and all(isinstance(arg, Literal) for arg in rex.args[1:]):
        return _like_filter(rex, columns)
    if rex.op in _FUNCTION_FILTERS:
        return _array_filter(rex, columns)
    function = columns.writer.functions.function(rex.op)
    return None if function is None or function.condition is None else function.condition(columns, rex)


def _comparison(rex: Call, columns: Columns) -> JsonMap | None:
    left, right = rex.args
    op = rex.op
    if isinstance(left, Literal) and not isinstance(right, Literal):
        left, right, op = right, left, _FLIPPED[op]
    if not isinstance(right, Literal) or is_constant(left):
        return None
    value = right.value
    if value is None:
        return {"type": "false"}
    if left.type.is_array or left.type.name == "OTHER":
        return None
    if op == "=":
        return _equals(left, value, columns)
    if op == "<>":
        return {"type": "not", "field": _equals(left, value, columns)}
    bound = "upper" if op.startswith("<") else "lower"
    built: JsonMap = {
        "type": "range",
        "column": columns.field(left),
        "matchValueType": _match_type(left, value),
        bound: _match_value(value),
    }
    if len(op) == 1:
        built[f"{bound}Open"] = True
    return built


def _equals(left: Rex, value: Any, columns: Columns) -> JsonMap:
    return {
        "type": "equals",
        "column": columns.field(left),
        "matchValueType": _match_type(left, value),
        "matchValue": _match_value(value),
    }


def _match_type(left: Rex, value: Any) -> str:
    native = left.type.native
    if native in ("LONG", "FLOAT") and isinstance(value, float):
        return "DOUBLE"
    return native


def _match_value(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _in_filter(rex: Call, columns: Columns) -> JsonMap | None:
    left, literals = rex.args[0], rex.args[1:]
    if is_constant(left) or not all(isinstance(arg, Literal) for arg in literals) or left.type.is_array:
        return None
    values = [_match_value(arg.value) for arg in literals if isinstance(arg, Literal) and arg.value is not None]
    if len(values) < len(literals):
        # IN with a NULL is true for a match and unknown otherwise, which no IN filter says; OR of parts does
        return _or([*(_equals(left, value, columns) for value in values), _unknown(left, columns)])
    if len(values) == 1:
        return _equals(left, values[0], columns)
    native = left.type.native
    if native == "LONG" and any(isinstance(value, float) for value in values):
        native = "DOUBLE"
    return {
        "type": "inType",
        "column": columns.field(left),
        "matchValueType": native,
        "sortedValues": sorted(set(values), key=_utf16_order if native == "STRING" else None),
    }


def _utf16_order(value: str) -> bytes:
    return value.encode("utf-16-be", "surrogatepass")


def _unknown(left: Rex, columns: Columns) -> JsonMap:
    """Never true and never false: so NOT keeps nothing either."""
    return {"type": "expression", "expression": f"({columns.expression(left)} == null)"}


def _or(fields: list[JsonMap]) -> JsonMap:
    return fields[0] if len(fields) == 1 else {"type": "or", "fields": fields}


def _like_filter(rex: Call, columns: Columns) -> JsonMap | None:
    if is_constant(rex.args[0]) or not rex.args[0].type.is_character:
        return None
    built: JsonMap = {
        "type": "like",
        "dimension": columns.field(rex.args[0]),
        "pattern": rex.args[1].value,  # type: ignore[attr-defined]
    }
    if len(rex.args) == 3:
        built["escape"] = rex.args[2].value  # type: ignore[attr-defined]
    return built


def _array_filter(rex: Call, columns: Columns) -> JsonMap | None:
    """Multi-value strings match when any value does, so containment is a conjunction of equalities."""
    value, other = rex.args
    if rex.op == "SCALAR_IN_ARRAY":
        return _scalar_in(value, other, columns)
    if rex.op.startswith("ARRAY"):
        return None
    items = _constant_items(other)
    if items is None or columns.plain(value) is None or not items:
        return None
    parts = [_equals(value, item, columns) for item in items if item is not None]
    if len(parts) < len(items):
        return None
    if rex.op == "MV_CONTAINS":
        return parts[0] if len(parts) == 1 else {"type": "and", "fields": parts}
    return _or(parts)


def _scalar_in(value: Rex, array: Rex, columns: Columns) -> JsonMap | None:
    items = _constant_items(array)
    if items is None or any(item is None for item in items) or not items:
        return None
    return _in_filter(Call(value.type, "IN", (value, *(Literal(value.type, item) for item in items))), columns)


def _constant_items(rex: Rex) -> list[Any] | None:
    if isinstance(rex, Literal):
        return list(rex.value) if isinstance(rex.value, (list, tuple)) else [rex.value]
    if isinstance(rex, Call) and rex.op == "ARRAY" and all(isinstance(arg, Literal) for arg in rex.args):
        return [arg.value for arg in rex.args if isinstance(arg, Literal)]
    return None


def _merged_ranges(fields: list[JsonMap], op: str) -> list[JsonMap]:
    """``a > 1 AND a < 5`` is one range filter with both bounds."""
    if op != "AND":
        return fields
    merged: list[JsonMap] = []
    for item in fields:
        partner = next((other for other in merged if _completes(other, item)), None)
        if partner is None:
            merged.append(dict(item))
        else:
            partner.update({key: value for key, value in item.items() if key.startswith(("lower", "upper"))})
    return merged


def _completes(one: JsonMap, other: JsonMap) -> bool:
    return (
        one["type"] == other["type"] == "range"
        and one["column"] == other["column"]
        and one["matchValueType"] == other["matchValueType"]
        and ("lower" in one) != ("lower" in other)
        and ("upper" in one) != ("upper" in other)
    )
