"""The search query type, as data."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import field, frozen

from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.comparators import comparator_name
from nemeton.query.search import SearchQuerySpec
from nemeton.spi.query import DimensionSpec
from nemeton.time import Granularity

DEFAULT_LIMIT = 1000
MAX_LIMIT = 1000
"""No answer is longer: Druid's default for `druid.query.search.maxSearchLimit`."""


@json_type("search")
@frozen(kw_only=True)
class SearchQuery(BaseQuery):
    """The values that match, of the dimensions named (all of a segment when none are), with their counts."""

    tool_chest: ClassVar[str] = "nemeton.query.engines.search:SearchToolChest"

    query: SearchQuerySpec = field(factory=lambda: SearchQuerySpec("all"))
    granularity: Granularity = field(factory=lambda: Granularity.parse("all"))
    limit: int = DEFAULT_LIMIT
    search_dimensions: tuple[DimensionSpec, ...] = ()
    sort_spec: Any = field(default=None, metadata=wire("sort"))

    def __attrs_post_init__(self) -> None:
        if self.limit == 0:  # Druid takes it for "not given"
            object.__setattr__(self, "limit", DEFAULT_LIMIT)
        comparator_name(self.sort_spec)

    @property
    def sort(self) -> str:
        """The ordering of the values, by name."""
        return comparator_name(self.sort_spec)
