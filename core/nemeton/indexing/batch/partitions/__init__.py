"""How the rows of one interval are divided among segments: ``partitionsSpec``."""

from nemeton.indexing.batch.partitions.base import PartitionsSpec
from nemeton.indexing.batch.partitions.dynamic import DynamicPartitionsSpec
from nemeton.indexing.batch.partitions.hashed import HashedPartitionsSpec
from nemeton.indexing.batch.partitions.ranges import DimensionRangePartitionsSpec, SingleDimensionPartitionsSpec

__all__ = [
    "DimensionRangePartitionsSpec",
    "DynamicPartitionsSpec",
    "HashedPartitionsSpec",
    "PartitionsSpec",
    "SingleDimensionPartitionsSpec",
]
