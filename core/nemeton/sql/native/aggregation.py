"""The dimensions, aggregators and post-aggregators of one native query."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from nemeton.sql.context import PlannerContext
from nemeton.sql.errors import unsupported_sql
from nemeton.sql.native.partial import Grouping
from nemeton.sql.native.virtual import Columns
from nemeton.sql.rex import AggCall, InputRef, Literal, Rex, conjunction

JsonMap = dict[str, Any]


class Aggregation:
    """The dimensions, aggregators and post-aggregators of one query, under the names ``d0``, ``a0``, ``p0``, …"""

    def __init__(self, columns: Columns, context: PlannerContext) -> None:
        self._groups: list[Rex] = []
        self._aggregators: list[JsonMap] = []
        self._posts: list[JsonMap] = []
        self._names: list[str] = []
        self._types: list[str] = []
        self._columns = columns
        self._context = context
        self._computed: dict[Rex, str] = {}

    @classmethod
    def of(cls, grouping: Grouping, columns: Columns, context: PlannerContext) -> Aggregation:
        """All groups and aggregates of a grouping, named."""
        made = cls(columns, context)
        for index, group in enumerate(grouping.groups):
            if group.type.native.startswith("COMPLEX"):
                raise unsupported_sql(f"GROUP BY a column of type {group.type.native}")
            made._groups.append(group)
            made._names.append(f"d{index}")
            made._types.append(group.type.native)
        for index, call in enumerate(grouping.calls):
            made._add_call(index, call)
        return made

    @property
    def dimensions(self) -> list[JsonMap]:
        """The dimension specs; asking for them makes the virtual columns that they need."""
        return [
            {
                "type": "default",
                "dimension": self._columns.field(group),
                "outputName": f"d{index}",
                "outputType": group.type.native,
            }
            for index, group in enumerate(self._groups)
        ]

    def _add_call(self, index: int, call: AggCall) -> None:
        name = f"a{index}"
        self._names.append(name)
        self._types.append(call.type.native)
        function = self._context.functions.aggregator(call.name)
        assert function is not None
        native = function.build(self._columns, call, name)
        if call.filter is not None:
            condition = self._columns.filter(call.filter)
            native = evolve(native, aggregators=[_filtered(item, condition) for item in native.aggregators])
        self._aggregators.extend(native.aggregators)
        self._posts.extend(native.post_aggregators)

    def name_of(self, rex: Rex) -> str:
        """The result column of an expression over groups and aggregates; a post-aggregator where there is none."""
        if isinstance(rex, InputRef):
            return self._names[rex.index]
        if rex not in self._computed:
            name = f"p{len(self._computed)}"
            columns = Columns(self._names, self._types, self._context.functions, self._context.time_zone)
            plain = columns.plain(rex)
            if plain is not None:
                return plain
            post = {
                "type": "expression",
                "name": name,
                "expression": columns.expression(rex),
                "outputType": rex.type.native,
            }
            self._posts.append(post)
            self._computed[rex] = name
        return self._computed[rex]

    def outputs(self, rexes: tuple[Rex, ...]) -> tuple[list[str | None], list[Any]]:
        """The native columns of the outputs, None for constants, and those constants."""
        names: list[str | None] = [None if isinstance(rex, Literal) else self.name_of(rex) for rex in rexes]
        return names, [rex.value if isinstance(rex, Literal) else None for rex in rexes]

    def having(self, conditions: tuple[Rex, ...]) -> JsonMap:
        """HAVING as a filter on the result; what is no plain column goes through a post-aggregator."""
        resolver = _ResultColumns(self._names, self._types, self._context, self)
        condition = conjunction(list(conditions))
        assert condition is not None
        return resolver.filter(condition)

    def write(self, query: JsonMap) -> None:
        """Put aggregators and post-aggregators into the query."""
        query["aggregations"] = self._aggregators
        if self._posts:
            query["postAggregations"] = self._posts


class _ResultColumns(Columns):
    """The columns of a grouped result: an expression becomes a post-aggregator instead of a virtual column."""

    def __init__(self, names: list[str], types: list[str], context: PlannerContext, aggregation: Aggregation) -> None:
        super().__init__(names, types, context.functions, context.time_zone)
        self._aggregation = aggregation

    def field(self, rex: Rex) -> str:
        return self._aggregation.name_of(rex)


def _filtered(aggregator: JsonMap, condition: JsonMap) -> JsonMap:
    """An aggregator behind a filter; one that is filtered already gets both in one filter."""
    if aggregator["type"] == "filtered":
        both = {"type": "and", "fields": [aggregator["filter"], condition]}
        return {**aggregator, "filter": both}
    return {"type": "filtered", "aggregator": aggregator, "filter": condition, "name": aggregator["name"]}
