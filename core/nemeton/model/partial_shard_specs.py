"""What an appending task knows of a shard spec before the Overlord has numbered its partition."""

from __future__ import annotations

from abc import ABC, abstractmethod

from attrs import field, frozen

from nemeton.json import wire
from nemeton.model.shard_specs import (
    HashBasedNumberedShardSpec,
    LinearShardSpec,
    NumberedOverwriteShardSpec,
    NumberedShardSpec,
    ShardSpec,
    SingleDimensionShardSpec,
)
from nemeton.plugins import extension_point, json_type


@extension_point(hook="partial_shard_specs", name="partial shard spec")
class PartialShardSpec(ABC):
    """A shard spec without its number: ``shardSpecFactory`` in requests for segment ids."""

    @abstractmethod
    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """The shard spec of that number, among so many core partitions."""

    @property
    def overwrites(self) -> bool:
        """True when the partition replaces others of its version; such ones have a range of numbers of their own."""
        return False

    def shares_partition_space(self, spec: ShardSpec) -> bool:
        """True when partitions of this kind are numbered together with ``spec``."""
        return self.overwrites == spec.overwrites


@json_type("numbered")
@frozen
class NumberedPartialShardSpec(PartialShardSpec):
    """The next one."""

    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """See the base class."""
        return NumberedShardSpec(partition_num, num_core_partitions)


@json_type("linear")
@frozen
class LinearPartialShardSpec(PartialShardSpec):
    """The next one, complete by itself."""

    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """See the base class."""
        return LinearShardSpec(partition_num)


@json_type("hashed")
@frozen
class HashBasedNumberedPartialShardSpec(PartialShardSpec):
    """The next one for a bucket of hashed rows."""

    partition_dimensions: list[str] | None = field(default=None, hash=False)
    bucket_id: int = 0
    num_buckets: int = field(default=0, metadata=wire("numPartitions"))
    partition_function: str | None = None

    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """See the base class."""
        return HashBasedNumberedShardSpec(
            partition_num,
            num_core_partitions,
            self.bucket_id,
            self.num_buckets,
            self.partition_dimensions or [],
            self.partition_function,
        )


@json_type("single_dim")
@frozen
class SingleDimensionPartialShardSpec(PartialShardSpec):
    """The next one for a range of one dimension."""

    partition_dimension: str = ""
    bucket_id: int = 0
    start: str | None = None
    end: str | None = None
    num_buckets: int = 0

    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """See the base class."""
        return SingleDimensionShardSpec(
            self.partition_dimension, self.start, self.end, partition_num, num_core_partitions
        )


#: ``atomicUpdateGroupSize`` while nobody knows how many segments replace the same ones; publishing tasks fill it in.
UNKNOWN_GROUP_SIZE = -1


@json_type("numbered_overwrite")
@frozen
class NumberedOverwritePartialShardSpec(PartialShardSpec):
    """The next one that replaces the partitions [start, end) under segment locks."""

    start_root: int = field(metadata=wire("startRootPartitionId"))
    end_root: int = field(metadata=wire("endRootPartitionId"))
    minor: int = field(metadata=wire("minorVersion"))

    def complete(self, partition_num: int, num_core_partitions: int) -> ShardSpec:
        """See the base class."""
        return NumberedOverwriteShardSpec(partition_num, self.start_root, self.end_root, self.minor, UNKNOWN_GROUP_SIZE)

    @property
    def overwrites(self) -> bool:
        """See the base class."""
        return True
