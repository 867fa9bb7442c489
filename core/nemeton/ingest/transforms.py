"""The transformSpec, applied to whole batches by the query engine's expressions and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from nemeton.ingest.block import FrameBlock, expression_vector, filter_vector, series_of
from nemeton.ingest.coerce import to_metric
from nemeton.ingest.documents import decode_documents, is_documents
from nemeton.ingest.schema.transform_spec import TransformSpec
from nemeton.ingest.values import column_of

if TYPE_CHECKING:
    import polars as pl

TIME = "__time"
_KINDS: dict[type, int] = {type(None): 0, str: 1, int: 2, float: 3, list: 4, dict: 5, bool: 6}


@frozen(eq=False)
class Transformed:
    """``frame``: with the new columns; ``bad_times``: rows whose new time is none (None: there are none)."""

    frame: pl.DataFrame
    times: NDArray[np.int64]
    bad_times: NDArray[np.bool_] | None


@define
class Transformer:
    """Computes the transforms' columns, and the filter."""

    spec: TransformSpec
    _columns: dict[str, Any] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.spec.transforms:
            from nemeton.query.expressions.column import ExpressionColumn

            self._columns = {t.name: ExpressionColumn.of(t.expression) for t in self.spec.transforms}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.spec.is_empty

    @property
    def required_columns(self) -> frozenset[str]:
        """What must be read from the input beyond dimensions and metrics."""
        names: set[str] = set()
        for column in self._columns.values():
            names |= column.required_columns()
        if self.spec.filter is not None:
            names |= self.spec.filter.required_columns()
        return frozenset(names - {TIME})

    def transform(self, frame: pl.DataFrame, times: NDArray[np.int64]) -> Transformed:
        """The frame with the new columns. Every transform sees the input's columns only."""
        made = {name: _evaluate(column, frame, times).alias(name) for name, column in self._columns.items()}
        new_times = made.pop(TIME, None)
        out = frame.with_columns(list(made.values()))
        if new_times is None:
            return Transformed(out, times, None)
        numbers = to_metric(new_times, "LONG")
        return Transformed(out, numbers.values, numbers.nulls)

    def kept(self, frame: pl.DataFrame, times: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """The rows of a transformed frame that the filter keeps; None for all."""
        if self.spec.filter is None:
            return None
        keep: NDArray[np.bool_] = self.spec.filter.matches(FrameBlock(frame, times, filter_vector))
        return None if keep.all() else keep


def _evaluate(column: Any, frame: pl.DataFrame, times: NDArray[np.int64]) -> pl.Series:
    """The values of an expression. As there is no schema yet, the type of each row's values decides what it does."""
    mixed = [name for name in column.required_columns() if name in frame.columns and is_documents(frame[name])]
    if not mixed or not frame.height:
        return series_of("", column.vector(FrameBlock(frame, times, expression_vector)))
    values = {name: list(decode_documents(frame[name])) for name in mixed}
    groups = _groups(values)
    results: list[Any] = [None] * frame.height
    for group in range(int(groups.max()) + 1):
        rows = np.flatnonzero(groups == group)
        parts = {name: [items[i] for i in rows.tolist()] for name, items in values.items()}
        columns = [column_of(name, items, "VALUE") for name, items in parts.items()]
        block = FrameBlock(frame[rows].with_columns(columns), times[rows], expression_vector)
        for row, result in zip(rows.tolist(), column.vector(block).to_list(), strict=True):
            results[row] = result
    return column_of("", results, "VALUE")


def _groups(values: dict[str, list[Any]]) -> NDArray[np.int64]:
    """For each row a number that says of which kinds its values are."""
    codes = np.zeros(len(next(iter(values.values()))), dtype=np.int64)
    for items in values.values():
        codes = codes * len(_KINDS) + np.fromiter((_KINDS[type(item)] for item in items), dtype=np.int64)
    groups: NDArray[np.int64] = np.unique(codes, return_inverse=True)[1]
    return groups
