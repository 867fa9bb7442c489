"""The choice of the native query: timeseries, topN, groupBy or scan, as Druid chooses."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from nemeton.sql.catalog import TIME_COLUMN
from nemeton.sql.context import APPROXIMATE_TOP_N, MAX_TOP_N_LIMIT, PlannerContext
from nemeton.sql.errors import not_plannable
from nemeton.sql.functions.times import UNIT_PERIODS
from nemeton.sql.logical import SortKey
from nemeton.sql.native.aggregation import Aggregation
from nemeton.sql.native.intervals import ALL_TIME, split_time
from nemeton.sql.native.partial import Grouping, OrderKey, Partial, Source
from nemeton.sql.native.virtual import Columns
from nemeton.sql.physical import NativeQuery, Physical, PickColumns, Rows, SortRows
from nemeton.sql.rex import Call, InputRef, Literal, Rex, conjunction
from nemeton.time import Interval

JsonMap = dict[str, Any]


@frozen
class NativeBuilder:
    """Builds the native query of one finished :class:`Partial`. Stateless beside its context."""

    context: PlannerContext

    def build(self, partial: Partial) -> Physical:
        """The query, with whatever it cannot do itself on top."""
        if partial.limit == 0:
            return Rows(partial.fields, ())
        if partial.grouping is None:
            return self._scan(partial)
        return self._aggregate(partial, partial.grouping)

    # --- common parts ---------------------------------------------------------------------------------------------

    def _columns(self, source: Source) -> Columns:
        natives = [field.type.native for field in source.fields]
        return Columns(source.names, natives, self.context.functions, self.context.time_zone)

    def _start(self, kind: str, partial: Partial, columns: Columns) -> JsonMap:
        """Type, data source, intervals and filter."""
        source = partial.source
        time_index = source.names.index(TIME_COLUMN) if source.is_table and TIME_COLUMN in source.names else None
        times, rest = split_time(list(partial.where), time_index)
        intervals = [str(interval) for interval in times.intervals] or [str(Interval(0, 0))]
        query: JsonMap = {"queryType": kind, "dataSource": data_source(source)}
        query["intervals"] = {"type": "intervals", "intervals": intervals}
        condition = conjunction(rest)
        if not times.intervals:
            query["intervals"]["intervals"] = [str(ALL_TIME.intervals[0])]
            query["filter"] = {"type": "false"}
        elif condition is not None and not _always(condition):
            query["filter"] = columns.filter(condition)
        return query

    def _finish(self, query: JsonMap, columns: Columns, partial: Partial, **context: Any) -> JsonMap:
        virtual = columns.virtual_columns()
        if virtual:
            query["virtualColumns"] = virtual
        query["context"] = {**self.context.query_context, **context}
        return query

    def _native(self, query: JsonMap, partial: Partial, names: list[str | None], constants: list[Any]) -> NativeQuery:
        source = partial.source
        return NativeQuery(
            partial.fields, query, tuple(names), tuple(constants), source.plan, source.names, source.nested
        )

    # --- scan -----------------------------------------------------------------------------------------------------

    def _scan(self, partial: Partial) -> Physical:
        partial = evolve(partial, order=tuple(key for key in partial.order if not isinstance(key.rex, Literal)))
        by_time = self._time_order(partial)
        if partial.order and by_time is None and partial.source.is_table:
            raise not_plannable(
                "SQL query requires ordering a table by non-time column "
                f"[[{', '.join(self._order_name(partial, key) for key in partial.order)}]], which is not supported."
            )
        plain = self._plain_rows(partial)
        if plain is not None:
            return plain
        if partial.order and by_time is None:
            return self._sorted_scan(partial)
        columns = self._columns(partial.source)
        query = self._start("scan", partial, columns)
        names, constants = self._outputs(partial, columns)
        query["resultFormat"] = "compactedList"
        query["columns"] = list(dict.fromkeys(name for name in names if name is not None)) or [
            self._any_column(partial)
        ]
        if partial.limit is not None:
            query["limit"] = partial.limit
        if partial.offset:
            query["offset"] = partial.offset
        if by_time is not None:
            query["order"] = by_time
            if TIME_COLUMN not in query["columns"]:
                query["columns"].append(TIME_COLUMN)
        query["granularity"] = {"type": "all"}
        return self._native(self._finish(query, columns, partial), partial, names, constants)

    def _plain_rows(self, partial: Partial) -> Physical | None:
        """Rows in memory that are only ordered, cut and picked need no native query."""
        plan = partial.source.plan
        refs = [
            rex.index for rex in (*partial.outputs, *(key.rex for key in partial.order)) if isinstance(rex, InputRef)
        ]
        if plan is None or partial.where or len(refs) < len(partial.outputs) + len(partial.order):
            return None
        keys = tuple(
            SortKey(index, key.descending, key.nulls_first)
            for index, key in zip(refs[len(partial.outputs) :], partial.order, strict=True)
        )
        if keys or partial.is_cut:
            plan = SortRows(plan.fields, plan, keys, partial.offset, partial.limit)
        return PickColumns(partial.fields, plan, tuple(refs[: len(partial.outputs)]))

    def _outputs(self, partial: Partial, columns: Columns) -> tuple[list[str | None], list[Any]]:
        names: list[str | None] = []
        constants: list[Any] = []
        for rex in partial.outputs:
            constant = isinstance(rex, Literal)
            names.append(None if constant else columns.field(rex))
            constants.append(rex.value if isinstance(rex, Literal) else None)
        return names, constants

    def _any_column(self, partial: Partial) -> str:
        """A scan must read something, even when all that is asked for are constants."""
        return partial.source.names[0] if partial.source.names else TIME_COLUMN

    def _time_order(self, partial: Partial) -> str | None:
        if len(partial.order) != 1 or not partial.source.is_table:
            return None
        key = partial.order[0]
        if isinstance(key.rex, InputRef) and partial.source.names[key.rex.index] == TIME_COLUMN:
            return "descending" if key.descending else "ascending"
        return None

    def _order_name(self, partial: Partial, key: OrderKey) -> str:
        for field, rex in zip(partial.fields, partial.outputs, strict=True):
            if rex == key.rex and not field.name.startswith("$"):
                return field.name
        return self._columns(partial.source).expression(key.rex).strip('"')

    def _sorted_scan(self, partial: Partial) -> Physical:
        """Rows in memory may be ordered by anything: the keys are read along and the rows sorted afterwards."""
        wide, keys = partial.unsorted()
        ordered = SortRows(wide.fields, self._scan(wide), keys, partial.offset, partial.limit)
        if len(wide.outputs) == len(partial.outputs):
            return ordered
        return PickColumns(partial.fields, ordered, tuple(range(len(partial.outputs))))

    # --- aggregations ---------------------------------------------------------------------------------------------

    def _aggregate(self, partial: Partial, grouping: Grouping) -> Physical:
        columns = self._columns(partial.source)
        aggregation = Aggregation.of(grouping, columns, self.context)
        if partial.source.nested:  # a groupBy reads another one without its rows being held
            return self._group_by(partial, grouping, columns, aggregation)
        choice = self._timeseries(partial, grouping, columns, aggregation)
        if choice is None:
            choice = self._top_n(partial, grouping, columns, aggregation)
        return choice or self._group_by(partial, grouping, columns, aggregation)

    def _timeseries(
        self, partial: Partial, grouping: Grouping, columns: Columns, aggregation: Aggregation
    ) -> Physical | None:
        if partial.having or len(grouping.groups) > 1 or partial.offset:
            return None
        granularity: Any = {"type": "all"}
        context: JsonMap = {}
        descending = False
        if grouping.groups:
            granularity = self._granularity(grouping.groups[0], partial.source)
            if granularity is None or not _only_group_order(partial.order):
                return None
            descending = bool(partial.order) and partial.order[0].descending
            context = {"skipEmptyBuckets": True, "timestampResultField": "d0"}
        query = self._start("timeseries", partial, columns)
        if descending:
            query["descending"] = True
        query["granularity"] = granularity
        if partial.limit is not None:
            query["limit"] = partial.limit
        names, constants = aggregation.outputs(partial.outputs)
        aggregation.write(query)
        return self._native(self._finish(query, columns, partial, **context), partial, names, constants)

    def _granularity(self, group: Rex, source: Source) -> Any:
        """The granularity that a floor of ``__time`` is; None for any other expression."""
        if (
            not isinstance(group, Call)
            or not source.is_table
            or group.op not in ("TIME_FLOOR", "FLOOR_TO", "DATE_TRUNC")
        ):
            return None
        args = group.args if group.op != "DATE_TRUNC" else (group.args[1], group.args[0], *group.args[2:])
        time, period, *rest = args
        if not isinstance(time, InputRef) or source.names[time.index] != TIME_COLUMN or not isinstance(period, Literal):
            return None
        if not all(isinstance(extra, Literal) for extra in rest):
            return None
        text = period.value if group.op == "TIME_FLOOR" else UNIT_PERIODS.get(str(period.value).upper())
        origin = rest[0].value if rest and isinstance(rest[0], Literal) else None
        zone = rest[1].value if len(rest) > 1 and isinstance(rest[1], Literal) else self.context.time_zone
        return granularity(text, origin, zone or self.context.time_zone)

    def _top_n(
        self, partial: Partial, grouping: Grouping, columns: Columns, aggregation: Aggregation
    ) -> Physical | None:
        limit = partial.limit
        if (
            len(grouping.groups) != 1
            or partial.having
            or partial.offset
            or limit is None
            or limit > MAX_TOP_N_LIMIT
            or len(partial.order) > 1
            or grouping.groups[0].type.is_array
            or not self.context.flag(APPROXIMATE_TOP_N, True)
        ):
            return None
        if partial.order and partial.order[0].nulls_first is not None:
            return None
        query = self._start("topN", partial, columns)
        dimension = aggregation.dimensions[0]
        query["dimension"] = dimension
        metric = self._metric(partial.order, dimension, aggregation)
        if metric is None:
            return None
        query["metric"] = metric
        query["threshold"] = limit
        query["granularity"] = {"type": "all"}
        names, constants = aggregation.outputs(partial.outputs)
        aggregation.write(query)
        return self._native(self._finish(query, columns, partial), partial, names, constants)

    def _metric(self, order: tuple[OrderKey, ...], dimension: JsonMap, aggregation: Aggregation) -> JsonMap | None:
        ordering = _ordering(dimension["outputType"])
        if not order:
            return {"type": "dimension", "ordering": ordering}
        name = aggregation.name_of(order[0].rex)
        if name == dimension["outputName"]:
            by_name: JsonMap = {"type": "dimension", "ordering": ordering}
            return {"type": "inverted", "metric": by_name} if order[0].descending else by_name
        if not order[0].rex.type.is_numeric:
            return None
        numeric: JsonMap = {"type": "numeric", "metric": name}
        return numeric if order[0].descending else {"type": "inverted", "metric": numeric}

    def _group_by(self, partial: Partial, grouping: Grouping, columns: Columns, aggregation: Aggregation) -> Physical:
        residual = any(key.nulls_first is not None for key in partial.order)
        if residual:
            return self._sorted_groups(partial, grouping)
        query = self._start("groupBy", partial, columns)
        query["granularity"] = {"type": "all"}
        query["dimensions"] = aggregation.dimensions
        if partial.having:
            query["having"] = {"type": "filter", "filter": aggregation.having(partial.having), "finalize": True}
        order = [self._order_column(key, aggregation) for key in partial.order if not isinstance(key.rex, Literal)]
        output_names, constants = aggregation.outputs(partial.outputs)
        aggregation.write(query)
        if order or partial.limit is not None or partial.offset:
            query["limitSpec"] = {"type": "default", "columns": order}
            if partial.offset:
                query["limitSpec"]["offset"] = partial.offset
            if partial.limit is not None:
                query["limitSpec"]["limit"] = partial.limit
        return self._native(self._finish(query, columns, partial), partial, output_names, constants)

    def _sorted_groups(self, partial: Partial, grouping: Grouping) -> Physical:
        """NULLS FIRST and NULLS LAST against the native order: sorted afterwards."""
        wide, keys = partial.unsorted()
        ordered = SortRows(wide.fields, self._aggregate(wide, grouping), keys, partial.offset, partial.limit)
        return PickColumns(partial.fields, ordered, tuple(range(len(partial.outputs))))

    def _order_column(self, key: OrderKey, aggregation: Aggregation) -> JsonMap:
        return {
            "dimension": aggregation.name_of(key.rex),
            "direction": "descending" if key.descending else "ascending",
            "dimensionOrder": {"type": _ordering(key.rex.type.native)},
        }


def _only_group_order(order: tuple[OrderKey, ...]) -> bool:
    """No order, or by the one group, with nulls where they are anyway (a floor of ``__time`` has none)."""
    if not order:
        return True
    return len(order) == 1 and isinstance(order[0].rex, InputRef) and order[0].rex.index == 0


def _always(condition: Rex) -> bool:
    return isinstance(condition, Literal) and condition.value is True


def _ordering(native: str) -> str:
    if native == "STRING":
        return "lexicographic"
    return "arrayNumeric" if native.startswith("ARRAY") else "numeric"


_NAMED_PERIODS = {
    "PT1S": "SECOND",
    "PT1M": "MINUTE",
    "PT5M": "FIVE_MINUTE",
    "PT10M": "TEN_MINUTE",
    "PT15M": "FIFTEEN_MINUTE",
    "PT30M": "THIRTY_MINUTE",
    "PT1H": "HOUR",
    "PT6H": "SIX_HOUR",
    "PT8H": "EIGHT_HOUR",
    "P1D": "DAY",
    "P1W": "WEEK",
    "P1M": "MONTH",
    "P3M": "QUARTER",
    "P1Y": "YEAR",
}


def granularity(period: Any, origin: int | None, time_zone: str) -> Any:
    """The JSON of a period granularity; plain ones in UTC by their names."""
    if not isinstance(period, str):
        return None
    if origin is None and time_zone == "UTC" and period in _NAMED_PERIODS:
        return _NAMED_PERIODS[period]
    spec: JsonMap = {"type": "period", "period": period, "timeZone": time_zone}
    if origin is not None:
        from nemeton.time import format_datetime

        spec["origin"] = format_datetime(origin)
    return spec


def data_source(source: Source) -> Any:
    """The JSON of the data source; rows that are not known yet leave a place for the executor."""
    if source.table is not None:
        found: Any = {"type": "table", "name": source.table}
        for each in source.unnestings:
            column = {"type": "expression", "name": each.name, "expression": each.expression, "outputType": each.native}
            found = {"type": "unnest", "base": found, "virtualColumn": column, "unnestFilter": None}
        return found
    if source.union:
        return {"type": "union", "dataSources": [{"type": "table", "name": name} for name in source.union]}
    return None
