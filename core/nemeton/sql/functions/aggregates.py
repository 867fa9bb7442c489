"""Aggregate functions and the native aggregators that they become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.sql.errors import invalid_sql, not_plannable, unsupported_sql
from nemeton.sql.functions.base import ResultType, always
from nemeton.sql.rex import AggCall, Call, Literal, Rex
from nemeton.sql.types import BIGINT, BOOLEAN, DOUBLE, SqlType, from_native

if TYPE_CHECKING:
    from nemeton.sql.native.virtual import Columns

JsonMap = dict[str, Any]


@frozen
class NativeAggregation:
    """The native parts of one aggregate: the value is in the aggregator or post-aggregator named as asked."""

    aggregators: list[JsonMap]
    post_aggregators: list[JsonMap] = field(factory=list)


AggregatorBuilder = Callable[["Columns", AggCall, str], NativeAggregation]


@frozen
class SqlAggregator:
    """An aggregate SQL function.

    `build` writes the native aggregators under the given output name; FILTER is wrapped round them by the planner.
    `arguments` is the least and greatest number of arguments.
    """

    name: str
    result: ResultType
    build: AggregatorBuilder
    arguments: tuple[int, int] = (1, 1)

    @property
    def signature(self) -> str:
        """As INFORMATION_SCHEMA.ROUTINES shows it."""
        return f"'{self.name}({', '.join(['<ANY>'] * self.arguments[0])})'"


def of_field(native_type: str) -> AggregatorBuilder:
    """One native aggregator of that type over the argument."""

    def build(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
        return NativeAggregation([{"type": native_type, "name": name, "fieldName": columns.field(call.args[0])}])

    return build


def _sum_type(args: Sequence[Rex]) -> SqlType:
    if args[0].type.is_integer:
        return BIGINT
    return args[0].type.with_nullable(True) if args[0].type.name == "FLOAT" else DOUBLE


#: Columns that an ingestion-time first or last aggregator wrote: a time and a value.
_PAIRS = {f"COMPLEX<serializablePairLong{kind.title()}>": kind for kind in ("LONG", "FLOAT", "DOUBLE", "STRING")}


def _ordered_type(args: Sequence[Rex]) -> SqlType:
    kind = _PAIRS.get(args[0].type.native)
    return from_native(kind) if kind is not None else _own_type(args)


def _own_type(args: Sequence[Rex]) -> SqlType:
    return args[0].type.with_nullable(True)


def _simple(prefix_to_suffix: str) -> AggregatorBuilder:
    """``longSum``, ``doubleMin``, …: by the type of the argument."""

    def build(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
        argument = call.args[0]
        if prefix_to_suffix in ("Min", "Max") and argument.type.is_character:
            raise invalid_sql(
                f"Aggregation [{call.name}] does not support type [STRING], column [{columns.field(argument)}]"
            )
        if argument.type.is_character:
            argument = Call(DOUBLE, "CAST", (argument,))
        kind = call.type.native if prefix_to_suffix == "Sum" else argument.type.native
        if kind not in ("LONG", "DOUBLE", "FLOAT"):
            raise invalid_sql(f"Aggregation [{call.name}] does not support type [{kind}], column [{name}]")
        return NativeAggregation(
            [{"type": f"{kind.lower()}{prefix_to_suffix}", "name": name, "fieldName": columns.field(argument)}]
        )

    return build


def _count(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
    count: JsonMap = {"type": "count", "name": name}
    if not call.args:
        return NativeAggregation([count])
    present: list[Rex] = [Call(BOOLEAN, "IS NOT NULL", (arg,)) for arg in call.args if arg.type.nullable]
    for condition in present:
        count = {"type": "filtered", "aggregator": count, "filter": columns.filter(condition), "name": name}
    return NativeAggregation([count])


def _average(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
    argument = call.args[0]
    if argument.type.is_character:
        argument = Call(DOUBLE, "CAST", (argument,))
    kind = "long" if argument.type.native == "LONG" else "double"
    total: JsonMap = {"type": f"{kind}Sum", "name": f"{name}:sum", "fieldName": columns.field(argument)}
    count = _count(columns, evolve(call, args=(argument,)), f"{name}:count").aggregators[0]
    quotient = {
        "type": "arithmetic",
        "name": name,
        "fn": "quotient",
        "fields": [
            {"type": "fieldAccess", "name": f"{name}:sum", "fieldName": f"{name}:sum"},
            {"type": "fieldAccess", "name": f"{name}:count", "fieldName": f"{name}:count"},
        ],
    }
    return NativeAggregation([total, count], [quotient])


def _time_ordered(suffix: str, by: bool = False) -> AggregatorBuilder:
    """EARLIEST, LATEST and their …_BY forms: ``longFirst``, ``stringLast``, …"""

    def build(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
        argument = call.args[0]
        kind = _PAIRS.get(argument.type.native, argument.type.native)
        if kind not in ("LONG", "DOUBLE", "FLOAT", "STRING"):
            raise unsupported_sql(f"{call.name} of type {kind}")
        spec: JsonMap = {"type": f"{kind.lower()}{suffix}", "name": name, "fieldName": columns.field(argument)}
        if suffix != "Any":
            spec["timeColumn"] = columns.field(call.args[1]) if by else columns.time_column()
        if kind == "STRING":
            spec["maxStringBytes"] = _size(call, 2 if by else 1)
        return NativeAggregation([spec])

    return build


def _size(call: AggCall, position: int) -> int:
    if len(call.args) <= position:
        return 1024
    size = call.args[position]
    if not isinstance(size, Literal) or not isinstance(size.value, int):
        raise invalid_sql(f"The second argument of {call.name} must be a numeric literal")
    return size.value


def _approximate_distinct(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
    """Druid's HyperLogLog: over the values of a plain column, or over a column of sketches."""
    argument = call.args[0]
    kind = argument.type.native
    column = columns.field(argument)
    if kind == "COMPLEX<hyperUnique>":
        return NativeAggregation([{"type": "hyperUnique", "name": name, "fieldName": column, "round": True}])
    if kind not in ("STRING", "LONG", "DOUBLE", "FLOAT"):
        raise not_plannable(
            "Using APPROX_COUNT_DISTINCT() or enabling approximation with COUNT(DISTINCT) is not supported for column "
            f"type [{kind}]. You can disable approximation by setting [useApproximateCountDistinct: false] in the "
            "query context."
        )
    fields = [{"type": "default", "dimension": column, "outputName": column, "outputType": kind}]
    return NativeAggregation([{"type": "cardinality", "name": name, "fields": fields, "byRow": False, "round": True}])


