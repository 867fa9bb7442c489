"""Partial segments in deep storage: for workers that may go away between two phases."""

from __future__ import annotations

from pathlib import Path

from nemeton.common.errors import unsupported
from nemeton.indexing.worker.shuffle.manager import IntermediaryDataManager, bucket_of
from nemeton.indexing.worker.shuffle.partitions import DEEP_PREFIX, DeepStoragePartitionStat
from nemeton.model import DataSegment, DruidNode, NumberedShardSpec
from nemeton.plugins import json_type
from nemeton.spi.storage import DataSegmentPusher
from nemeton.time import Interval


@json_type("deepstore")
class DeepStorageIntermediaryDataManager(IntermediaryDataManager):
    """Pushes partial segments below ``shuffle-data/<supervisor task>``; the supervisor task removes them at its end.

    What is left of one that was killed lies there until somebody removes it, as with Druid.
    """

    def __init__(self, pusher: DataSegmentPusher) -> None:
        self._pusher = pusher

    def add_segment(
        self, supervisor_task_id: str, sub_task_id: str, segment: DataSegment, folder: Path, worker: DruidNode | None
    ) -> DeepStoragePartitionStat:
        """See :class:`IntermediaryDataManager`."""
        spec = bucket_of(segment)
        # where it lies is made of data source, interval, version and number: each partial segment has its own place
        placed = segment.with_(
            data_source=f"{DEEP_PREFIX}/{supervisor_task_id}",
            version=sub_task_id,
            shard_spec=NumberedShardSpec(spec.bucket_id, 0),
        )
        pushed = self._pusher.push(folder, placed)
        return DeepStoragePartitionStat(
            interval=segment.interval, shard_spec=spec, load_spec=dict(pushed.load_spec or {})
        )

    def find_partition(self, supervisor_task_id: str, sub_task_id: str, interval: Interval, bucket: int) -> Path | None:
        """None: nothing lies on this machine."""
        return None

    def delete_partitions(self, supervisor_task_id: str) -> None:
        """Refused: the supervisor task knows what it has there, this process does not."""
        raise unsupported("Partial segments in deep storage are removed by their supervisor task")
