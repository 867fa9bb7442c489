"""The way into the query engines: one object that runs any query type over any segment."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from attrs import frozen

from nemeton.common.errors import illegal_state
from nemeton.query.control import Control
from nemeton.query.lookups import lazily_with_lookups, lookups_in_use
from nemeton.query.model.derived_sources import merge_filters
from nemeton.query.subqueries import SubqueryBudget
from nemeton.segment.errors import naming_segment
from nemeton.spi.query import ExpressionFunction

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.model.results import ResultColumns
    from nemeton.plugins import TypeRegistry
    from nemeton.query.model.base import BaseQuery
    from nemeton.query.spilling.merger import MergeSettings
    from nemeton.spi.lookups import LookupProvider
    from nemeton.spi.query import CancelToken, Merger, QueryControl, QueryToolChest
    from nemeton.time import Interval

Partial = Any


@frozen
class Scope:
    """Which part of a segment is read, and its name."""

    segment_id: str | None
    intervals: tuple[Interval, ...]
    is_local: bool = False
    rows: tuple[int, int] | None = None


def add_functions(registry: TypeRegistry) -> None:
    """Make the registry's expression functions known. The same one may come again: from another role, or cluster."""
    entries = registry.entries(ExpressionFunction)
    if not entries:
        return
    from nemeton.query.expressions.evaluate import register_class

    for name, entry in entries.items():
        if _added.get(name) != entry.item:
            register_class(name, entry.load()())
            _added[name] = entry.item


_added: dict[str, Any] = {}


def tool_chest(query: Any) -> QueryToolChest:
    """The tool chest of a query, imported at its first use."""
    cls = type(query)
    found: QueryToolChest | None = cls.__dict__.get("_tool_chest")
    if found is None:
        chest = cls.tool_chest
        if isinstance(chest, str):
            module, _, name = chest.partition(":")
            chest = getattr(importlib.import_module(module), name)
        found = chest()
        cls._tool_chest = found
    return found


def is_of_tables(query: BaseQuery) -> bool:
    """Whether segments of tables answer the query, and all the tables that it reads are those."""
    base = query.data_source.base
    return base.is_concrete and bool(base.table_names) and query.data_sources() == base.table_names


P = ParamSpec("P")
R = TypeVar("R")


