"""Aggregators at ingestion: what they read, what they leave in a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.common.errors import unsupported
from nemeton.ingest.block import FrameBlock
from nemeton.ingest.index.blob_columns import BlobColumn
from nemeton.ingest.index.columns import MetricColumn, NumberColumn
from nemeton.ingest.index.pair_columns import PAIR_TYPES, PairColumn
from nemeton.query.vectors import COLUMN_TYPES, DTYPES, AnyVector, NumericVector, ObjectVector, null_vector

if TYPE_CHECKING:
    import polars as pl

    from nemeton.spi.query import AggregatorFactory


def check_supported(aggregators: Iterable[AggregatorFactory]) -> None:
    """Refuse aggregators whose column cannot be written."""
    for aggregator in aggregators:
        kind = aggregator.stored_type
        if not kind.is_numeric and not kind.is_complex:
            raise unsupported(
                f"metricsSpec: aggregator[{aggregator.name}] makes a column of type[{kind}], "
                "and only numbers and complex values can be ingested"
            )


def numeric_inputs(aggregators: Iterable[AggregatorFactory]) -> dict[str, str]:
    """The fields that numeric aggregators read, and as what: LONG where no other number is wanted, else DOUBLE."""
    from nemeton.query.aggregators.base import NumericAggregator

    out: dict[str, str] = {}
    for aggregator in aggregators:
        if isinstance(aggregator, NumericAggregator) and aggregator.field_name is not None:
            kind = "LONG" if aggregator.number_type == "LONG" else "DOUBLE"
            out[aggregator.field_name] = kind if out.get(aggregator.field_name, kind) == kind else "DOUBLE"
    return out


def raw_inputs(aggregators: Iterable[AggregatorFactory]) -> frozenset[str]:
    """The fields that other aggregators read: they want them as the input has them."""
    from nemeton.query.aggregators.base import NumericAggregator

    others = [a.required_columns() for a in aggregators if not isinstance(a, NumericAggregator)]
    return frozenset().union(*others)


def aggregate(
    aggregators: Iterable[AggregatorFactory],
    columns: Mapping[str, pl.Series],
    times: NDArray[np.int64],
    group_ids: NDArray[np.int64],
    num_groups: int,
) -> dict[str, MetricColumn]:
    """The metric columns of these rows, one value per group."""
    import polars as pl

    block = FrameBlock(pl.DataFrame(dict(columns)), times)
    out = {}
    for aggregator in aggregators:
        state = aggregator.init(num_groups)
        aggregator.aggregate_input(state, block, group_ids)
        out[aggregator.name] = _column(aggregator, state)
    return out


def combine(
    aggregators: Iterable[AggregatorFactory],
    metrics: Mapping[str, MetricColumn],
    group_ids: NDArray[np.int64],
    num_groups: int,
) -> dict[str, MetricColumn]:
    """The metric columns of groups of rows that are aggregates already."""
    block = StoredBlock(metrics, len(group_ids))
    out = {}
    for aggregator in aggregators:
        factory = aggregator.combining_factory()
        state = factory.init(num_groups)
        factory.aggregate(state, block, group_ids)
        out[aggregator.name] = _column(factory, state)
    return out


class StoredBlock:
    """Metric columns as a block; implements `nemeton.spi.query.Block`."""

    def __init__(self, metrics: Mapping[str, MetricColumn], num_rows: int) -> None:
        self._metrics = metrics
        self._cache: dict[Any, Any] = {}
        self.num_rows = num_rows

    def vector(self, name: str) -> AnyVector:
        """A metric; all null when there is none of that name."""
        column = self._metrics.get(name)
        if column is None:
            return null_vector(self.num_rows)
        if isinstance(column, NumberColumn):
            return NumericVector(COLUMN_TYPES[column.type], column.values, column.nulls)
        vector: ObjectVector = self.cached(("vector", name), column.vector)
        return vector

    def numbers(self, name: str, type_name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """A metric as numbers."""
        from nemeton.query.source import convert_numbers

        column = self._metrics.get(name)
        if not isinstance(column, NumberColumn):
            return np.zeros(self.num_rows, dtype=DTYPES[type_name]), np.ones(self.num_rows, dtype=bool)
        return convert_numbers(column.values, type_name), column.nulls

    def select(self, rows: NDArray[Any]) -> StoredBlock:
        """The block of these rows."""
        return StoredBlock({name: column.take(rows) for name, column in self._metrics.items()}, len(rows))

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """A value that holds for the block, made once."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]


def _column(aggregator: AggregatorFactory, state: Any) -> MetricColumn:
    vector = aggregator.to_stored(state)
    kind = str(aggregator.stored_type)
    if isinstance(vector, NumericVector) and kind in COLUMN_TYPES:
        return NumberColumn(kind, vector.values, vector.nulls)
    if isinstance(vector, ObjectVector) and kind in PAIR_TYPES:
        return PairColumn.of(kind, vector.values.tolist())
    if isinstance(vector, ObjectVector) and all(value is None or isinstance(value, bytes) for value in vector.values):
        return BlobColumn.of(kind, vector)
    raise unsupported(f"metricsSpec: aggregator[{aggregator.name}] of type[{kind}] cannot be stored in a segment yet")
