"""The aggregator `arrayOfDoublesSketch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.dimensions import numbers_as_strings
from nemeton.query.vectors import MultiStringVector, NumericVector, StringVector
from nemeton_datasketches.base import SketchAggregator, check_power_of_2
from nemeton_datasketches.hashing import theta_hashes, utf8
from nemeton_datasketches.pairs import blobs_of, dictionary_hashes, numbered_pairs, single_values
from nemeton_datasketches.tuples import TupleSketch, TupleState

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector, Array
    from nemeton.spi.query import AggregatorFactory, Block

TUPLE_TYPES = frozenset({"arrayOfDoublesSketch", "arrayOfDoublesSketchBuild", "arrayOfDoublesSketchMerge"})
DEFAULT_NOMINAL_ENTRIES = 4096


@json_type("arrayOfDoublesSketch")
@frozen
class ArrayOfDoublesSketchAggregatorFactory(SketchAggregator):
    """Distinct keys with sums of the metric columns; without metric columns the union of a column of sketches.

    A row of which a metric is null does not count, nor do null and empty keys.
    """

    name: str
    field_name: str
    nominal_entries: int = DEFAULT_NOMINAL_ENTRIES
    metric_columns: tuple[str, ...] | None = field(default=None, metadata=wire(omit_default=True))
    number_of_values: int = field()

    stored_name = "arrayOfDoublesSketch"

    @number_of_values.default
    def _default_number(self) -> int:
        return 1 if self.metric_columns is None else len(self.metric_columns)

    def __attrs_post_init__(self) -> None:
        check_power_of_2(self.nominal_entries, "nominalEntries")
        if self.metric_columns is not None and len(self.metric_columns) != self.number_of_values:
            raise invalid_input(
                f"Number of metricColumns [{len(self.metric_columns)}] must agree with "
                f"numValues [{self.number_of_values}]"
            )

    def required_columns(self) -> frozenset[str]:
        """The key, and the metrics."""
        return frozenset([self.field_name, *(self.metric_columns or ())])

    @property
    def intermediate_type(self) -> ColumnType:
        """As Druid calls it."""
        what = "Merge" if self.metric_columns is None else "Build"
        return ColumnType.complex(f"arrayOfDoublesSketch{what}")

    @property
    def result_type(self) -> ColumnType:
        """DOUBLE."""
        return ColumnType.DOUBLE

    def init(self, num_groups: int) -> TupleState:
        """Empty sketches."""
        return TupleState(num_groups, self.nominal_entries, self.number_of_values)

    def aggregate(self, state: TupleState, block: Block, group_ids: Array) -> None:
        """Unite sketches, or hash the keys and add up the metrics."""
        vector: Any = block.vector(self.field_name)
        if self.metric_columns is None:
            blobs = blobs_of(vector, TUPLE_TYPES)
            if blobs is not None:
                self.merge_column(state, group_ids, blobs)
            return
        values = np.zeros((block.num_rows, len(self.metric_columns)))
        keep = np.ones(block.num_rows, dtype=bool)
        for place, name in enumerate(self.metric_columns):
            values[:, place], nulls = block.numbers(name, "DOUBLE")
            keep &= True if nulls is None else ~nulls
        found = key_strings(vector)
        if found is None:
            self.refuse_input(vector.type)
            return
        keys, rows = found
        present = keep[rows]
        self._add(state, block, keys.take(np.flatnonzero(present)), group_ids[rows[present]], values[rows[present]])

    def _add(self, state: TupleState, block: Block, keys: StringVector, groups: Array, values: Array) -> None:
        """Add up the values of each key of a group, and give them to the state in order of first appearance."""
        hashes, _, counts = dictionary_hashes(block, keys.dictionary, utf8)
        codes = np.asarray(keys.codes)
        present = counts[codes]
        groups, codes, values = groups[present], codes[present], values[present]
        firsts, numbers = numbered_pairs(groups, codes, keys.dictionary.size)
        sums = np.stack([np.bincount(numbers, column, minlength=len(firsts)) for column in values.T], axis=1)
        state.add(groups[firsts], theta_hashes(hashes[codes[firsts]]), sums)

    def aggregate_input(self, state: TupleState, block: Block, group_ids: Array) -> None:
        """Hash the keys, or unite the sketches that the input has in base64."""
        if self.metric_columns is None:
            self.merge_input(state, block, group_ids)
        else:
            self.aggregate(state, block, group_ids)

    def is_empty(self, blob: bytes) -> bool:
        """Never: Druid writes an empty sketch in full, since it knows how many values it has."""
        return False

    def text(self, stored: Any) -> str | None:
        """The library's summary."""
        from nemeton_datasketches.texts import tuple_text

        return tuple_text(TupleSketch.read(stored, self.number_of_values), "Direct")

    def estimates(self, state: TupleState) -> NumericVector:
        """The estimated number of distinct keys."""
        return NumericVector(ColumnType.DOUBLE, state.estimates())

    def combining_factory(self) -> AggregatorFactory:
        """The union of the column of its own name."""
        return ArrayOfDoublesSketchAggregatorFactory(
            self.name, self.name, self.nominal_entries, None, self.number_of_values
        )


def key_strings(vector: AnyVector) -> tuple[StringVector, Array] | None:
    """The keys as strings and the row of each; None for a type that has no strings."""
    if isinstance(vector, MultiStringVector):
        rows, single = single_values(vector)
        return single, rows
    if isinstance(vector, StringVector):
        return vector, np.arange(len(vector))
    if isinstance(vector, NumericVector):
        return numbers_as_strings(vector), np.arange(len(vector))
    return None
