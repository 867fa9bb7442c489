"""What authors of query parts build on: queries, filters, columns, dimensions, aggregators, post-aggregators.

Everything works on blocks of rows. A *vector* holds the values of one column for the rows of a block; aggregators keep
one *state* (arrays indexed by group) and are handed a block together with the group of each of its rows.
Names and JSON are Druid's; Druid's counterpart of each class has the same name unless its docstring says otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    import threading

    import numpy as np

    from nemeton.model.columns import Segment
    from nemeton.model.results import ResultColumns
    from nemeton.model.row_signature import ColumnType
    from nemeton.time import Interval

    Array = np.ndarray[Any, Any]


# ------------------------------------------------------------------------------------------------- columns of a block
class Vector(Protocol):
    """The values of one column for some rows. Concrete kinds are in `nemeton.query.vectors`."""

    @property
    def type(self) -> ColumnType:
        """The type of the values; of multi-value strings STRING."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: Array) -> Vector:
        """The values at these positions."""
        ...

    def to_list(self) -> list[Any]:
        """JSON-able values: None for null, a list for a row with several values."""
        ...


class Block(Protocol):
    """Consecutive or selected rows of one segment. Made by the engine; valid only during the call it is given to."""

    @property
    def num_rows(self) -> int:
        """The number of rows in this block."""
        ...

    def vector(self, name: str) -> Vector:
        """A column (real or virtual) for the rows of the block; a column that is not there is all null."""
        ...

    def numbers(self, name: str, type_name: str) -> tuple[Array, Array | None]:
        """A column as numbers of a type ("LONG", "FLOAT", "DOUBLE") and the mask of its nulls, or None when none is.

        Strings are parsed as Druid parses them; one that is no number counts as null.
        """
        ...

    def select(self, rows: Array) -> Block:
        """The block of only these rows (positions in this block, ascending)."""
        ...

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """A value that holds for the whole segment and query (a dictionary mapped, say), made once."""
        ...


# ------------------------------------------------------------------------------------------------------------ queries
def _named_table(value: Any) -> Any:
    return {"type": "table", "name": value} if isinstance(value, str) else value


def _plain_dimension(value: Any) -> Any:
    return {"type": "default", "dimension": value, "outputName": value} if isinstance(value, str) else value


@extension_point(
    hook="data_sources", name="data source", default="table", shorthand=_named_table, default_for_unknown=True
)
class DataSource(ABC):
    """Where a query reads from.

    Some read segments themselves: those of tables, or rows that are here. Others make other segments of those of their
    `base`; such a one overrides `base`, `with_base` and `map_segment`, and works wherever the base does.
    """

    @property
    @abstractmethod
    def table_names(self) -> frozenset[str]:
        """The tables that are read, at any depth."""

    @property
    def is_concrete(self) -> bool:
        """Whether segments of it can be asked directly: a table or inline rows."""
        return False

    @property
    def base(self) -> DataSource:
        """The data source whose segments are read, which maps none itself."""
        return self

    def with_base(self, base: DataSource) -> DataSource:
        """This data source over another base."""
        return base

    def resolved(self, rows_of: Callable[[Query], Segment]) -> DataSource:
        """This data source with its inner queries answered; `rows_of` runs one."""
        return self

    def passes(self) -> Sequence[DataSource]:
        """What is asked one after another, where it names a table more than once; otherwise itself."""
        return (self,)

    def local_segment(self) -> Segment | None:
        """Its rows, where they are in the query or in this process; None where segments have to be asked."""
        return None

    def map_segment(self, segment: Segment, intervals: Sequence[Interval]) -> Segment:
        """What the query sees of a segment of the base, of which only the rows in these intervals count.

        The result holds as long as the segment does. May be called by several threads at a time.
        """
        return segment


@extension_point(hook="query_types", name="query type", tag="queryType")
class Query(ABC):
    """A native query. Subclasses are frozen attrs classes with at least the fields that are annotated here."""

    data_source: DataSource
    intervals: Any  # a QuerySegmentSpec, see nemeton.query.model.segment_spec
    context: dict[str, Any]

    #: The QueryToolChest that runs this type, or its "module:Class", which is imported at the first query.
    tool_chest: ClassVar[str | type[QueryToolChest]]


