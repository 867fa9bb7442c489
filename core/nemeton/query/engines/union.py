"""union: the answers of several queries as the rows of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import evolve

from nemeton.common.errors import invalid_input, unsupported
from nemeton.query.expressions.vec import text
from nemeton.query.inline import VectorSegment
from nemeton.query.model.unions import UnionQuery
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import AnyVector, NumericVector, StringVector, concat_vectors, vector_from_list
from nemeton.spi.query import Query, QueryControl, QueryToolChest, SegmentScope

if TYPE_CHECKING:
    from nemeton.model.columns import Segment


class UnionToolChest(QueryToolChest):
    """Runs `UnionQuery`; its partials are the answers of its queries, as segments."""

    def parts(self, query: UnionQuery) -> Sequence[Query]:
        """The queries."""
        return query.queries

    def with_most_rows(self, query: UnionQuery, rows: int) -> UnionQuery:
        """Each of the queries with so many."""
        from nemeton.query.engine import tool_chest

        return evolve(query, queries=tuple(tool_chest(item).with_most_rows(item, rows) for item in query.queries))

    def run_segment(self, query: UnionQuery, segment: Segment, scope: SegmentScope, control: QueryControl) -> Segment:
        """The answer of one query."""
        return segment

    def merge(self, query: UnionQuery, partials: Sequence[Segment], control: QueryControl) -> Segment:
        """The rows of all, under the names of the first."""
        control.check()
        names = partials[0].column_names
        for number, partial in enumerate(partials):
            found = len(partial.column_names)
            if found < len(names):
                raise invalid_input(f"Query number {number + 1} of the union has {found} columns and not {len(names)}")
        columns = {name: _column([_nth(partial, place) for partial in partials]) for place, name in enumerate(names)}
        return VectorSegment(columns, sum(partial.num_rows for partial in partials))

    def to_segment(self, query: UnionQuery, partial: Segment, *, with_times: bool) -> Segment:
        """The rows."""
        return partial

    def to_wire(self, query: UnionQuery, partial: Segment) -> NoReturn:
        """Never asked of a data server."""
        raise unsupported("A query of type [union] is not answered by data servers")

    def from_wire(self, query: UnionQuery, rows: Iterable[Any]) -> NoReturn:
        """As `to_wire`."""
        raise unsupported("A query of type [union] is not answered by data servers")

    def finalise(self, query: UnionQuery, partial: Segment) -> NoReturn:
        """As in Druid it has no answer of its own."""
        raise unsupported("A query of type [union] can only be the data source of another query")


def _nth(segment: Segment, place: int) -> AnyVector:
    return SegmentSource(segment).read(segment.column_names[place], 0, segment.num_rows)


def _column(vectors: Sequence[AnyVector]) -> AnyVector:
    """One column of several, of the type of the first where that can hold the others' values."""
    kinds = {str(vector.type) for vector in vectors if len(vector)}
    for alike in (NumericVector, StringVector):
        if len(kinds) <= 1 and all(isinstance(vector, alike) for vector in vectors):
            return concat_vectors(vectors)
    values = [value for vector in vectors for value in vector.to_list()]
    if len(kinds) <= 1:
        return vector_from_list(kinds.pop() if kinds else str(vectors[0].type), values)
    if kinds <= {"LONG", "FLOAT", "DOUBLE"}:
        return vector_from_list("DOUBLE", values)
    return vector_from_list("STRING", [text(value) for value in values])
