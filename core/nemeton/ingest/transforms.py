"""The transformSpec, applied to whole batches by the query engine's expressions and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from nemeton.ingest.block import FrameBlock
from nemeton.ingest.schema.transform_spec import TransformSpec

if TYPE_CHECKING:
    import polars as pl

TIME = "__time"


@define
class Transformer:
    """Computes the transforms' columns, then the filter."""

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

    def apply(
        self, frame: pl.DataFrame, times: NDArray[np.int64]
    ) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.bool_] | None]:
        """The frame with the new columns, its times, and which rows the filter keeps (None: all)."""
        block = FrameBlock(frame, times)
        made = {name: column.vector(block) for name, column in self._columns.items()}
        if made:
            from nemeton.ingest.block import series_of

            if TIME in made:
                vector = made.pop(TIME)
                times = np.where(vector.nulls, 0, vector.values) if vector.nulls is not None else vector.values
            frame = frame.with_columns([series_of(name, vector) for name, vector in made.items()])
        if self.spec.filter is None:
            return frame, times, None
        keep = self.spec.filter.matches(FrameBlock(frame, times))
        return frame, times, None if keep.all() else keep
