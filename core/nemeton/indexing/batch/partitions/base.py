"""What a partitionsSpec is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nemeton.common.errors import invalid_input
from nemeton.plugins import extension_point
from nemeton.time import Interval

if TYPE_CHECKING:
    from nemeton.indexing.batch.parallel.perfect import PerfectRollupTasks
    from nemeton.ingest.partition.analysis import RowAnalysis
    from nemeton.ingest.partition.buckets import Bucketing
    from nemeton.ingest.schema import DataSchema

DEFAULT_MAX_ROWS_PER_SEGMENT = 5_000_000
_NO_ROWS_BOUND = 1 << 62

Plan = Mapping[Interval, Any]
"""What was made out for each interval that has rows: the number of its buckets, or their boundaries."""


@extension_point(hook="partitions_specs", name="partitionsSpec", default="hashed")
class PartitionsSpec(ABC):
    """How the rows of one interval are divided among segments (Druid: ``PartitionsSpec``); frozen attrs classes.

    In the order of arrival (`by_value` false), or by their values: then rows that are alike meet in one segment, and
    rollup is perfect. Such a spec may need to see all rows first: then an `analysis` of them makes a `plan`.
    """

    #: whether the rows' values decide; needs ``forceGuaranteedRollup``
    by_value: ClassVar[bool] = True

    @property
    def max_rows_per_segment(self) -> int | None:
        """The most rows a segment should have; None where nothing says so."""
        return None

    @property
    def max_total_rows(self) -> int | None:
        """How many rows a task may hold, where the spec says so."""
        return None

    @property
    def rows_before_push(self) -> int:
        """How many rows a task holds at most before it pushes the segments it has; by value: all."""
        return _NO_ROWS_BOUND

    @property
    def num_shards(self) -> int | None:
        """The number of buckets of each interval, where the spec gives it."""
        return None

    @property
    def hash_dimensions(self) -> tuple[str, ...]:
        """The dimensions that are hashed, where some are; what ``tuningConfig.partitionDimensions`` shows."""
        return ()

    @property
    def rollup_problem(self) -> str | None:
        """Why the spec cannot be used with ``forceGuaranteedRollup``; None when it can."""
        return None

    # ---- by value

    def needs_analysis(self, schema: DataSchema) -> bool:
        """Whether a task that does all of the work itself has to see all rows before it can divide them."""
        return False

    @abstractmethod
    def analysis(self, schema: DataSchema) -> RowAnalysis:
        """What looks at the rows; its `sketches` go into `plan`."""

    @abstractmethod
    def plan(self, sketches: Mapping[Interval, Any]) -> Plan:
        """What the sketches (of all parts of the input together) say about each interval."""

    @abstractmethod
    def bucketing(self, schema: DataSchema, plan: Plan | None) -> Bucketing:
        """What divides the rows; ``plan`` None: no analysis was needed."""

    def tasks(self) -> PerfectRollupTasks:
        """The sub tasks that divide the rows, where many tasks work together. Refused where only one task can."""
        raise invalid_input(f"{type(self).__name__} cannot be used with sub tasks; set maxNumConcurrentSubTasks to 1")


def positive(value: Any, name: str) -> int | None:
    """A whole number of a partitionsSpec; -1 is as good as absent (Druid: ``HISTORICAL_NULL``)."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_input(f"partitionsSpec.{name}: a whole number is expected, not [{value}]")
    if value == -1:
        return None
    if value <= 0:
        raise invalid_input(f"partitionsSpec.{name}[{value}] should be positive")
    return value


def at_most_one(value: Mapping[str, Any], *names: str) -> int | None:
    """The one of several spellings of a number that is given. Raises when two are."""
    found = {name: number for name in names if (number := positive(value.get(name), name)) is not None}
    if len(found) > 1:
        raise invalid_input(f"At most one of {list(found)} must be present (partitionsSpec)")
    return next(iter(found.values()), None)


def names(value: Any, name: str) -> tuple[str, ...]:
    """A list of dimensions."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise invalid_input(f"partitionsSpec.{name}: a list of names is expected, not [{value}]")
    return tuple(value)
