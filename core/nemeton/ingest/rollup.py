"""Aggregators at ingestion: what they read, what they leave in a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nemeton.common.errors import unsupported
from nemeton.ingest.block import FrameBlock
from nemeton.ingest.index.columns import NumberColumn
from nemeton.query.vectors import NumericVector

if TYPE_CHECKING:
    import polars as pl

    from nemeton.spi.query import AggregatorFactory


def check_supported(aggregators: Iterable[AggregatorFactory]) -> None:
    """Refuse aggregators whose column cannot be written yet."""
    for aggregator in aggregators:
        if not aggregator.stored_type.is_numeric:
            raise unsupported(
                f"metricsSpec: aggregator[{aggregator.name}] makes a column of type[{aggregator.stored_type}], "
                "and only numeric columns can be ingested yet"
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


def aggregate(
    aggregators: Iterable[AggregatorFactory],
    columns: Mapping[str, pl.Series],
    times: NDArray[np.int64],
    group_ids: NDArray[np.int64],
    num_groups: int,
) -> dict[str, NumberColumn]:
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
    metrics: Mapping[str, NumberColumn],
    group_ids: NDArray[np.int64],
    num_groups: int,
) -> dict[str, NumberColumn]:
    """The metric columns of groups of rows that are aggregates already."""
    import polars as pl

    out = {}
    for aggregator in aggregators:
        column = metrics[aggregator.name]
        series = pl.Series(aggregator.name, column.values)
        if column.nulls is not None:
            series = pl.select(pl.when(~pl.Series(column.nulls)).then(series)).to_series()
        factory = aggregator.combining_factory()
        state = factory.init(num_groups)
        zeros = np.zeros(len(group_ids), dtype=np.int64)
        factory.aggregate(state, FrameBlock(pl.DataFrame({aggregator.name: series}), zeros), group_ids)
        out[aggregator.name] = _column(factory, state)
    return out


def _column(aggregator: AggregatorFactory, state: Any) -> NumberColumn:
    vector = aggregator.to_stored(state)
    if not isinstance(vector, NumericVector):
        check_supported([aggregator])
        raise unsupported(f"metricsSpec: aggregator[{aggregator.name}] gave no numbers")
    return NumberColumn(str(aggregator.stored_type), vector.values, vector.nulls)