class QueryControl(Protocol):
    """Asked between blocks whether to go on."""

    def check(self) -> None:
        """Return, or raise a timeout or cancellation in Druid's shape."""
        ...


class QueryToolChest(ABC):
    """How one query type runs: per segment, merged, on the wire, and finished. Stateless and thread-safe.

    Stands for Druid's QueryRunnerFactory and QueryToolChest together.
    """

    @abstractmethod
    def run_segment(self, query: Any, segment: Segment, scope: SegmentScope, control: QueryControl) -> Any:
        """The partial answer of one segment, of whatever type the tool chest likes."""

    @abstractmethod
    def merge(self, query: Any, partials: Sequence[Any], control: QueryControl) -> Any:
        """One partial of several; of none the empty one."""

    def merger(self, query: Any, control: QueryControl, settings: Any) -> Merger | None:
        """What takes partials as they come, where holding them all for `merge` would take too much memory.

        `settings` is the role's `nemeton.query.spilling.merger.MergeSettings`. None: they are held.
        """
        return None

    def reads_parts(self, query: Any) -> bool:
        """Whether `run_segment` heeds `scope.rows`: the partials of parts of a segment are then merged like those of
        segments, so that several threads can read one. Only of use where reading takes longer than to begin it.
        """
        return False

    def for_data_server(self, query: Any) -> Any:
        """The query as a Broker passes it on: without what only the whole answer can have, such as an offset.

        Data servers of ours leave that to the Broker anyway; a Java Historical does what it is asked.
        """
        return query

    @abstractmethod
    def to_wire(self, query: Any, partial: Any) -> Iterable[Any]:
        """Result rows as a Historical sends them to a Broker: Druid's native JSON, aggregates not finalised."""

    @abstractmethod
    def from_wire(self, query: Any, rows: Iterable[Any]) -> Any:
        """The partial that `to_wire` was made from, or that a Java Historical sent."""

    def to_blocks(self, query: Any, partial: Any) -> Iterator[bytes] | None:
        """As `to_wire`, for a Broker of nemeton: pieces of bytes in whatever form is read fastest.

        None, for which nothing may have been read of the partial: there is no such form.
        """
        return None

    def from_blocks(self, query: Any, blocks: Iterable[bytes]) -> Any:
        """The partial that `to_blocks` was made from. The pieces of an iterator may still arrive, as in `from_wire`.

        Raises `QueryException` for pieces that are damaged.
        """
        from nemeton.common.errors import unsupported

        raise unsupported(f"Answers of queries of type [{type(query).__name__}] have no form in blocks")

    @abstractmethod
    def finalise(self, query: Any, partial: Any) -> Iterable[Any]:
        """The result objects that the client sees."""

    def result_columns(self, query: Any, partial: Any) -> Iterator[ResultColumns] | None:
        """As `finalise`, by column, some rows at a time: SQL reads it so, for which it is faster.

        None, for which nothing may have been read of the partial: there is no such form.
        """
        return None

    def is_streamed(self, query: Any) -> bool:
        """Whether `from_wire` reads its rows one by one, and `finalise` gives them on as they come.

        A Broker then holds no more of an answer than one piece from each data server.
        """
        return False

    def merges_streams(self, query: Any) -> bool:
        """Whether `from_wire` may be given rows that still arrive, as an iterator, where they are many.

        The partial then reads them when it is merged; the rows of short answers come as a list.
        """
        return False

    def result_weight(self, result: Any) -> int:
        """About how many rows a result object stands for; what is sent at a time is measured by it."""
        return 1

    def is_cacheable(self, query: Any, *, on_broker: bool, by_segment: bool) -> bool:
        """Whether answers may be kept: of segments, or whole ones. Only for what depends on query and data alone."""
        return False

    def to_cache(self, query: Any, partial: Any) -> Iterable[Any]:
        """JSON-able rows for the segment cache; nothing may be lost that a later merge needs."""
        return self.to_wire(query, partial)

    def from_cache(self, query: Any, rows: Iterable[Any]) -> Any:
        """The partial that `to_cache` was made from."""
        return self.from_wire(query, rows)

    def parts(self, query: Any) -> Sequence[Query]:
        """The queries whose answers make up this one's, as segments for `merge`; none where segments are read."""
        return ()

    def can_perform_subquery(self, subquery: Any) -> bool:
        """Whether queries of this type read the answer of that inner query with the times that its rows stand for.

        For others the answer is plain rows, which have a time only if it is one of their columns.
        """
        return False

    def check_local(self, query: Any) -> None:  # noqa: B027 - most types can be asked of any rows
        """Raise what Druid raises where a query of this type cannot be asked of rows in memory as it stands."""

    def with_most_rows(self, query: Any, rows: int) -> Any:
        """An inner query that gives no more than so many rows, where its type can say so: more are not wanted."""
        return query

    def to_segment(self, query: Any, partial: Any, *, with_times: bool) -> Segment:
        """The finished answer as a segment that an outer query can read.

        `with_times`: the outer query's type said `can_perform_subquery`.
        """
        from nemeton.common.errors import unsupported

        raise unsupported(f"A query data source of type [{type(query).__name__}] is not supported yet.")


