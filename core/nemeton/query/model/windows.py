"""The query type `windowOperator`, as data."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve, frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.data_sources import InlineDataSource, LocalDataSource, QueryDataSource
from nemeton.query.model.queries import ScanQuery
from nemeton.query.windows.operators import WindowOperator


@frozen
class OutputColumn:
    """A column of the answer."""

    name: str
    type: str | None = None


@json_type("windowOperator")
@frozen(kw_only=True)
class WindowOperatorQuery(BaseQuery):
    """Operators over the rows of an inner query or of inline data, one after another."""

    tool_chest: ClassVar[str] = "nemeton.query.engines.window_operator:WindowOperatorToolChest"

    output_signature: tuple[OutputColumn, ...]
    operator_definition: tuple[WindowOperator, ...]
    leaf_operators: tuple[WindowOperator, ...] | None = None

    def __attrs_post_init__(self) -> None:
        allowed = QueryDataSource | InlineDataSource | LocalDataSource
        if self.leaf_operators is None and not isinstance(self.data_source, allowed):
            raise invalid_input(
                f"WindowOperatorQuery must run on top of a query or inline data source, got [{self.data_source}]"
            )
        inner = getattr(self.data_source, "query", None)
        if self.leaf_operators is None and isinstance(inner, ScanQuery):
            # Druid makes leaf operators of the scan and asks its table itself: the scan's own intervals do not count
            within = evolve(inner, intervals=self.intervals)
            object.__setattr__(self, "data_source", QueryDataSource(within))
