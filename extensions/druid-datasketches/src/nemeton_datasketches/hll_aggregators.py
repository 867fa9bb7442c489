"""The aggregators `HLLSketchBuild` and `HLLSketchMerge`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from nemeton.common.errors import DruidException, invalid_input, unsupported
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.vectors import NumericVector, ObjectVector, is_missing, object_array
from nemeton_datasketches.base import SketchAggregator
from nemeton_datasketches.hashing import utf8, utf16
from nemeton_datasketches.hll import HllState, coupons_of, is_empty_image
from nemeton_datasketches.hll_array import TYPES
from nemeton_datasketches.pairs import blobs_of, hashed_values

if TYPE_CHECKING:
    from nemeton.query.vectors import Array
    from nemeton.spi.query import AggregatorFactory, Block

HLL_TYPES = frozenset({"HLLSketch", "HLLSketchBuild", "HLLSketchMerge"})
_ENCODINGS = {"utf16le": utf16, "utf8": utf8}
DEFAULT_LG_K = 12


def _lower(text: str) -> str:
    return text.lower()


def check_settings(lg_k: int, tgt_hll_type: str) -> None:
    """Refuse settings that the Java library refuses."""
    if not 4 <= lg_k <= 21:
        raise invalid_input(f"Log K must be between 4 and 21, inclusive: {lg_k}")
    if tgt_hll_type not in TYPES:
        raise invalid_input(f"No enum constant org.apache.datasketches.hll.TgtHllType.{tgt_hll_type}")


@frozen
class HllSketchAggregator(SketchAggregator):
    """What both share: the number of registers, the type they are packed as, and whether estimates are rounded."""

    name: str
    field_name: str
    lg_k: int = DEFAULT_LG_K
    tgt_hll_type: str = "HLL_4"
    string_encoding: str = field(default="utf16le", converter=_lower, metadata=wire(omit_default=True))
    should_finalize: bool = field(default=True, metadata=wire(omit_default=True))
    round: bool = field(default=False, metadata=wire(omit_default=True))

    stored_name = "HLLSketch"
    stored_empty = None

    def __attrs_post_init__(self) -> None:
        check_settings(self.lg_k, self.tgt_hll_type)
        if self.string_encoding not in _ENCODINGS:
            raise invalid_input(f"Unknown string encoding [{self.string_encoding}]")

    @property
    def result_type(self) -> ColumnType:
        """LONG when rounded, else DOUBLE; the sketch when it is not finalised."""
        if not self.should_finalize:
            return self.intermediate_type
        return ColumnType.LONG if self.round else ColumnType.DOUBLE

    def init(self, num_groups: int) -> HllState:
        """Empty sketches."""
        return HllState(num_groups, self.lg_k)

    def estimates(self, state: HllState) -> NumericVector:
        """The estimates."""
        return rounded(state.estimates(), self.round)

    def intermediate(self, state: HllState) -> ObjectVector:
        """The sketches as bytes."""
        return ObjectVector(self.intermediate_type, object_array(state.to_bytes(TYPES[self.tgt_hll_type])))

    def to_wire(self, state: HllState) -> list[Any]:
        """Java's bytes in base64."""
        return [base64.b64encode(blob).decode() for blob in state.to_bytes(TYPES[self.tgt_hll_type], as_table=False)]

    def is_empty(self, blob: bytes) -> bool:
        """By the flag."""
        return is_empty_image(blob)

    def text(self, stored: Any) -> str | None:
        """The library's summary, as Druid's class shows it."""
        from nemeton_datasketches.texts import hll_text

        return f"HllSketchHolder{{{hll_text(stored or HllState(1, self.lg_k).to_bytes()[0])}}}"

    def combining_factory(self) -> AggregatorFactory:
        """The one that merges what this one makes."""
        return HllSketchMergeAggregatorFactory(
            self.name,
            self.name,
            self.lg_k,
            self.tgt_hll_type,
            self.string_encoding,
            self.should_finalize,
            self.round,
        )


@json_type("HLLSketchBuild")
@frozen
class HllSketchBuildAggregatorFactory(HllSketchAggregator):
    """Distinct values of a column of strings or numbers. Null and the empty string do not count."""

    @property
    def intermediate_type(self) -> ColumnType:
        """HLLSketchBuild."""
        return ColumnType.complex("HLLSketchBuild")

    def aggregate(self, state: HllState, block: Block, group_ids: Array) -> None:
        """Hash the values, strings once per segment."""
        vector: Any = block.vector(self.field_name)
        hashed = hashed_values(block, vector, group_ids, _ENCODINGS[self.string_encoding])
        if hashed is not None:
            state.add(hashed.groups, coupons_of(hashed.first, hashed.second))
        elif vector.type.is_complex:
            raise DruidException(
                f"Invalid input [{self.field_name}] of type [{vector.type}] for [HLLSketchBuild] "
                f"aggregator [{self.name}]"
            )
        else:
            raise invalid_input("ARRAY types are not supported for hll sketch")


@json_type("HLLSketchMerge", "HLLSketch")
@frozen
class HllSketchMergeAggregatorFactory(HllSketchAggregator):
    """The union of a column of HLL sketches. A column that is not there counts for nothing."""

    @property
    def intermediate_type(self) -> ColumnType:
        """HLLSketchMerge."""
        return ColumnType.complex("HLLSketchMerge")

    def aggregate(self, state: HllState, block: Block, group_ids: Array) -> None:
        """Unite the sketches."""
        vector: Any = block.vector(self.field_name)
        blobs = blobs_of(vector, HLL_TYPES)
        if blobs is not None:
            self.merge_column(state, group_ids, blobs)
        elif not is_missing(vector):
            raise unsupported(
                f"Using aggregator [HLLSketchMerge] is not supported for complex columns with type [{vector.type}]."
            )

    def aggregate_input(self, state: HllState, block: Block, group_ids: Array) -> None:
        """Unite the sketches that the input has in base64."""
        self.merge_input(state, block, group_ids)


def rounded(estimates: Array, do_round: bool) -> NumericVector:
    """Doubles, or longs rounded as Java rounds."""
    if do_round:
        return NumericVector(ColumnType.LONG, np.floor(estimates + 0.5).astype(np.int64))
    return NumericVector(ColumnType.DOUBLE, estimates)