class Merger(Protocol):
    """Takes the partials of one query one by one. Thread-safe; to be closed when its result is no longer read."""

    def add(self, place: int, partial: Any) -> None:
        """Take a partial, from any thread. `place` tells where it stands among all, in whatever order they come."""
        ...

    def result(self) -> Any:
        """One partial of all; once, after the last one was added."""
        ...

    def close(self) -> None:
        """Let go of what is held. May be called more than once, and at any time."""
        ...


class SegmentScope(Protocol):
    """Which part of a segment a query covers, and what the segment is called."""

    @property
    def segment_id(self) -> str | None:
        """The id to show in results; None when it has none (inline rows)."""
        ...

    @property
    def intervals(self) -> Sequence[Interval]:
        """The intervals to read, already cut to the query and the segment descriptor."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether it is rows in memory, of which Druid does not know the first and the last time."""
        ...

    @property
    def rows(self) -> tuple[int, int] | None:
        """The first row to read and the one after the last; None: all. See `QueryToolChest.reads_parts`."""
        ...


# ------------------------------------------------------------------------------- filters, virtual columns, dimensions
@extension_point(hook="filters", name="filter")
class DimFilter(ABC):
    """A condition on rows with SQL's three-valued logic."""

    @abstractmethod
    def required_columns(self) -> frozenset[str]:
        """The columns that are read."""

    @abstractmethod
    def matches(self, block: Block, include_unknown: bool = False) -> Array:
        """A bool per row: true where the condition holds, and with `include_unknown` also where it is unknown.

        NOT is `~field.matches(block, not include_unknown)`; that is why a filter must know which of its false are
        unknown, which is the case when the column is null.
        """

    def candidates(self, source: Any) -> Array | None:
        """Row numbers of a segment, ascending, outside of which the condition never holds, when an index tells cheaply.

        None: all rows have to be looked at. The rows given are still asked about by `matches`. `source` is the
        `nemeton.query.source.SegmentSource` that is read.
        """
        return None

    def constant(self, source: Any) -> bool | None:
        """What the condition is for all rows of a segment, never unknown, when that can be told without reading them.

        None: it cannot, or it differs. `source` is as in `candidates`.
        """
        return None


@extension_point(hook="virtual_columns", name="virtual column")
class VirtualColumn(ABC):
    """A column that is computed from others while a query runs."""

    name: str

    @property
    def is_row_by_row(self) -> bool:
        """Whether Druid, with this column, looks at the rows of the whole query one by one; read or not."""
        return False

    @abstractmethod
    def required_columns(self) -> frozenset[str]:
        """The columns that are read, virtual ones included."""

    @abstractmethod
    def column_type(self, type_of: Callable[[str], ColumnType | None]) -> ColumnType | None:
        """The type of the values, given the types of the columns; None when it cannot be known."""

    @abstractmethod
    def vector(self, block: Block) -> Vector:
        """The values for the rows of the block."""


