"""Shard specs of partial segments, between the tasks that make them and those that merge them."""

from __future__ import annotations

from attrs import field, frozen

from nemeton.model.shard_specs import (
    BuildingDimensionRangeShardSpec,
    BuildingHashBasedNumberedShardSpec,
    BuildingShardSpec,
    BuildingSingleDimensionShardSpec,
    ShardSpec,
)
from nemeton.plugins import json_type


class BucketShardSpec(ShardSpec):
    """A bucket of an interval, before it is known which buckets have rows (Druid: ``BucketNumberedShardSpec``)."""

    bucket_id: int

    def convert(self, partition_num: int) -> BuildingShardSpec:
        """The spec of the bucket's segment, with its number among those of the buckets that have rows."""
        raise NotImplementedError


@json_type("bucket_hash")
@frozen
class HashBucketShardSpec(BucketShardSpec):
    """The rows whose partition dimensions (none: all) hash to ``bucket_id`` of ``num_buckets``."""

    bucket_id: int = 0
    num_buckets: int = 1
    partition_dimensions: list[str] = field(factory=list, hash=False)
    partition_function: str = "murmur3_32_abs"

    def convert(self, partition_num: int) -> BuildingShardSpec:
        """See :class:`BucketShardSpec`."""
        return BuildingHashBasedNumberedShardSpec(
            partition_num, self.bucket_id, self.num_buckets, self.partition_dimensions, self.partition_function
        )


@json_type("bucket_single_dim")
@frozen
class SingleDimensionRangeBucketShardSpec(BucketShardSpec):
    """The rows whose dimension lies in [start, end); None is open."""

    bucket_id: int = 0
    dimension: str = ""
    start: str | None = None
    end: str | None = None

    def convert(self, partition_num: int) -> BuildingShardSpec:
        """See :class:`BucketShardSpec`."""
        return BuildingSingleDimensionShardSpec(self.bucket_id, self.dimension, self.start, self.end, partition_num)


@json_type("bucket_range")
@frozen
class DimensionRangeBucketShardSpec(BucketShardSpec):
    """The rows whose tuple of dimensions lies in [start, end); None is open."""

    bucket_id: int = 0
    dimensions: list[str] = field(factory=list, hash=False)
    start: list[str | None] | None = field(default=None, hash=False)
    end: list[str | None] | None = field(default=None, hash=False)

    def convert(self, partition_num: int) -> BuildingShardSpec:
        """See :class:`BucketShardSpec`; over one dimension Druid makes the older spec for one."""
        if len(self.dimensions) == 1:
            start, end = (None if bound is None else bound[0] for bound in (self.start, self.end))
            return BuildingSingleDimensionShardSpec(self.bucket_id, self.dimensions[0], start, end, partition_num)
        return BuildingDimensionRangeShardSpec(self.bucket_id, self.dimensions, self.start, self.end, partition_num)