def _grouping(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
    raise unsupported_sql("GROUPING at this place")


def _bits(operator: str) -> AggregatorBuilder:
    """BIT_AND, BIT_OR, BIT_XOR through the expression aggregator."""

    def build(columns: Columns, call: AggCall, name: str) -> NativeAggregation:
        column = columns.field(call.args[0])
        function = {"&": "bitwiseAnd", "|": "bitwiseOr", "^": "bitwiseXor"}[operator]
        return NativeAggregation(
            [
                {
                    "type": "expression",
                    "name": name,
                    "fields": [column],
                    "accumulatorIdentifier": "__acc",
                    "initialValue": "0" if operator != "&" else "-1",
                    "initialCombineValue": "0" if operator != "&" else "-1",
                    "isNullUnlessAggregated": True,
                    "shouldAggregateNullInputs": False,
                    "shouldCombineAggregateNullInputs": False,
                    "fold": f'{function}("__acc", "{column}")',
                    "combine": f'{function}("__acc", "{name}")',
                }
            ]
        )

    return build


AGGREGATORS = [
    SqlAggregator("COUNT", always(BIGINT.with_nullable(False)), _count, (0, 1)),
    SqlAggregator("SUM", _sum_type, _simple("Sum")),
    SqlAggregator("MIN", _own_type, _simple("Min")),
    SqlAggregator("MAX", _own_type, _simple("Max")),
    SqlAggregator("AVG", always(DOUBLE), _average),
    SqlAggregator("EARLIEST", _ordered_type, _time_ordered("First"), (1, 2)),
    SqlAggregator("LATEST", _ordered_type, _time_ordered("Last"), (1, 2)),
    SqlAggregator("EARLIEST_BY", _ordered_type, _time_ordered("First", by=True), (2, 3)),
    SqlAggregator("LATEST_BY", _ordered_type, _time_ordered("Last", by=True), (2, 3)),
    SqlAggregator("ANY_VALUE", _own_type, _time_ordered("Any"), (1, 3)),
    SqlAggregator("APPROX_COUNT_DISTINCT", always(BIGINT.with_nullable(False)), _approximate_distinct),
    SqlAggregator("APPROX_COUNT_DISTINCT_BUILTIN", always(BIGINT.with_nullable(False)), _approximate_distinct),
    SqlAggregator("GROUPING", always(BIGINT.with_nullable(False)), _grouping, (1, 64)),
    SqlAggregator("BIT_AND", always(BIGINT), _bits("&")),
    SqlAggregator("BIT_OR", always(BIGINT), _bits("|")),
    SqlAggregator("BIT_XOR", always(BIGINT), _bits("^")),
]