@extension_point(hook="extraction_fns", name="extraction function")
class ExtractionFn(ABC):
    """A function from a dimension value to a string; called once per distinct value, not per row."""

    @abstractmethod
    def apply(self, value: Any) -> str | None:
        """The extracted value. `value` is a str, a number (of `__time` or a numeric column), or None."""

    def apply_all(self, values: Sequence[Any]) -> list[str | None]:
        """`apply` for many values; override when there is a faster way."""
        return [self.apply(value) for value in values]


@extension_point(
    hook="dimension_specs",
    name="dimension spec",
    default="default",
    shorthand=_plain_dimension,
    default_for_unknown=True,
)
class DimensionSpec(ABC):
    """A column to group by, with its name in the result and what is done to its values."""

    dimension: str
    output_name: str | None

    @property
    def name(self) -> str:
        """The name in the result."""
        return self.output_name or self.dimension

    @property
    @abstractmethod
    def result_type(self) -> str:
        """ "STRING", "LONG", "FLOAT" or "DOUBLE" (or an ARRAY type): what the result holds."""

    @abstractmethod
    def vector(self, block: Block) -> Vector:
        """The values to group by; of rows with several values all of them, as strings whatever the result type."""

    def selected(self, block: Block) -> Vector:
        """The values before they become the result type: what is searched, compared, filtered further."""
        return self.vector(block)


@extension_point(hook="expression_functions", name="expression function")
class ExpressionFunction(ABC):
    """A function of the expression language, vectorised. Its type name is its name in expressions.

    `arguments` says how many arguments it takes: (least, most), most None for any number. One object is made per
    process and shared by threads. For arguments of one string column it is called once, with the distinct values.
    """

    arguments: ClassVar[tuple[int, int | None]]

    @abstractmethod
    def apply(
        self, args: Sequence[FunctionArgument], count: int
    ) -> tuple[str, Sequence[Any] | Array] | tuple[str, Array, Array | None]:
        """The type of the result ("LONG", "DOUBLE", "STRING", "ARRAY<…>") and its `count` values, None for null.

        A numpy array is taken as it is when its dtype is that of the type, NaN being a value and not null; the mask of
        its nulls may come third. `nemeton.query.authoring` has bases for functions of numbers and of texts.
        """


class FunctionArgument(Protocol):
    """The values of one argument."""

    @property
    def type(self) -> str | None:
        """The type; None for a null of no type."""
        ...

    @property
    def is_constant(self) -> bool:
        """Whether it has one value, which stands for all rows."""
        ...

    def objects(self) -> list[Any]:
        """Python values, None for null; a constant's list has one."""
        ...

    def numbers(self) -> tuple[Array, Array | None]:
        """As doubles (longs as longs) and the mask of nulls, None when there are none; for use with numpy."""
        ...


