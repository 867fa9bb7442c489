"""From the logical to the physical plan: as much as possible into native queries, the rest on their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from nemeton.sql.binder.constants import fold
from nemeton.sql.catalog import DRUID_SCHEMA
from nemeton.sql.context import PlannerContext
from nemeton.sql.errors import unsupported_sql
from nemeton.sql.logical import Aggregate, Field, Filter, Project, Rel, Scan, Sort, Union, Unnest, Values
from nemeton.sql.native.partial import Grouping, Partial, Source, Unnesting
from nemeton.sql.native.queries import NativeBuilder
from nemeton.sql.native.virtual import Columns
from nemeton.sql.physical import (
    Concatenate,
    JoinOnGroups,
    NativeQuery,
    Physical,
    PickColumns,
    Rows,
    SortRows,
    SystemRows,
)
from nemeton.sql.rex import AggCall, Call, InputRef, Literal, Rex, SubqueryValue, transform, walk
from nemeton.sql.types import BOOLEAN

#: Runs a physical plan and gives its rows: planning needs it for subqueries inside of expressions.
RowRunner = Callable[[Physical], list[tuple[Any, ...]]]


@frozen
class Planner:
    """Plans one statement. `run` executes the subqueries of conditions while planning."""

    context: PlannerContext
    run: RowRunner

    def plan(self, rel: Rel) -> Physical:
        """The physical plan; UNSUPPORTED or INVALID_INPUT when there is none."""
        planned = self._plan(rel)
        return self._finish(planned) if isinstance(planned, Partial) else planned

    def _finish(self, partial: Partial) -> Physical:
        if partial.grouping is not None and not partial.grouping.is_plain:
            return self._grouping_sets(partial, partial.grouping)
        distinct = self._distinct_counts(partial)
        return distinct if distinct is not None else NativeBuilder(self.context).build(partial)

    def _plan(self, rel: Rel) -> Partial | Physical:
        if isinstance(rel, Scan):
            return self._scan(rel)
        if isinstance(rel, Values):
            return Rows(rel.fields, rel.rows)
        if isinstance(rel, Filter):
            return self._filter(rel)
        if isinstance(rel, Project):
            return self._project(rel)
        if isinstance(rel, Unnest):
            return self._unnest(rel)
        if isinstance(rel, Aggregate):
            grouping = Grouping(rel.groups, rel.aggregates, rel.sets, rel.fields)
            return self._push(rel.input, lambda partial: partial.grouped(self._resolved_grouping(grouping)))
        if isinstance(rel, Sort):
            return self._push(rel.input, lambda partial: partial.sorted(rel.keys, rel.offset, rel.limit))
        if isinstance(rel, Union):
            return self._union(rel)
        raise unsupported_sql(type(rel).__name__)

    def _scan(self, rel: Scan) -> Partial:
        names = tuple(column.name for column in rel.table.columns)
        if rel.table.schema == DRUID_SCHEMA:
            return Partial.of(Source(names, rel.fields, table=rel.table.name))
        return Partial.of(Source(names, rel.fields, plan=SystemRows(rel.fields, rel.table.rows)))

    def _unnest(self, rel: Unnest) -> Partial:
        """A data source that unnests, over a table."""
        below = self._plan(rel.input)
        whole = isinstance(below, Partial) and _is_bare(below) and below.outputs == Partial.of(below.source).outputs
        if not isinstance(below, Partial) or not whole:
            raise unsupported_sql("UNNEST over anything but a table")
        source = below.source
        name = f"j{len(source.unnestings)}.unnest"
        types = [column.type.native for column in source.fields]
        columns = Columns(source.names, types, self.context.functions, self.context.time_zone)
        made = Unnesting(name, columns.expression(rel.array), rel.array.type.native)
        return Partial.of(
            evolve(source, names=(*source.names, name), fields=rel.fields, unnestings=(*source.unnestings, made))
        )

    def _push(self, rel: Rel, push: Callable[[Partial], Partial | None]) -> Partial:
        """The operator pushed into the input's query, or into a new query over its rows."""
        below = self._plan(rel)
        if isinstance(below, Partial):
            pushed = push(below)
            if pushed is not None:
                return pushed
            below = self._finish(below)
        pushed = push(self._over(below))
        assert pushed is not None
        return pushed

    def _over(self, plan: Physical) -> Partial:
        """A query over the rows of another: nested in it, or over rows inline, which are named by position."""
        if isinstance(plan, NativeQuery) and plan.query["queryType"] == "groupBy" and None not in plan.columns:
            nested = tuple(name for name in plan.columns if name is not None)
            return Partial.of(Source(nested, plan.fields, plan=plan, nested=True))
        names = tuple(f"_c{index}" for index in range(len(plan.fields)))
        return Partial.of(Source(names, plan.fields, plan=plan))

    def _filter(self, rel: Filter) -> Partial:
        condition = self._resolve(rel.condition)
        return self._push(rel.input, lambda partial: partial.filtered(condition))

    def _project(self, rel: Project) -> Partial | Physical:
        expressions = tuple(self._resolve(rex) for rex in rel.expressions)
        if isinstance(rel.input, Values) and all(isinstance(rex, (Literal, InputRef)) for rex in expressions):
            rows = tuple(
                tuple(rex.value if isinstance(rex, Literal) else row[rex.index] for rex in expressions)  # type: ignore[attr-defined]
                for row in rel.input.rows
            )
            return Rows(rel.fields, rows)
        if isinstance(rel.input, Values) and not rel.input.fields:
            dummy = Rows((Field("$row", BOOLEAN),), tuple((True,) for _ in rel.input.rows))
            partial = self._over(dummy).projected(rel.fields, expressions)
            assert partial is not None
            return partial
        below = self._plan(rel.input)
        if isinstance(below, Partial):
            pushed = below.projected(rel.fields, expressions)
            assert pushed is not None
            return pushed
        pushed = self._over(below).projected(rel.fields, expressions)
        assert pushed is not None
        return pushed

    def _union(self, rel: Union) -> Partial | Physical:
        parts = [self._plan(item) for item in rel.inputs]
        tables = [part for part in parts if isinstance(part, Partial) and _is_bare(part)]
        unnests = any(part.source.unnestings for part in tables)
        if len(tables) == len(parts) and len({_shape(part) for part in tables}) == 1 and not unnests:
            source = evolve(tables[0].source, table=None, union=tuple(str(part.source.table) for part in tables))
            return evolve(tables[0], source=source, fields=rel.fields)
        plans = [self._finish(part) if isinstance(part, Partial) else part for part in parts]
        return Concatenate(rel.fields, tuple(plans))

    # --- subqueries in expressions --------------------------------------------------------------------------------

    def _resolve(self, rex: Rex) -> Rex:
        """Run the subqueries in an expression and put their values in their place."""
        if not any(isinstance(node, SubqueryValue) for node in walk(rex)):
            return rex
        return transform(rex, lambda node: self._value(node) if isinstance(node, SubqueryValue) else None)

    def _value(self, node: SubqueryValue) -> Rex:
        rows = self.run(self.plan(node.plan))
        kind = node.plan.fields[0].type
        if node.operand is None:
            if len(rows) > 1:
                raise unsupported_sql("A scalar subquery of more than one row")
            return Literal(node.type, rows[0][0] if rows else None)
        values = list(dict.fromkeys(row[0] for row in rows))
        if not values:
            return Literal(BOOLEAN, False)
        return Call(BOOLEAN, "IN", (self._resolve(node.operand), *(Literal(kind, value) for value in values)))

    def _resolved_grouping(self, grouping: Grouping) -> Grouping:
        calls = tuple(
            evolve(call, filter=self._resolve(call.filter)) if call.filter is not None else call
            for call in grouping.calls
        )
        return evolve(grouping, calls=calls)

    # --- grouping sets --------------------------------------------------------------------------------------------

    def _grouping_sets(self, partial: Partial, grouping: Grouping) -> Physical:
        """One query per grouping set, one after the other: so order, limit and GROUPING() count for all sets together.

        (Druid's ``subtotalsSpec`` is one query, whose limit and order are per set.)
        """
        wide, keys = partial.unsorted()
        parts = tuple(self._finish(self._one_set(wide, grouping, chosen)) for chosen in grouping.sets)
        rows: Physical = Concatenate(wide.fields, parts)
        if keys or partial.is_cut:
            rows = SortRows(wide.fields, rows, keys, partial.offset, partial.limit)
        if len(wide.outputs) > len(partial.outputs):
            rows = PickColumns(partial.fields, rows, tuple(range(len(partial.outputs))))
        return rows

    def _one_set(self, partial: Partial, grouping: Grouping, chosen: tuple[int, ...]) -> Partial:
        """The query for one grouping set: groups that are not in it are NULL, GROUPING() is a constant."""
        width = len(grouping.groups)
        kept = [index for index, call in enumerate(grouping.calls) if call.name != "GROUPING"]
        values: dict[int, Rex] = {}
        fields: list[Field] = []
        for index in range(width):
            kind = grouping.fields[index].type
            if index in chosen:
                values[index] = InputRef(kind, len(fields))
                fields.append(grouping.fields[index])
            else:
                values[index] = Literal(kind, None)
        for index, call in enumerate(grouping.calls):
            if index in kept:
                values[width + index] = InputRef(call.type, len(fields))
                fields.append(grouping.fields[width + index])
            else:
                values[width + index] = Literal(call.type, _grouping_id(call, grouping, chosen))
        groups = tuple(grouping.groups[index] for index in chosen)
        calls = tuple(grouping.calls[index] for index in kept)
        one = Grouping(groups, calls, (tuple(range(len(groups))),), tuple(fields))

        def seen(rex: Rex) -> Rex:
            return transform(rex, lambda node: values[node.index] if isinstance(node, InputRef) else None)

        return evolve(
            partial,
            grouping=one,
            having=tuple(fold(seen(condition), self.context.zone) for condition in partial.having),
            outputs=tuple(seen(rex) for rex in partial.outputs),
        )

    # --- distinct aggregates --------------------------------------------------------------------------------------

    def _has_distinct(self, partial: Partial) -> bool:
        return partial.grouping is not None and any(call.distinct for call in partial.grouping.calls)

    def _distinct_counts(self, partial: Partial) -> Physical | None:
        """Exact distinct aggregates: each over the distinct values of its own inner groupBy, put together by group.

        One query per distinct argument, beside the one for the plain aggregates, stays right when arguments are
        multi-value columns, where one groupBy by all of them would multiply the rows under the other aggregates.
        """
        grouping = partial.grouping
        if grouping is None or not self._has_distinct(partial):
            return None
        before = evolve(partial, grouping=None, having=(), order=(), offset=0, limit=None, fields=(), outputs=())
        if len(grouping.calls) == 1 and grouping.calls[0].filter is None:
            outer = self._outer_partial(before, grouping, grouping.calls[0])
            return self._above(partial, outer, len(grouping.groups), [0])
        plain = [index for index, call in enumerate(grouping.calls) if not call.distinct]
        inputs: list[Physical] = []
        order: list[int] = []
        if plain or grouping.groups:
            inputs.append(self._plain_part(before, grouping, plain))
            order.extend(plain)
        for index, call in enumerate(grouping.calls):
            if call.distinct:
                inputs.append(self._distinct_part(before, grouping, call))
                order.append(index)
        width = len(grouping.groups)
        fields = tuple(grouping.fields[:width]) + tuple(grouping.fields[width + index] for index in order)
        defaults = tuple(0 if grouping.calls[index].name == "COUNT" else None for index in order)
        joined = JoinOnGroups(fields, tuple(inputs), width, defaults)
        return self._above(partial, joined, width, order)

    def _plain_part(self, before: Partial, grouping: Grouping, plain: list[int]) -> Physical:
        width = len(grouping.groups)
        calls = tuple(grouping.calls[index] for index in plain)
        fields = grouping.fields[:width] + tuple(grouping.fields[width + index] for index in plain)
        return self._finish(_regrouped(before, Grouping(grouping.groups, calls, grouping.sets, fields)))

    def _distinct_part(self, before: Partial, grouping: Grouping, call: AggCall) -> Physical:
        return NativeBuilder(self.context).build(self._outer_partial(before, grouping, call))

    def _outer_partial(self, before: Partial, grouping: Grouping, call: AggCall) -> Partial:
        """The aggregate over the distinct values, without its DISTINCT and FILTER, which the inner query has done."""
        width = len(grouping.groups)
        where = before.where + ((call.filter,) if call.filter is not None else ())
        groups = grouping.groups + call.args
        fields = grouping.fields[:width] + tuple(Field(f"$arg{index}", arg.type) for index, arg in enumerate(call.args))
        inner = Grouping(groups, (), (tuple(range(len(groups))),), fields)
        rows = self._finish(_regrouped(evolve(before, where=where), inner))
        over = self._over(rows)
        outer_groups = tuple(InputRef(field.type, index) for index, field in enumerate(fields[:width]))
        args = tuple(InputRef(field.type.with_nullable(True), width + i) for i, field in enumerate(fields[width:]))
        outer_call = evolve(call, args=args, distinct=False, filter=None)
        field = grouping.fields[width + grouping.calls.index(call)]
        outer = Grouping(outer_groups, (outer_call,), (tuple(range(width)),), (*fields[:width], field))
        pushed = over.grouped(outer)
        assert pushed is not None
        return pushed

    def _above(self, partial: Partial, joined: Physical | Partial, width: int, order: list[int]) -> Physical:
        """HAVING, the outputs, the order and the limit of the original query, over the aggregates."""
        position = {index: index for index in range(width)}
        position.update({width + index: width + place for place, index in enumerate(order)})

        def moved(rex: Rex) -> Rex:
            return transform(rex, lambda r: InputRef(r.type, position[r.index]) if isinstance(r, InputRef) else None)

        having = tuple(moved(condition) for condition in partial.having)
        if isinstance(joined, Partial):
            above = evolve(joined, having=having)
        else:
            above = evolve(self._over(joined), where=having)
        above = evolve(
            above,
            fields=partial.fields,
            outputs=tuple(moved(rex) for rex in partial.outputs),
            order=tuple(evolve(key, rex=moved(key.rex)) for key in partial.order),
            offset=partial.offset,
            limit=partial.limit,
        )
        return NativeBuilder(self.context).build(above)


def _regrouped(before: Partial, grouping: Grouping) -> Partial:
    """A query with another aggregation over the same source and condition; its expressions are over the source."""
    outputs = tuple(InputRef(field.type, index) for index, field in enumerate(grouping.fields))
    return evolve(before, grouping=grouping, fields=grouping.fields, outputs=outputs)


def _grouping_id(call: AggCall, grouping: Grouping, chosen: tuple[int, ...]) -> int:
    """A bit for each argument, the first highest: 1 where the set leaves the group out."""
    bits = [0 if grouping.groups.index(arg) in chosen else 1 for arg in call.args]
    return sum(bit << place for place, bit in enumerate(reversed(bits)))


def _is_bare(partial: Partial) -> bool:
    """A table's columns and nothing else, so that a union data source can read it."""
    return (
        partial.source.table is not None
        and partial.grouping is None
        and not partial.where
        and not partial.order
        and not partial.is_cut
        and all(isinstance(rex, InputRef) for rex in partial.outputs)
    )


def _shape(partial: Partial) -> tuple[Any, ...]:
    return tuple(
        (partial.source.names[rex.index], rex.type.native) for rex in partial.outputs if isinstance(rex, InputRef)
    )
