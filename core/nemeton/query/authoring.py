"""What authors of query parts build on beside `nemeton.spi`: ready-made bases, and the vectors that hold values.

The abstract types in `nemeton.spi` say what the engine asks for; a class from here leaves little of it to write:

- `SummaryAggregator`: an aggregate that is a formula over sums, least and greatest values;
- `NumericFunction`, `TextFunction`: an expression function of numbers, or of texts;
- `PredicateFilter`: a condition on the values of one column;
- `naming_part`: makes bytes of a segment that a reader refuses damage of that segment's part;
- `BaseQuery` with `SegmentSource`: a query of a kind of its own, and the rows that it reads.

Importing this imports numpy: an extension whose hooks should stay light names its classes with `lazy`.
"""

from __future__ import annotations

from nemeton.query.aggregators.summary import Max, Min, Sum, SummaryAggregator
from nemeton.query.expressions.simple import NumericFunction, TextFunction
from nemeton.query.filters.base import PredicateFilter
from nemeton.query.model.base import AggregateQuery, BaseQuery
from nemeton.query.source import SegmentSource
from nemeton.query.vectors import (
    MultiStringVector,
    NumericVector,
    ObjectVector,
    StringVector,
    numeric_from_list,
    object_array,
    strings_vector,
)
from nemeton.segment.errors import naming_part

__all__ = [
    "AggregateQuery",
    "BaseQuery",
    "Max",
    "Min",
    "MultiStringVector",
    "NumericFunction",
    "NumericVector",
    "ObjectVector",
    "PredicateFilter",
    "SegmentSource",
    "StringVector",
    "Sum",
    "SummaryAggregator",
    "TextFunction",
    "naming_part",
    "numeric_from_list",
    "object_array",
    "strings_vector",
]