# -------------------------------------------------------------------------------------------------------- aggregators
@extension_point(hook="aggregators", name="aggregator")
class AggregatorFactory(ABC):
    """One aggregate of a query (or of an ingestion's rollup): a class of arrays and functions over them.

    A *state* holds the aggregates of `num_groups` groups and is opaque to the engine. All methods are called by one
    thread per state. The contract, which `nemeton.testkit` checks for any factory: blocks of any size give the same
    answer; `merge` is associative and commutative (but for first/last, and for the rounding of sums); a group that saw
    nothing finalises to the empty value (0 for counts, null for most others); `from_wire(to_wire(s))` equals `s`.
    Aggregates that are a formula over sums and extremes need less code: `nemeton.query.authoring.SummaryAggregator`.
    """

    name: str

    @abstractmethod
    def required_columns(self) -> frozenset[str]:
        """The columns that are read."""

    def within(self, source: Any) -> AggregatorFactory:
        """A factory that does the same for the rows of one segment, with states of the same kind, for less work.

        `source` is the `nemeton.query.source.SegmentSource` that is read.
        """
        return self

    @property
    @abstractmethod
    def intermediate_type(self) -> ColumnType:
        """The type of the state's value: what ingestion would store, what goes over the wire."""

    @property
    def result_type(self) -> ColumnType:
        """The type of the finalised value."""
        return self.intermediate_type

    @abstractmethod
    def init(self, num_groups: int) -> Any:
        """A state of that many empty groups."""

    @abstractmethod
    def resize(self, state: Any, num_groups: int) -> Any:
        """The state with empty groups added at the end; the old state is not used again."""

    @abstractmethod
    def aggregate(self, state: Any, block: Block, group_ids: Array) -> None:
        """Take in the rows of the block; `group_ids` (int64, one per row) says where each belongs."""

    def aggregate_run(self, state: Any, block: Block, group_id: int) -> None:
        """Take in a block whose rows all belong to one group. Override where that is faster."""
        import numpy as np

        self.aggregate(state, block, np.full(block.num_rows, group_id, dtype=np.int64))

    def of_grouping(self, state: Any, dimensions: frozenset[str]) -> Any:
        """The state of groups that are by these dimensions: told before the end, to what depends on that."""
        return state

    @abstractmethod
    def merge(self, state: Any, other: Any, group_ids: Array) -> None:
        """Take in another state: its group i goes to group `group_ids[i]` of `state`."""

    @abstractmethod
    def take(self, state: Any, groups: Array) -> Any:
        """A new state of these groups in this order."""

    @abstractmethod
    def finalise(self, state: Any) -> Vector:
        """The results, one per group."""

    @abstractmethod
    def combining_factory(self) -> AggregatorFactory:
        """The factory that aggregates a column of intermediate values with this factory's name (rollup of rollup)."""

    @abstractmethod
    def to_wire(self, state: Any) -> list[Any]:
        """JSON-able intermediate values, one per group, as Druid writes them."""

    @abstractmethod
    def from_wire(self, values: Sequence[Any]) -> Any:
        """The state of those intermediate values."""

    def ranks(self, state: Any) -> Array | None:
        """Numbers that order the groups by their results, equal where those are; None for the order of their type."""
        return None

    def intermediate(self, state: Any) -> Vector:
        """The intermediate values as a vector, for post-aggregators that do not want them finalised."""
        return self.finalise(state)

    # ---- at ingestion

    @property
    def stored_type(self) -> ColumnType:
        """The type of the column that ingestion writes, as segments name it: for complex ones the serde's name."""
        return self.intermediate_type

    def aggregate_input(self, state: Any, block: Block, group_ids: Array) -> None:
        """Take in rows of an input, as `aggregate` takes those of a segment; override where it matters that columns
        have no types there: a text may be a number, or a complex value in base64 (Druid: ComplexMetricExtractor).
        """
        self.aggregate(state, block, group_ids)

    def to_stored(self, state: Any) -> Vector:
        """The column of `stored_type` that ingestion writes: numbers, strings, or for a complex type an object vector
        of bytes, in Druid's form (None for what Druid writes as null, no bytes for an empty value).

        A segment gives the same bytes to `aggregate` of the combining factory.
        """
        return self.intermediate(state)

    def text(self, stored: Any) -> str | None:
        """A complex value as `to_stored` gives it, as a text: what a query over the unfinished aggregates of another
        groups by (Druid: the object's ``toString``). None is for not known: such a query is refused.
        """
        return None


@extension_point(hook="post_aggregators", name="post-aggregator")
class PostAggregator(ABC):
    """A column computed from the finished aggregates (and from post-aggregators before it)."""

    name: str | None

    @abstractmethod
    def required_columns(self) -> frozenset[str]:
        """The names that are read."""

    @abstractmethod
    def compute(self, table: ResultTable) -> Vector:
        """One value per row of the table."""


class ResultTable(Protocol):
    """The result rows as columns, as a post-aggregator, a having spec or an ordering reads them."""

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        ...

    def vector(self, name: str) -> Vector:
        """A finished column; all null when there is none of that name."""
        ...

    def intermediate(self, name: str) -> Vector:
        """An aggregate that is not finalised; like `vector` for other columns."""
        ...


@extension_point(hook="having_specs", name="having spec")
class HavingSpec(ABC):
    """A condition on result rows of a groupBy."""

    @abstractmethod
    def matches(self, table: ResultTable) -> Array:
        """A bool per row of the table: true for those that stay."""


class CancelToken(Protocol):
    """Any object with `is_set`, a `threading.Event` for one."""

    def is_set(self) -> bool:
        """Whether the query was cancelled."""
        ...


if TYPE_CHECKING:
    _event: CancelToken = threading.Event()