def _finds_lookups(method: Callable[Concatenate[QueryEngine, P], R]) -> Callable[Concatenate[QueryEngine, P], R]:
    """While the method runs, or what it gives back is iterated, lookups are found where the engine's role has them."""

    @functools.wraps(method)
    def call(self: QueryEngine, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with lookups_in_use(self._lookups):
            made: Any = method(self, *args, **kwargs)
        if isinstance(made, Iterator):
            made = lazily_with_lookups(self._lookups, made)
        return cast(R, made)

    return call


class HoldingMerger:
    """Holds all partials until the last one has come. See `nemeton.spi.query.Merger`."""

    def __init__(self, query: BaseQuery, control: QueryControl) -> None:
        self._query = query
        self._control = control
        self._partials: dict[int, Partial] = {}

    def add(self, place: int, partial: Partial) -> None:
        """Hold it."""
        self._partials[place] = partial

    def result(self) -> Partial:
        """Merged in order of their places."""
        partials = [self._partials[place] for place in sorted(self._partials)]
        return tool_chest(self._query).merge(self._query, partials, self._control)

    def close(self) -> None:
        """Hold nothing any more."""
        self._partials = {}


class QueryEngine:
    """Runs native queries. Thread-safe; segments may be run from many threads at a time.

    A *partial* is what `run_segment` and `merge` return: opaque, specific to the query type, aggregates not finalised.
    `registry` is where extensions' expression functions are found; they become known to the whole process. `lookups`
    are those of the role; `merging` says what merging may take (none: Druid's defaults).
    """

    def __init__(
        self,
        registry: TypeRegistry | None = None,
        lookups: LookupProvider | None = None,
        merging: MergeSettings | None = None,
    ) -> None:
        self._lookups = lookups
        self._merging = merging
        if registry is not None:
            add_functions(registry)

    @_finds_lookups
    def run_segment(
        self,
        query: BaseQuery,
        segment: Segment,
        deadline: float | None = None,
        cancel: CancelToken | None = None,
        *,
        segment_id: str | None = None,
        interval: Interval | None = None,
        is_local: bool = False,
        rows: tuple[int, int] | None = None,
    ) -> Partial:
        """The partial answer of one segment, or (`is_local`) of rows in memory.

        `deadline` is in seconds of `time.monotonic()`. `interval` cuts what is read to a part of the segment, as a
        segment descriptor of the timeline says; `segment_id` is what results call it. `rows` are for queries of which
        `reads_parts` is true. Raises `QueryException` for a timeout, a cancellation or too large a result.
        """
        query = merge_filters(query)
        control = Control(deadline, cancel, query.id)
        control.check()
        intervals = query.interval_list if interval is None else tuple(query.intervals.clip(interval))
        with naming_segment(segment_id):
            segment = query.data_source.map_segment(segment, intervals)
            return tool_chest(query).run_segment(query, segment, Scope(segment_id, intervals, is_local, rows), control)

    def reads_parts(self, query: BaseQuery) -> bool:
        """Whether parts of a segment's rows can be read for themselves: see `QueryToolChest.reads_parts`."""
        source = query.data_source
        return source.is_concrete and source.base is source and tool_chest(query).reads_parts(query)

    @_finds_lookups
    def merge(
        self,
        query: BaseQuery,
        partials: Sequence[Partial],
        deadline: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Partial:
        """One partial of all; of none the partial of an empty data source."""
        merger = self.merger(query, deadline, cancel)
        try:
            for place, partial in enumerate(partials):
                merger.add(place, partial)
            return merger.result()
        except BaseException:
            merger.close()
            raise

    def merger(self, query: BaseQuery, deadline: float | None = None, cancel: CancelToken | None = None) -> Merger:
        """What merges partials as they come. To be closed when its result was read; a result that is dropped unread
        closes what it holds by itself.
        """
        control = Control(deadline, cancel, query.id)
        found = tool_chest(query).merger(query, control, self._merging)
        return HoldingMerger(query, control) if found is None else found

    @_finds_lookups
    def result_of(self, merger: Merger) -> Partial:
        """What the merger has merged."""
        return merger.result()

    @_finds_lookups
    def to_wire(self, query: BaseQuery, partial: Partial) -> Iterable[Any]:
        """JSON-able rows for a Broker: Druid's native result format, aggregates not finalised."""
        return tool_chest(query).to_wire(query, partial)

    def for_data_server(self, query: BaseQuery) -> BaseQuery:
        """The query as a Broker passes it on to data servers."""
        passed: BaseQuery = tool_chest(query).for_data_server(query)
        return passed

    @_finds_lookups
    def from_wire(self, query: BaseQuery, rows: Iterable[Any]) -> Partial:
        """The partial of rows that a data server sent."""
        return tool_chest(query).from_wire(query, rows)

    @_finds_lookups
    def to_blocks(self, query: BaseQuery, partial: Partial) -> Iterator[bytes] | None:
        """As `to_wire`, for a Broker of nemeton; see `QueryToolChest.to_blocks`."""
        return tool_chest(query).to_blocks(query, partial)

    @_finds_lookups
    def from_blocks(self, query: BaseQuery, blocks: Iterable[bytes]) -> Partial:
        """The partial of pieces that a data server of nemeton sent."""
        return tool_chest(query).from_blocks(query, blocks)

    def is_streamed(self, query: BaseQuery) -> bool:
        """Whether partials are read, and given on, row by row."""
        return tool_chest(query).is_streamed(query)

    def merges_streams(self, query: BaseQuery) -> bool:
        """Whether `from_wire` may be given rows that still arrive; see `QueryToolChest.merges_streams`."""
        return tool_chest(query).merges_streams(query)

    def in_chunks(self, query: BaseQuery, results: Iterable[Any], rows: int) -> Iterator[list[Any]]:
        """The result objects in lists of about so many rows."""
        weight = tool_chest(query).result_weight
        chunk: list[Any] = []
        held = 0
        for result in results:
            chunk.append(result)
            held += weight(result)
            if held >= rows:
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk

    def is_cacheable(self, query: BaseQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Whether answers may be kept: those of segments, or whole ones."""
        return tool_chest(query).is_cacheable(query, on_broker=on_broker, by_segment=by_segment)

    @_finds_lookups
    def to_cache(self, query: BaseQuery, partial: Partial) -> Iterable[Any]:
        """JSON-able rows from which `from_cache` makes the partial again."""
        return tool_chest(query).to_cache(query, partial)

    @_finds_lookups
    def from_cache(self, query: BaseQuery, rows: Iterable[Any]) -> Partial:
        """The partial of one segment that was kept."""
        return tool_chest(query).from_cache(query, rows)

    @_finds_lookups
    def finalise(self, query: BaseQuery, partial: Partial) -> Iterable[Any]:
        """The result objects as the client gets them. May be lazy; ask it in the thread that holds the segments."""
        return tool_chest(query).finalise(query, partial)

    @_finds_lookups
    def result_columns(self, query: BaseQuery, partial: Partial) -> Iterator[ResultColumns] | None:
        """As `finalise`, by column; see `QueryToolChest.result_columns`."""
        return tool_chest(query).result_columns(query, partial)

    @_finds_lookups
    def to_segment(self, query: BaseQuery, partial: Partial, *, with_times: bool = True) -> Segment:
        """The finished answer as an in-memory segment, for an outer query; see `QueryToolChest.to_segment`."""
        return tool_chest(query).to_segment(query, partial, with_times=with_times)

    def resolved(
        self,
        query: BaseQuery,
        run_tables: Callable[[BaseQuery], Partial],
        deadline: float | None = None,
        cancel: CancelToken | None = None,
        budget: SubqueryBudget | None = None,
    ) -> BaseQuery:
        """The query with its inner queries answered; see `execute`. `budget` is that of the query around it."""
        direct: Any = getattr(query.data_source, "query", None)
        spent = budget or SubqueryBudget(query.query_context)

        def rows_of(inner: Any) -> Segment:
            if inner is direct and tool_chest(query).can_perform_subquery(inner):
                # as in Druid, a groupBy over a groupBy has the bounds of the groupBy alone
                answer = self.execute_partial(inner, run_tables, deadline, cancel, spent)
                return self.to_segment(inner, answer, with_times=True)
            spent.start()
            most = spent.most_rows
            asked = inner if most is None else tool_chest(inner).with_most_rows(inner, most + 1)
            answer = self.execute_partial(asked, run_tables, deadline, cancel, spent)
            rows = self.to_segment(asked, answer, with_times=False)
            spent.take(rows)
            return rows

        return query.with_data_source(query.data_source.resolved(rows_of))

    def execute(
        self,
        query: BaseQuery,
        run_tables: Callable[[BaseQuery], Partial],
        deadline: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterable[Any]:
        """The result objects of a query with any data source.

        `run_tables` answers a query that is based on tables with one merged partial: it finds the segments of
        `query.data_sources()` and gives each to `run_segment`. Inner queries, and rows that are here, are dealt with
        by this method.
        """
        return self.finalise(query, self.execute_partial(query, run_tables, deadline, cancel))

    @_finds_lookups
    def execute_partial(
        self,
        query: BaseQuery,
        run_tables: Callable[[BaseQuery], Partial],
        deadline: float | None = None,
        cancel: CancelToken | None = None,
        budget: SubqueryBudget | None = None,
    ) -> Partial:
        """As `execute`, before finalising."""
        parts = cast("Sequence[BaseQuery]", tool_chest(query).parts(query))
        if parts:
            segments = []
            for part in parts:  # one by one: an answer may hold its segments until it is read
                answer = self.execute_partial(part, run_tables, deadline, cancel, budget)
                segments.append(self.to_segment(part, answer, with_times=False))
            return self.merge(query, segments, deadline, cancel)
        resolved = self.resolved(query, run_tables, deadline, cancel, budget)
        base = resolved.data_source.base
        segment = base.local_segment()
        if segment is not None:
            tool_chest(query).check_local(query)
            named = getattr(segment, "id", None)
            partial = self.run_segment(resolved, segment, deadline, cancel, segment_id=named, is_local=True)
            return self.merge(resolved, [partial], deadline, cancel)
        if is_of_tables(resolved):
            return self._read_tables(resolved, run_tables, deadline, cancel)
        # Druid's words; a table on the right of a join has to be made a query
        raise illegal_state(f"Cannot handle subquery structure for dataSource: {query.data_source}")

    def _read_tables(
        self,
        query: BaseQuery,
        run_tables: Callable[[BaseQuery], Partial],
        deadline: float | None,
        cancel: CancelToken | None,
    ) -> Partial:
        passes = query.data_source.base.passes()
        if len(passes) == 1:
            return run_tables(query)
        asked = [query.with_data_source(query.data_source.with_base(each)) for each in passes]
        return self.merge(query, [run_tables(each) for each in asked], deadline, cancel)
