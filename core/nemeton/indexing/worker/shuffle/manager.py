"""What keeps partial segments between two phases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from nemeton.common.errors import defensive
from nemeton.model import BucketShardSpec
from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from nemeton.indexing.worker.shuffle.partitions import PartitionStat
    from nemeton.model import DataSegment, DruidNode
    from nemeton.time import Interval


def bucket_of(segment: DataSegment) -> BucketShardSpec:
    """The shard spec of a partial segment; refuses a segment that is none."""
    spec = segment.shard_spec
    if not isinstance(spec, BucketShardSpec):
        raise defensive(f"Segment [{segment.id}] belongs to no bucket: {spec}")
    return spec


@extension_point(hook="intermediary_data_managers", name="intermediary data manager", default="local")
class IntermediaryDataManager(ABC):
    """Keeps partial segments, by supervisor task, sub task, interval and bucket. Thread-safe.

    A peon adds; the worker of its machine serves and cleans up, if that is how the kind works. Chosen by
    ``druid.processing.intermediaryData.storage.type`` in peons and workers alike.
    """

    @abstractmethod
    def add_segment(
        self, supervisor_task_id: str, sub_task_id: str, segment: DataSegment, folder: Path, worker: DruidNode | None
    ) -> PartitionStat:
        """Keep the files of a segment whose shard spec is a `BucketShardSpec`; what to report of it.

        ``worker``: the one that runs the task, and may have to serve them. Of the same sub task, interval and bucket
        the later holds. Raises when there is no room.
        """

    @abstractmethod
    def find_partition(self, supervisor_task_id: str, sub_task_id: str, interval: Interval, bucket: int) -> Path | None:
        """The zip of a partial segment on this machine; None when there is none."""

    @abstractmethod
    def delete_partitions(self, supervisor_task_id: str) -> None:
        """Remove what belongs to a supervisor task, on this machine; fine when there is nothing."""

    def start(self) -> None:  # noqa: B027 - optional
        """Begin to clean up, on a worker."""

    def close(self) -> None:  # noqa: B027 - optional
        """Stop cleaning up."""
