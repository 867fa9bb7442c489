"""segmentMetadata: what segments hold, column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, evolve

from nemeton.common.errors import DruidException
from nemeton.model import SegmentId
from nemeton.query.model.comparators import lexicographic_key
from nemeton.query.model.queries import SegmentMetadataQuery
from nemeton.query.source import TIME
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope
from nemeton.time import Interval, condense

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


@define
class ColumnAnalysis:
    """What is known of one column. The fields are those of the JSON."""

    type: str
    type_signature: str
    has_multiple_values: bool = False
    has_nulls: bool = False
    size: int = 0
    cardinality: int | None = None
    min_value: Any = None
    max_value: Any = None
    error_message: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "typeSignature": self.type_signature,
            "type": self.type,
            "hasMultipleValues": self.has_multiple_values,
            "hasNulls": self.has_nulls,
            "size": self.size,
            "cardinality": self.cardinality,
            "minValue": self.min_value,
            "maxValue": self.max_value,
            "errorMessage": self.error_message,
        }

    @classmethod
    def from_wire(cls, value: dict[str, Any]) -> ColumnAnalysis:
        """Read what `to_json` wrote."""
        return cls(
            value["type"],
            value.get("typeSignature") or value["type"],
            value.get("hasMultipleValues", False),
            value.get("hasNulls", False),
            value.get("size") or 0,
            value.get("cardinality"),
            value.get("minValue"),
            value.get("maxValue"),
            value.get("errorMessage"),
        )


@define
class SegmentAnalysis:
    """What is known of one segment, or of several merged."""

    id: str
    columns: dict[str, ColumnAnalysis]
    num_rows: int
    intervals: list[Interval] | None = None
    size: int = 0
    aggregators: dict[str, Any] | None = None
    timestamp_spec: Any = None
    query_granularity: Any = None
    rollup: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """As Druid writes it."""
        return {
            "id": self.id,
            "intervals": None if self.intervals is None else [str(interval) for interval in self.intervals],
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "size": self.size,
            "numRows": self.num_rows,
            "aggregators": self.aggregators,
            "timestampSpec": self.timestamp_spec,
            "queryGranularity": self.query_granularity,
            "rollup": self.rollup,
        }


class SegmentMetadataToolChest(QueryToolChest):
    """Runs `SegmentMetadataQuery`; its partials are lists of analyses."""

    def run_segment(
        self, query: SegmentMetadataQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> list[SegmentAnalysis]:
        """The analysis of one segment; reads headers and dictionaries, no rows (for sizes also bitmaps)."""
        wanted = query.analyses
        columns: dict[str, ColumnAnalysis] = {}
        for name in segment.column_names:
            if included(query.to_include, name):
                control.check()
                columns[name] = analyse(segment, name, wanted)
        metadata = segment.metadata
        intervals = [segment.interval] if "interval" in wanted else None
        found = SegmentAnalysis(scope.segment_id or "", columns, segment.num_rows, intervals)
        if "size" in wanted:  # one byte more for each value, as between the values of a text file
            found.size = len(columns) * segment.num_rows + sum(column.size for column in columns.values())
        if metadata is not None:
            if "aggregators" in wanted:
                listed = plain(getattr(metadata, "aggregators", None))
                found.aggregators = None if listed is None else {item["name"]: item for item in listed}
            if "timestampspec" in wanted:
                found.timestamp_spec = plain(getattr(metadata, "timestamp_spec", None))
            if "querygranularity" in wanted:
                found.query_granularity = plain(getattr(metadata, "query_granularity", None))
            if "rollup" in wanted:
                found.rollup = getattr(metadata, "rollup", None)
        return [found]

    def merge(
        self, query: SegmentMetadataQuery, partials: Sequence[list[SegmentAnalysis]], control: QueryControl
    ) -> list[SegmentAnalysis]:
        """All of them, or one of all with `merge`."""
        found = [analysis for partial in partials for analysis in partial]
        if not query.merge or not found:
            return found
        merged = found[0]
        for other in found[1:]:
            merged = merge_analyses(query, merged, other)
        return [merged]

    def is_cacheable(self, query: SegmentMetadataQuery, *, on_broker: bool, by_segment: bool) -> bool:
        """Of segments; the whole is cheap to make of them."""
        return by_segment

    def to_wire(self, query: SegmentMetadataQuery, partial: list[SegmentAnalysis]) -> Iterator[Any]:
        """The analyses."""
        return (analysis.to_json() for analysis in partial)

    def from_wire(self, query: SegmentMetadataQuery, rows: Iterable[Any]) -> list[SegmentAnalysis]:
        """Read analyses."""
        return [
            SegmentAnalysis(
                row["id"],
                {name: ColumnAnalysis.from_wire(column) for name, column in row["columns"].items()},
                row.get("numRows") or 0,
                None if row.get("intervals") is None else [Interval.parse(text) for text in row["intervals"]],
                row.get("size") or 0,
                row.get("aggregators"),
                row.get("timestampSpec"),
                row.get("queryGranularity"),
                row.get("rollup"),
            )
            for row in rows
        ]

    def finalise(self, query: SegmentMetadataQuery, partial: list[SegmentAnalysis]) -> Iterator[Any]:
        """The analyses."""
        return (analysis.to_json() for analysis in partial)


def included(rule: dict[str, Any] | None, name: str) -> bool:
    """Whether `toInclude` wants the column."""
    kind = (rule or {}).get("type", "all")
    if kind == "none":
        return False
    return kind != "list" or name in ((rule or {}).get("columns") or ())


def plain(value: Any) -> Any:
    """Metadata of a segment as JSON values."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "to_json"):
        return value.to_json(None)
    return value


