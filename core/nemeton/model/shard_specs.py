"""How the partitions of one interval and version relate to each other."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.json import json_options, wire
from nemeton.plugins import extension_point, json_type


@extension_point(hook="shard_specs", name="shard spec")
class ShardSpec:
    """A partition's place among the partitions of its interval and version.

    ``partition_num`` numbers it; ``num_core_partitions`` is how many partitions, from 0 on, must be there before any of
    that version counts; partitions from there on are appended ones, each of which counts by itself.
    """

    partition_num: int = 0
    num_core_partitions: int = 0

    @property
    def start_root_partition_id(self) -> int:
        """First of the original partitions that this one replaces (it stands for itself unless it overwrites)."""
        return self.partition_num

    @property
    def end_root_partition_id(self) -> int:
        """One past the last of the original partitions that this one replaces."""
        return self.partition_num + 1

    @property
    def minor_version(self) -> int:
        """Counts overwrites of partitions within a version."""
        return 0

    @property
    def atomic_update_group_size(self) -> int:
        """How many partitions replace the same ones together."""
        return 1

    @property
    def is_tombstone(self) -> bool:
        """Whether the segment holds no rows and only hides older ones."""
        return False

    @property
    def overwrites(self) -> bool:
        """Whether it replaces partitions of its own version; numbers of such ones are apart from all others."""
        return False


@json_type("numbered")
@frozen
class NumberedShardSpec(ShardSpec):
    """One of ``num_core_partitions`` partitions that are complete together, or appended to them."""

    partition_num: int = 0
    num_core_partitions: int = field(default=0, metadata=wire("partitions"))


@json_type("linear")
@frozen
class LinearShardSpec(ShardSpec):
    """Partitions that count each by itself."""

    partition_num: int = 0

    @property
    def num_core_partitions(self) -> int:  # type: ignore[override]
        """None is waited for."""
        return 0


@json_type("none")
@frozen
class NoneShardSpec(ShardSpec):
    """The only partition."""

    @property
    def partition_num(self) -> int:  # type: ignore[override]
        """Always 0."""
        return 0

    @property
    def num_core_partitions(self) -> int:  # type: ignore[override]
        """Complete with the only one."""
        return 1


@json_type("hashed")
@json_options(omit_none=True)
@frozen
class HashBasedNumberedShardSpec(ShardSpec):
    """The rows whose partition dimensions hash to ``bucket_id`` of ``num_buckets``."""

    partition_num: int = 0
    num_core_partitions: int = field(default=0, metadata=wire("partitions"))
    bucket_id: int | None = None
    num_buckets: int | None = None
    partition_dimensions: list[str] = field(factory=list, hash=False)
    partition_function: str | None = None


@json_type("single")
@frozen
class SingleDimensionShardSpec(ShardSpec):
    """The rows whose dimension lies in [start, end); None is open."""

    dimension: str = ""
    start: str | None = None
    end: str | None = None
    partition_num: int = 0
    num_core_partitions: int = -1


@json_type("range")
@frozen
class DimensionRangeShardSpec(ShardSpec):
    """The rows whose tuple of dimensions lies in [start, end); None is open."""

    dimensions: list[str] = field(factory=list, hash=False)
    start: list[str | None] | None = field(default=None, hash=False)
    end: list[str | None] | None = field(default=None, hash=False)
    partition_num: int = 0
    num_core_partitions: int = -1


@json_type("tombstone")
@frozen
class TombstoneShardSpec(ShardSpec):
    """No rows: hides what it overshadows."""

    partition_num: int = 0
    num_core_partitions: int = field(default=0, metadata=wire("partitions"))

    @property
    def is_tombstone(self) -> bool:
        """True."""
        return True


ROOT_GENERATION_END = 32768
"""Partitions that overwrite others under a segment lock are numbered from here on."""


@json_type("numbered_overwrite")
@frozen
class NumberedOverwriteShardSpec(ShardSpec):
    """Replaces the original partitions [start, end) of the same version, together with its atomic update group."""

    partition_num: int = field(metadata=wire("partitionId"))
    start_root: int = field(metadata=wire("startRootPartitionId"))
    end_root: int = field(metadata=wire("endRootPartitionId"))
    minor: int = field(metadata=wire("minorVersion"))
    group_size: int = field(default=1, metadata=wire("atomicUpdateGroupSize"))

    @property
    def num_core_partitions(self) -> int:  # type: ignore[override]
        """Its group is waited for instead."""
        return 0

    @property
    def overwrites(self) -> bool:
        """True."""
        return True

    @property
    def start_root_partition_id(self) -> int:
        """First original partition replaced."""
        return self.start_root

    @property
    def end_root_partition_id(self) -> int:
        """One past the last original partition replaced."""
        return self.end_root

    @property
    def minor_version(self) -> int:
        """How often the root partitions have been overwritten under one version."""
        return self.minor

    @property
    def atomic_update_group_size(self) -> int:
        """How many segments replace the root partitions together."""
        return self.group_size


class BuildingShardSpec(ShardSpec):
    """A partition while the number of its fellows is not yet known; never published."""

    bucket_id: int

    def convert(self, num_core_partitions: int) -> ShardSpec:
        """The spec to publish."""
        raise NotImplementedError


@json_type("building_numbered")
@frozen
class BuildingNumberedShardSpec(BuildingShardSpec):
    """A numbered partition while the number of its fellows is not yet known; never published."""

    partition_num: int = field(default=0, metadata=wire("partitionId"))

    @property
    def bucket_id(self) -> int:  # type: ignore[override]
        """A bucket of its own."""
        return self.partition_num

    def convert(self, num_core_partitions: int) -> ShardSpec:
        """The spec to publish."""
        return NumberedShardSpec(self.partition_num, num_core_partitions)


@json_type("building_hashed")
@frozen
class BuildingHashBasedNumberedShardSpec(BuildingShardSpec):
    """A hashed partition while the number of its fellows is not yet known; never published."""

    partition_num: int = field(default=0, metadata=wire("partitionId"))
    bucket_id: int = 0
    num_buckets: int = 1
    partition_dimensions: list[str] = field(factory=list, hash=False)
    partition_function: str = "murmur3_32_abs"

    def convert(self, num_core_partitions: int) -> ShardSpec:
        """The spec to publish."""
        return HashBasedNumberedShardSpec(
            self.partition_num,
            num_core_partitions,
            self.bucket_id,
            self.num_buckets,
            self.partition_dimensions,
            self.partition_function,
        )


@json_type("building_single_dim")
@frozen
class BuildingSingleDimensionShardSpec(BuildingShardSpec):
    """A single-dimension partition while the number of its fellows is not yet known; never published."""

    bucket_id: int = 0
    dimension: str = ""
    start: str | None = None
    end: str | None = None
    partition_num: int = 0

    def convert(self, num_core_partitions: int) -> ShardSpec:
        """The spec to publish."""
        return SingleDimensionShardSpec(self.dimension, self.start, self.end, self.partition_num, num_core_partitions)


@json_type("building_range")
@frozen
class BuildingDimensionRangeShardSpec(BuildingShardSpec):
    """A range partition while the number of its fellows is not yet known; never published."""

    bucket_id: int = 0
    dimensions: list[str] = field(factory=list, hash=False)
    start: list[str | None] | None = field(default=None, hash=False)
    end: list[str | None] | None = field(default=None, hash=False)
    partition_num: int = 0

    def convert(self, num_core_partitions: int) -> ShardSpec:
        """The spec to publish."""
        return DimensionRangeShardSpec(self.dimensions, self.start, self.end, self.partition_num, num_core_partitions)
