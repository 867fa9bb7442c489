"""Core's own shard specs and services, brought in through the same hooks as anybody's."""

from __future__ import annotations

from nemeton.plugins import LazyType, hookimpl, lazy

_BUCKET_SPECS = "nemeton.model.bucket_specs:"
_NODES = "nemeton.model.nodes:"
_PARTIAL = "nemeton.model.partial_shard_specs:"
_SHARD_SPECS = "nemeton.model.shard_specs:"


@hookimpl
def shard_specs() -> list[type | LazyType]:
    """Druid's shard specs."""
    return [
        lazy("numbered", _SHARD_SPECS + "NumberedShardSpec"),
        lazy("linear", _SHARD_SPECS + "LinearShardSpec"),
        lazy("none", _SHARD_SPECS + "NoneShardSpec"),
        lazy("hashed", _SHARD_SPECS + "HashBasedNumberedShardSpec"),
        lazy("single", _SHARD_SPECS + "SingleDimensionShardSpec"),
        lazy("range", _SHARD_SPECS + "DimensionRangeShardSpec"),
        lazy("tombstone", _SHARD_SPECS + "TombstoneShardSpec"),
        lazy("numbered_overwrite", _SHARD_SPECS + "NumberedOverwriteShardSpec"),
        lazy("building_numbered", _SHARD_SPECS + "BuildingNumberedShardSpec"),
        lazy("building_hashed", _SHARD_SPECS + "BuildingHashBasedNumberedShardSpec"),
        lazy("building_single_dim", _SHARD_SPECS + "BuildingSingleDimensionShardSpec"),
        lazy("building_range", _SHARD_SPECS + "BuildingDimensionRangeShardSpec"),
        lazy("bucket_hash", _BUCKET_SPECS + "HashBucketShardSpec"),
        lazy("bucket_single_dim", _BUCKET_SPECS + "SingleDimensionRangeBucketShardSpec"),
        lazy("bucket_range", _BUCKET_SPECS + "DimensionRangeBucketShardSpec"),
    ]


@hookimpl
def partial_shard_specs() -> list[type | LazyType]:
    """Druid's, and ``linear``, which Druid cannot read any more."""
    return [
        lazy("numbered", _PARTIAL + "NumberedPartialShardSpec"),
        lazy("linear", _PARTIAL + "LinearPartialShardSpec"),
        lazy("hashed", _PARTIAL + "HashBasedNumberedPartialShardSpec"),
        lazy("single_dim", _PARTIAL + "SingleDimensionPartialShardSpec"),
        lazy("numbered_overwrite", _PARTIAL + "NumberedOverwritePartialShardSpec"),
    ]


@hookimpl
def druid_services() -> list[type | LazyType]:
    """What Druid's nodes announce that they offer."""
    return [
        lazy("dataNodeService", _NODES + "DataNodeService"),
        lazy("workerNodeService", _NODES + "WorkerNodeService"),
        lazy("lookupNodeService", _NODES + "LookupNodeService"),
    ]
