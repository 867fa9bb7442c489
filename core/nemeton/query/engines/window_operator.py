"""windowOperator: partitions, sorts and window functions over the rows of another query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nemeton.query.engines.table import same_kind
from nemeton.query.inline import VectorSegment, inline_data, inline_segment
from nemeton.query.model.data_sources import InlineDataSource
from nemeton.query.model.windows import WindowOperatorQuery
from nemeton.query.vectors import AnyVector, concat_vectors
from nemeton.query.windows.rows import PartitionedRows
from nemeton.spi.query import QueryControl, QueryToolChest, SegmentScope

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


class WindowOperatorToolChest(QueryToolChest):
    """Runs `WindowOperatorQuery`; its partials are the rows after the leaf operators."""

    def run_segment(
        self, query: WindowOperatorQuery, segment: Segment, scope: SegmentScope, control: QueryControl
    ) -> PartitionedRows:
        """The leaf operators over one segment."""
        control.check()
        rows = PartitionedRows.of_segment(segment)
        for operator in query.leaf_operators or ():
            rows = operator.apply(rows)
        return rows

    def merge(
        self, query: WindowOperatorQuery, partials: Sequence[PartitionedRows], control: QueryControl
    ) -> PartitionedRows:
        """All rows."""
        control.check()
        filled = [partial for partial in partials if partial.num_rows]
        if len(filled) <= 1:
            return filled[0] if filled else PartitionedRows.whole({}, 0)
        names = list(dict.fromkeys(name for partial in filled for name in partial.columns))
        columns: dict[str, AnyVector] = {
            name: concat_vectors(same_kind([partial.column(name) for partial in filled])) for name in names
        }
        return PartitionedRows.whole(columns, sum(partial.num_rows for partial in filled))

    def to_wire(self, query: WindowOperatorQuery, partial: PartitionedRows) -> Iterable[Any]:
        """One object: the rows as inline data."""
        data = inline_data(partial.segment())
        yield {"columnNames": data.column_names, "columnTypes": data.column_types, "rows": data.rows}

    def from_wire(self, query: WindowOperatorQuery, rows: Iterable[Any]) -> PartitionedRows:
        """Read it."""
        found = [
            InlineDataSource(
                tuple(each["columnNames"]), tuple(tuple(row) for row in each["rows"]), tuple(each["columnTypes"])
            )
            for each in rows
        ]
        return PartitionedRows.of_segment(inline_segment(found[0])) if found else PartitionedRows.whole({}, 0)

    def finalise(self, query: WindowOperatorQuery, partial: PartitionedRows) -> Iterator[Any]:
        """A list for each row, in the order of the output signature."""
        columns = self._finished(query, partial)
        yield from map(list, zip(*(vector.to_list() for vector in columns.values()), strict=True))

    def to_segment(self, query: WindowOperatorQuery, partial: PartitionedRows, *, with_times: bool) -> Segment:
        """The rows."""
        columns = self._finished(query, partial)
        return VectorSegment(columns, len(next(iter(columns.values()))) if columns else 0)

    @staticmethod
    def _finished(query: WindowOperatorQuery, rows: PartitionedRows) -> dict[str, AnyVector]:
        for operator in query.operator_definition:
            rows = operator.apply(rows)
        return {column.name: rows.column(column.name) for column in query.output_signature}
