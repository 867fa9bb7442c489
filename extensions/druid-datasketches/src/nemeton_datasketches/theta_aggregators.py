"""The aggregator `thetaSketch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.model import ColumnType
from nemeton.plugins import json_type
from nemeton.query.vectors import NumericVector, ObjectVector, object_array
from nemeton_datasketches.base import SketchAggregator, check_power_of_2
from nemeton_datasketches.hashing import theta_hashes, utf8
from nemeton_datasketches.pairs import blobs_of, hashed_values
from nemeton_datasketches.theta import EMPTY, ThetaSketch, ThetaState

if TYPE_CHECKING:
    from nemeton.query.vectors import AnyVector, Array
    from nemeton.spi.query import AggregatorFactory, Block

THETA_TYPES = frozenset({"thetaSketch", "thetaSketchBuild", "thetaSketchMerge"})
DEFAULT_SIZE = 16384


@json_type("thetaSketch", "sketchMerge")
@frozen
class SketchMergeAggregatorFactory(SketchAggregator):
    """Distinct values of a column, or the union of a column of theta sketches; which one the column's type says.

    `is_input_theta_sketch` matters at ingestion only, where columns have no types. Null and the empty string do not
    count.
    """

    name: str
    field_name: str
    size: int = DEFAULT_SIZE
    should_finalize: bool = field(default=True, metadata=wire(omit_default=True))
    is_input_theta_sketch: bool = field(default=False, metadata=wire(omit_default=True))
    error_bounds_std_dev: int | None = field(default=None, metadata=wire(omit_default=True))

    stored_name = "thetaSketch"

    def __attrs_post_init__(self) -> None:
        check_power_of_2(self.size, "size")

    @property
    def intermediate_type(self) -> ColumnType:
        """As Druid calls it."""
        return ColumnType.complex("thetaSketchMerge" if self.is_input_theta_sketch else "thetaSketchBuild")

    @property
    def result_type(self) -> ColumnType:
        """DOUBLE for an estimate; error bounds have the sketch's type in Druid."""
        plain = self.should_finalize and self.error_bounds_std_dev is None
        return ColumnType.DOUBLE if plain else self.intermediate_type

    def init(self, num_groups: int) -> ThetaState:
        """Empty sketches."""
        return ThetaState(num_groups, self.size)

    def aggregate(self, state: ThetaState, block: Block, group_ids: Array) -> None:
        """Hash the values, strings once per segment; or unite sketches."""
        vector: Any = block.vector(self.field_name)
        blobs = blobs_of(vector, THETA_TYPES)
        if blobs is not None:
            self.merge_column(state, group_ids, blobs)
            return
        hashed = hashed_values(block, vector, group_ids, utf8)
        if hashed is None:
            self.refuse_input(vector.type)
            return
        state.add(hashed.groups, theta_hashes(hashed.first))

    def aggregate_input(self, state: ThetaState, block: Block, group_ids: Array) -> None:
        """Hash the values, or unite the sketches that they are."""
        if self.is_input_theta_sketch:
            self.merge_input(state, block, group_ids)
        else:
            self.aggregate(state, block, group_ids)

    def is_empty(self, blob: bytes) -> bool:
        """By the flag."""
        return blob == EMPTY

    def text(self, stored: Any) -> str | None:
        """Java's name of the object: its class, and a hash of its bytes."""
        from nemeton_datasketches.texts import array_hash_code

        code = 31 * array_hash_code(stored or EMPTY) & 0xFFFFFFFF
        return f"org.apache.druid.query.aggregation.datasketches.theta.SketchHolder@{code:x}"

    def estimates(self, state: ThetaState) -> AnyVector:
        """Estimates, with bounds if they are asked for."""
        if self.error_bounds_std_dev is None:
            return NumericVector(ColumnType.DOUBLE, state.estimates())
        bounds = [with_error_bounds(blob, self.error_bounds_std_dev) for blob in state.to_bytes()]
        return ObjectVector(self.intermediate_type, object_array(bounds))

    def combining_factory(self) -> AggregatorFactory:
        """The same over the column of its own name."""
        return evolve(self, field_name=self.name, is_input_theta_sketch=False)


@json_type("sketchBuild")
@frozen
class OldSketchBuildAggregatorFactory(SketchMergeAggregatorFactory):
    """An old name, of which only the size can be chosen."""

    should_finalize: bool = field(default=True, init=False)
    is_input_theta_sketch: bool = field(default=False, init=False)
    error_bounds_std_dev: int | None = field(default=None, init=False)

    def combining_factory(self) -> AggregatorFactory:
        """The same over the column of its own name."""
        return evolve(self, field_name=self.name)


def with_error_bounds(blob: bytes, num_std_dev: int) -> dict[str, Any]:
    """Druid's object of an estimate and its bounds."""
    if num_std_dev not in (1, 2, 3):
        raise invalid_input(f"kappa must be 1, 2, or 3: {num_std_dev}")
    sketch = ThetaSketch.read(blob).library()
    return {
        "estimate": sketch.get_estimate(),
        "highBound": sketch.get_upper_bound(num_std_dev),
        "lowBound": sketch.get_lower_bound(num_std_dev),
        "numStdDev": num_std_dev,
    }
