"""What Druid refuses of queries over rows in memory: inline data, lookups, the answers of inner queries.

Segments of tables are asked for one interval each; of rows in memory the whole query is asked, and no engine takes more
than one interval. Each says so in its own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.common.errors import DruidException
from nemeton.query.expressions.failures import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nemeton.query.model.base import BaseQuery
    from nemeton.query.source import SegmentSource
    from nemeton.spi.query import DimensionSpec

_SHOWN = 5


def refuse_several_elements(query: BaseQuery) -> None:
    """In the words of Guava, which names the first five."""
    found = query.interval_list
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        named = ", ".join(map(str, found[:_SHOWN]))
        raise failed(f"expected one element but was: <{named}{more}>", "java.lang.IllegalArgumentException")


def refuse_several_intervals(query: BaseQuery, words: str, error_class: str) -> None:
    """As an exception of the class, its words before the intervals."""
    if len(query.interval_list) > 1:
        raise failed(f"{words}, got[{_listed(query)}]", error_class)


def refuse_unreduced(query: BaseQuery) -> None:
    """As a state that a developer thought impossible."""
    if len(query.interval_list) > 1:
        raise DruidException(
            "This method can only be called after query is reduced to a single segment interval, "
            f"got [{_listed(query)}]",
            error_code="general",
            category="DEFENSIVE",
            persona="DEVELOPER",
        )


def refuse_objects(specs: Sequence[DimensionSpec]) -> None:
    """Sketches, named as such, cannot be the values of a dimension; as texts they can."""
    for spec in specs:
        named: str = getattr(spec, "output_type", "STRING")
        if named.upper().startswith("COMPLEX<") and named.upper() != _GROUPABLE:
            raise DruidException(
                f"Ungroupable dimension [{spec.name}] with type [{named}] found in the query.",
                error_code="general",
                category="DEFENSIVE",
                persona="DEVELOPER",
            )


_GROUPABLE = "COMPLEX<JSON>"


def refuse_types(source: SegmentSource, spec: DimensionSpec, *types: str) -> None:
    """Columns of arrays (and, for a search, documents), which search and topN do not look through; texts can be."""
    kind = str(source.column_type(spec.dimension))
    if kind.startswith(types) and getattr(source.column(spec.dimension), "text", None) is None:
        words = f"Cannot create query type helper from invalid type [{kind}]"
        raise failed(words, "org.apache.druid.java.util.common.IAE")


def _listed(query: BaseQuery) -> str:
    return f"[{', '.join(map(str, query.interval_list))}]"
