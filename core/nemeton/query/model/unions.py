"""The query type `union`, as data."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.model.context import QueryContext
from nemeton.query.model.data_sources import UnionDataSource
from nemeton.query.model.segment_spec import ALL_TIME, QuerySegmentSpec
from nemeton.spi.query import DataSource, Query


def _given(context: dict[str, Any] | None) -> dict[str, Any]:
    return context or {}


@json_type("union")
@frozen(kw_only=True)
class UnionQuery(Query):
    """The rows of several queries, one after another: a data source of other queries, as in Druid no query by itself.

    Columns are those of the first query; what the others give goes by position.
    """

    tool_chest: ClassVar[str] = "nemeton.query.engines.union:UnionToolChest"

    queries: tuple[Query, ...]
    context: dict[str, Any] = field(factory=dict, converter=_given)
    intervals: QuerySegmentSpec = ALL_TIME

    def __attrs_post_init__(self) -> None:
        if len(self.queries) < 2:
            raise invalid_input("union with fewer than 2 queries makes no sense")

    @property
    def id(self) -> str | None:
        """`queryId` of the context."""
        return QueryContext(self.context).query_id

    @property
    def data_source(self) -> DataSource:  # type: ignore[override]
        """All that the queries read."""
        return UnionDataSource(tuple(query.data_source for query in self.queries))
