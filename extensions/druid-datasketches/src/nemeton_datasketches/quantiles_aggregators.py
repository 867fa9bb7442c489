"""The aggregators `quantilesDoublesSketch`, `KllDoublesSketch` and `KllFloatsSketch`, and those that only merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from attrs import field, frozen

from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.numbers import strings_to_numbers
from nemeton.query.vectors import NumericVector, StringVector, null_mask, object_array
from nemeton_datasketches.base import SketchAggregator, decode
from nemeton_datasketches.pairs import blobs_of
from nemeton_datasketches.quantiles import DOUBLES, KLL_DOUBLES, KLL_FLOATS, QuantilesKind, QuantilesState

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector, Array
    from nemeton.spi.query import AggregatorFactory, Block

DEFAULT_K = 128
DEFAULT_KLL_K = 200
DEFAULT_MAX_STREAM_LENGTH = 1_000_000_000


class QuantilesAggregator(SketchAggregator):
    """The distribution of a numeric column, or the union of a column of sketches; which one the column's type says.

    `max_stream_length` only sizes buffers in Druid; here it does nothing. The finished value is the number of values.
    """

    name: str
    k: int
    max_stream_length: int

    kind: ClassVar[QuantilesKind]

    def __attrs_post_init__(self) -> None:
        self.kind.check_k(self.k)

    @property
    def intermediate_type(self) -> ColumnType:
        """The sketch's own type."""
        return ColumnType.complex(self.kind.name)

    @property
    def result_type(self) -> ColumnType:
        """LONG, or the sketch when it is not finalised."""
        return ColumnType.LONG if self.should_finalize else self.intermediate_type

    @property
    def stored_type(self) -> ColumnType:
        """The sketch's own type."""
        return self.intermediate_type

    def is_empty(self, blob: bytes) -> bool:
        """By the flag."""
        return self.kind.is_empty(blob)

    def text(self, stored: Any) -> str | None:
        """The library's summary."""
        from nemeton_datasketches.texts import quantiles_text

        sketch = self.kind.read(stored) if stored else self.kind.sketch()
        return quantiles_text(self.kind, sketch, "DirectCompact" if stored else "")

    def init(self, num_groups: int) -> QuantilesState:
        """Empty sketches."""
        return QuantilesState(num_groups, self.kind, self.k)

    def aggregate(self, state: QuantilesState, block: Block, group_ids: Array) -> None:
        """Take in numbers, or unite sketches. Strings count for nothing in a query, as in Druid."""
        vector: Any = block.vector(self.field_name)
        blobs = blobs_of(vector, frozenset({self.kind.name}))
        if blobs is not None:
            self.merge_column(state, group_ids, blobs)
        elif isinstance(vector, NumericVector):
            values = vector.values.astype(np.float64)
            if vector.nulls is not None:
                keep = ~null_mask(vector)
                values, group_ids = values[keep], group_ids[keep]
            state.add(group_ids, values)

    def aggregate_input(self, state: QuantilesState, block: Block, group_ids: Array) -> None:
        """Take in numbers, texts that are numbers, and sketches in base64; each distinct text is read once."""
        vector: Any = block.vector(self.field_name)
        if not isinstance(vector, StringVector):
            self.aggregate(state, block, group_ids)
            return
        texts = [value or None for value in vector.dictionary.values.tolist()]  # the empty one is an empty sketch
        numbers, others = strings_to_numbers(texts, "DOUBLE")
        is_number = np.ones(len(texts), dtype=bool) if others is None else ~others
        blobs = object_array(
            [None if number else decode(text) for number, text in zip(is_number.tolist(), texts, strict=True)]
        )
        chosen = is_number[vector.codes]
        state.add(group_ids[chosen], numbers[vector.codes[chosen]])
        state.merge_blobs(group_ids[~chosen], blobs[vector.codes[~chosen]])

    def estimates(self, state: QuantilesState) -> AnyVector:
        """The number of values."""
        return NumericVector(ColumnType.LONG, state.counts())


class MergingAggregator(QuantilesAggregator):
    """Unites sketches of the column of its own name, whatever its JSON says."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "field_name", self.name)
        super().__attrs_post_init__()

    def combining_factory(self) -> AggregatorFactory:
        """Itself."""
        return self


@json_type("quantilesDoublesSketch")
@frozen
class DoublesSketchAggregatorFactory(QuantilesAggregator):
    """Classic quantiles sketches of doubles."""

    name: str
    field_name: str
    k: int = DEFAULT_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH
    should_finalize: bool = field(default=True, metadata=wire(omit_default=True))

    kind = DOUBLES

    def combining_factory(self) -> AggregatorFactory:
        """The one that merges."""
        return DoublesSketchMergeAggregatorFactory(self.name, self.k, self.max_stream_length, self.should_finalize)


@json_type("quantilesDoublesSketchMerge")
@frozen
class DoublesSketchMergeAggregatorFactory(MergingAggregator):
    """Merges the classic sketches of the column that has its name."""

    name: str
    k: int = DEFAULT_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH
    should_finalize: bool = field(default=True, metadata=wire(omit_default=True))
    field_name: str = ""

    kind = DOUBLES


@json_type("KllDoublesSketch")
@frozen
class KllDoublesSketchAggregatorFactory(QuantilesAggregator):
    """KLL sketches of doubles."""

    name: str
    field_name: str
    k: int = DEFAULT_KLL_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH

    kind = KLL_DOUBLES

    def combining_factory(self) -> AggregatorFactory:
        """The one that merges."""
        return KllDoublesSketchMergeAggregatorFactory(self.name, self.k, self.max_stream_length)


@json_type("KllDoublesSketchMerge")
@frozen
class KllDoublesSketchMergeAggregatorFactory(MergingAggregator):
    """Merges the KLL sketches of doubles of the column that has its name."""

    name: str
    k: int = DEFAULT_KLL_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH
    field_name: str = ""

    kind = KLL_DOUBLES


@json_type("KllFloatsSketch")
@frozen
class KllFloatsSketchAggregatorFactory(QuantilesAggregator):
    """KLL sketches of floats."""

    name: str
    field_name: str
    k: int = DEFAULT_KLL_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH

    kind = KLL_FLOATS

    def combining_factory(self) -> AggregatorFactory:
        """The one that merges."""
        return KllFloatsSketchMergeAggregatorFactory(self.name, self.k, self.max_stream_length)


@json_type("KllFloatsSketchMerge")
@frozen
class KllFloatsSketchMergeAggregatorFactory(MergingAggregator):
    """Merges the KLL sketches of floats of the column that has its name."""

    name: str
    k: int = DEFAULT_KLL_K
    max_stream_length: int = DEFAULT_MAX_STREAM_LENGTH
    field_name: str = ""

    kind = KLL_FLOATS
