"""The data sources that make other rows of those of a base: filter, unnest, join."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.common.once import Once
from nemeton.json.wire import wire
from nemeton.plugins import json_type
from nemeton.spi.query import DataSource, DimFilter, Query, VirtualColumn

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.time import Interval


class DerivedDataSource(DataSource):
    """One that maps the segments of another."""

    @property
    @abstractmethod
    def _inner(self) -> DataSource:
        """The one whose segments are mapped."""

    @abstractmethod
    def _over(self, inner: DataSource) -> DataSource:
        """This one over another."""

    @property
    def table_names(self) -> frozenset[str]:
        """The tables of the inner one."""
        return self._inner.table_names

    @property
    def base(self) -> DataSource:
        """The inner one's."""
        return self._inner.base

    def with_base(self, base: DataSource) -> DataSource:
        """The same over another base."""
        return self._over(self._inner.with_base(base))

    def resolved(self, rows_of: Callable[[Query], Segment]) -> DataSource:
        """The inner one with its queries answered."""
        return self._over(self._inner.resolved(rows_of))


@frozen
class OverOne(DerivedDataSource):
    """One that is over one other alone."""

    # `base` is the JSON's name for the inner data source, and the interface's for the innermost
    inner: DataSource = field(metadata=wire("base"))

    @property
    def _inner(self) -> DataSource:
        return self.inner

    def _over(self, inner: DataSource) -> DataSource:
        return evolve(self, inner=inner)

    @property
    def is_concrete(self) -> bool:
        """When the inner one is."""
        return self.inner.is_concrete


@json_type("filter")
@frozen
class FilteredDataSource(OverOne):
    """Another data source's rows that pass a filter.

    Directly under a query the filter sees the query's virtual columns, as in Druid.
    """

    filter: DimFilter | None = None

    def map_segment(self, segment: Segment, intervals: Sequence[Interval]) -> Segment:
        """The rows that pass."""
        from nemeton.query.derived import filtered

        return filtered(self.inner.map_segment(segment, intervals), self.filter)


@json_type("unnest")
@frozen
class UnnestDataSource(OverOne):
    """A row for each value of an array, or of a multi-value string, that a virtual column gives.

    The column has the virtual column's name. Rows with a null or empty array are left out; a multi-value string without
    values gives one null, as in Druid. `unnestFilter` is on the rows that result.
    """

    virtual_column: VirtualColumn
    unnest_filter: DimFilter | None = None

    def map_segment(self, segment: Segment, intervals: Sequence[Interval]) -> Segment:
        """The rows by value."""
        from nemeton.query.derived import filtered
        from nemeton.query.unnest import unnested

        return filtered(unnested(self.inner.map_segment(segment, intervals), self.virtual_column), self.unnest_filter)


class JoinType(Enum):
    """Which rows without a partner stay."""

    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"

    @property
    def is_inner(self) -> bool:
        """Whether only rows with a partner stay."""
        return self is JoinType.INNER

    @property
    def keeps_left(self) -> bool:
        """Whether left rows without a partner stay."""
        return self in (JoinType.LEFT, JoinType.FULL)

    @property
    def keeps_right(self) -> bool:
        """Whether right rows without a partner stay (of each segment that is read, as in Druid)."""
        return self in (JoinType.RIGHT, JoinType.FULL)


class JoinAlgorithm(Enum):
    """How Druid's multi-stage engine joins; native queries know one way."""

    BROADCAST = "broadcast"
    SORT_MERGE = "sortMerge"