def analyse(segment: Segment, name: str, wanted: frozenset[str]) -> ColumnAnalysis:
    """One column of one segment."""
    try:
        column: Any = segment.column(name)
    except DruidException as error:
        return ColumnAnalysis("STRING", "STRING", error_message=f"error:{error.message}")
    kind = str(column.type)
    shown = kind.removeprefix("COMPLEX<").removesuffix(">") if kind.startswith("COMPLEX<") else kind.partition("<")[0]
    nulls = bool(column.has_nulls) and name != TIME
    found = ColumnAnalysis(shown, kind, bool(column.has_multiple_values), nulls)
    if "size" in wanted:
        found.size = text_size(column, name)
    if kind == "STRING":
        found.cardinality = 0
        if column.is_dictionary_encoded:
            found.cardinality = int(column.cardinality) if "cardinality" in wanted else 0
            if "minmax" in wanted and column.cardinality:
                found.min_value, found.max_value = extremes(column)
    return found


def text_size(column: Any, name: str) -> int:
    """How many bytes the values would take as text, as Druid estimates it; 0 for what has no such estimate."""
    kind = str(column.type)
    if name == TIME:
        return 10 * int(column.num_rows)
    if kind in ("LONG", "FLOAT", "DOUBLE"):
        return 8 * int(column.num_rows)
    if kind != "STRING" or not getattr(column, "has_bitmap_index", False):
        return 0
    values = enumerate(column.values_list())
    return sum(len(value.encode()) * len(column.bitmap(code)) for code, value in values if value is not None)


def extremes(column: Any) -> tuple[str | None, str | None]:
    """The least and the greatest value of a string column; null is the least."""
    if getattr(column, "is_sorted", True):
        return column.lookup(0), column.lookup(int(column.cardinality) - 1)
    values = sorted(column.values_list(), key=lexicographic_key)
    return values[0], values[-1]


def merge_analyses(query: SegmentMetadataQuery, a: SegmentAnalysis, b: SegmentAnalysis) -> SegmentAnalysis:
    """Two as one, the one that ends later before the other."""
    later, earlier = _segment_id(query, a), _segment_id(query, b)
    merged_id = "merged"
    if later is not None and earlier is not None and later.data_source == earlier.data_source:
        if _end(earlier) > _end(later):
            a, b, later = b, a, earlier
        merged_id = str(evolve(later, version="merged"))
    columns = dict(a.columns)
    for name, column in b.columns.items():
        columns[name] = merge_columns(columns[name], column) if name in columns else column
    intervals = None if a.intervals is None or b.intervals is None else condense([*a.intervals, *b.intervals])
    strategy = "lenient" if query.lenient_aggregator_merge else query.aggregator_merge_strategy or "strict"
    return SegmentAnalysis(
        merged_id if a.id != b.id else a.id,
        columns,
        a.num_rows + b.num_rows,
        intervals,
        a.size + b.size,
        merge_aggregators(a.aggregators, b.aggregators, strategy),
        a.timestamp_spec if a.timestamp_spec == b.timestamp_spec else None,
        a.query_granularity if a.query_granularity == b.query_granularity else None,
        a.rollup if a.rollup == b.rollup else None,
    )


def _segment_id(query: SegmentMetadataQuery, analysis: SegmentAnalysis) -> SegmentId | None:
    found = (SegmentId.try_parse(table, analysis.id) for table in sorted(query.data_sources()))
    return next((each for each in found if each is not None), None)


def _end(segment_id: SegmentId) -> tuple[int, int]:
    return segment_id.interval.end, segment_id.partition_num


def merge_aggregators(
    later: dict[str, Any] | None, earlier: dict[str, Any] | None, strategy: str
) -> dict[str, Any] | None:
    """The aggregators of both.

    Where they differ, `strict` gives nothing, `lenient` null for those that do, `latest` and `earliest` those of one.
    """
    left, right = later or {}, earlier or {}
    if strategy in ("latest", "earliest"):
        return ({**right, **left} if strategy == "latest" else {**left, **right}) or None
    if strategy == "lenient":
        merged = {n: left[n] if left.get(n) == right.get(n) or n not in right else None for n in left}
        return {**merged, **{name: value for name, value in right.items() if name not in left}} or None
    return (later or None) if later == earlier else None


def merge_columns(a: ColumnAnalysis, b: ColumnAnalysis) -> ColumnAnalysis:
    """Two of the same name as one; an error when their types differ."""
    if a.error_message or b.error_message:
        return a if a.error_message else b
    if a.type_signature != b.type_signature:
        text = f"error:cannot_merge_diff_types: [{a.type}] and [{b.type}]"
        return ColumnAnalysis("STRING", "STRING", error_message=text)
    cardinality = b.cardinality if a.cardinality is None else a.cardinality
    if a.cardinality is not None and b.cardinality is not None:
        cardinality = max(a.cardinality, b.cardinality)
    return ColumnAnalysis(
        a.type,
        a.type_signature,
        a.has_multiple_values or b.has_multiple_values,
        a.has_nulls or b.has_nulls,
        a.size + b.size,
        cardinality,
        _extreme(a.min_value, b.min_value, min),
        _extreme(a.max_value, b.max_value, max),
    )


def _extreme(a: Any, b: Any, pick: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return pick([a, b], key=lexicographic_key if isinstance(a, str) else None)