@json_type("join")
@frozen
class JoinDataSource(DerivedDataSource):
    """The rows of the left with those of the right that meet the condition; right columns begin with `rightPrefix`.

    The right side has to be rows: a query, inline data or a lookup. The condition is an expression: equalities (or
    `notdistinctfrom`) between an expression on the left and a column of the right, joined by `&&`; or a constant.
    """

    left: DataSource
    right: DataSource
    right_prefix: str
    condition: str
    join_type: JoinType
    left_filter: DimFilter | None = None
    join_algorithm: JoinAlgorithm | None = None
    _table: Once[Any] = field(init=False, factory=Once, eq=False, repr=False, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        from nemeton.query.expressions.evaluate import check_functions
        from nemeton.query.expressions.parser import parse

        if not self.right_prefix:
            raise invalid_input("Join clause cannot have null or empty prefix")
        if "__time".startswith(self.right_prefix):
            raise invalid_input(f"Join clause cannot have prefix[{self.right_prefix}], since it would shadow __time")
        if self.left_filter is not None and not (self.left.is_concrete and self.left.base is self.left):
            raise invalid_input("left filter is only supported if left data source is direct table access")
        check_functions(parse(self.condition))

    @property
    def _inner(self) -> DataSource:
        return self.left

    def _over(self, inner: DataSource) -> JoinDataSource:
        return self._with(left=inner)

    def _with(self, **changes: Any) -> JoinDataSource:
        made = evolve(self, **changes)
        object.__setattr__(made, "_table", self._table)  # the right side is the same
        return made

    @property
    def _joins(self) -> list[JoinDataSource]:
        """This one, and those on its left."""
        return [self, *(self.left._joins if isinstance(self.left, JoinDataSource) else ())]

    def asks_base_alone(self, condition: DimFilter, virtual_columns: Sequence[VirtualColumn]) -> bool:
        """Whether all columns that a condition reads are the base's own."""
        columns = condition.required_columns()
        prefixes = tuple(join.right_prefix for join in self._joins)
        return bool(columns) and not any(
            name.startswith(prefixes) or name in [column.name for column in virtual_columns] for name in columns
        )

    @property
    def keeps_right(self) -> bool:
        """Whether it, or a join on its left, keeps rows of the right that have no partner."""
        return any(join.join_type.keeps_right for join in self._joins)

    def over_filtered(self, condition: DimFilter) -> JoinDataSource:
        """The same, of those rows of the base that meet the condition."""
        from nemeton.query.filters.logical import AndDimFilter

        if isinstance(self.left, JoinDataSource):
            return self._over(self.left.over_filtered(condition))
        if self.left_filter is None:
            return self._over(FilteredDataSource(self.left, condition))
        return self._with(left_filter=AndDimFilter((self.left_filter, condition)))

    @property
    def table_names(self) -> frozenset[str]:
        """The tables of both sides; of the left alone, once the right side is resolved."""
        return self.left.table_names | self.right.table_names

    def resolved(self, rows_of: Callable[[Query], Segment]) -> DataSource:
        """Both sides with their queries answered."""
        return evolve(self, left=self.left.resolved(rows_of), right=self.right.resolved(rows_of))

    def map_segment(self, segment: Segment, intervals: Sequence[Interval]) -> Segment:
        """The joined rows. The right side is prepared once for all segments."""
        from nemeton.query.derived import filtered, in_intervals
        from nemeton.query.joins import JoinCondition, JoinTable, joined

        def prepare() -> JoinTable:
            return JoinTable(self.right, JoinCondition.parse(self.condition, self.right_prefix))

        left = filtered(self.left.map_segment(segment, intervals), self.left_filter)
        if self.join_type.keeps_right:  # what of the right has no partner depends on which rows of the left count
            left = in_intervals(left, intervals)
        return joined(left, self._table.get(prepare), self.right_prefix, self.join_type)


def merge_filters(query: Any) -> Any:
    """The query with the filters of its data source moved into its own, so that they see its virtual columns."""
    from nemeton.query.filters.logical import conjunction

    while isinstance(query.data_source, FilteredDataSource):
        source = query.data_source
        parts = [item for item in (source.filter, query.filter) if item is not None]
        query = evolve(query, data_source=source.inner, filter=conjunction(parts))
    return _pushed_down(query)


def _pushed_down(query: Any) -> Any:
    """The query with what it asks of a join's base alone asked before the join, as Druid does.

    Where all rows of the right are kept that makes a difference: those of the right that then have no partner are shown
    though they do not pass.
    """
    from nemeton.query.filters.logical import AndDimFilter, conjunction, conjuncts

    source = query.data_source
    if not isinstance(source, JoinDataSource) or not source.keeps_right or query.filter is None:
        return query
    if not query.query_context.get_bool("enableJoinFilterPushDown", True):
        return query
    parts = conjuncts(query.filter)
    early = [part for part in parts if source.asks_base_alone(part, query.virtual_columns)]
    if not early:
        return query
    late = [part for part in parts if part not in early]
    return evolve(query, data_source=source.over_filtered(AndDimFilter(tuple(early))), filter=conjunction(late))
